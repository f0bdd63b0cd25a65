/* The shards of this process that can answer, and the fields that are complete in their answers.
 * Any thread, between assignment_enter() and assignment_leave(). */
#ifndef CONSUMER_API_SERVED_SHARD_H
#define CONSUMER_API_SERVED_SHARD_H

#include "consumer/api/api_context.h"
#include "consumer/partition/shard.h"

/* The shard, or NULL if it cannot answer yet. Sets `*complete` to the fields that are complete in
 * it. */
struct shard *served_shard_find(struct api_context *api, int32_t partition,
                                struct field_set *complete);
/* Removes from `complete` what has become incomplete while the answer was made. */
void served_shard_keep_complete(struct shard *shard, struct field_set *complete);

#endif
