/* Queries, entities and figures of the index.
 *
 * A query is put to each shard in turn, within its time limit, and the answers are merged. A reply
 * names the partitions that are not on this process or not recovered yet, and states whether the
 * others are complete (law L9).
 */
#ifndef CONSUMER_API_INDEX_H
#define CONSUMER_API_INDEX_H

#include "consumer/api/api_context.h"

void api_answer_query(struct api_call *call);
void api_answer_entity(struct api_call *call);
void api_answer_indexes(struct api_call *call);
void api_answer_stats(struct api_call *call);

#endif
