/* An index as of a moment (feed_as_of.h), for the handlers: what answers say about it, and the time
 * that they compare with. */
#ifndef CONSUMER_API_AS_OF_H
#define CONSUMER_API_AS_OF_H

#include "common/json/json_write.h"
#include "consumer/api/api_context.h"

/* The moment that the index is of; 0: it follows its source. */
int64_t as_of_us(const struct api_context *api);
/* As a member "as_of" of an object: the moment, the earliest watermark that a partition has come to
 * and its tick, and whether that is exactly the moment. Nothing when the index follows its source.
 * Not between assignment_enter() and assignment_leave(). */
void as_of_write(struct api_context *api, struct json_writer *json);
/* The same without the key, appended to `out`. */
void as_of_describe(struct api_context *api, struct buffer *out);

#endif
