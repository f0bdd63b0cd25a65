/* Entities and figures of the index. */
#ifndef CONSUMER_API_INDEX_H
#define CONSUMER_API_INDEX_H

#include "consumer/api/api_context.h"

void api_answer_entity(struct api_call *call);
void api_answer_indexes(struct api_call *call);
void api_answer_stats(struct api_call *call);

#endif
