/* POST /replay: begins a replay in the partitions of this process, accepts what one lacks, or takes
 * it back (replay_request.h). Answers when each worker has: a checkpoint may be loaded before. */
#ifndef CONSUMER_API_REPLAY_H
#define CONSUMER_API_REPLAY_H

#include "consumer/api/api_context.h"

void api_answer_replay(struct api_call *call);

#endif
