/* POST /checkpoint: requests a checkpoint from the worker of every partition of this process and
 * waits for all of them. */
#ifndef CONSUMER_API_CHECKPOINT_H
#define CONSUMER_API_CHECKPOINT_H

#include "consumer/api/api_context.h"

void api_answer_checkpoint(struct api_call *call);

#endif
