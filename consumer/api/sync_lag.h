/* GET /api/internal/sync-lag: position and lag of each source and of each partition. */
#ifndef CONSUMER_API_SYNC_LAG_H
#define CONSUMER_API_SYNC_LAG_H

#include "consumer/api/api_context.h"

void api_answer_sync_lag(struct api_call *call);

#endif
