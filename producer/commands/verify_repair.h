/* Repairs what a pass of `verify` has found: loads of the ranges and fields that differ. Main
 * thread. */
#ifndef PRODUCER_COMMANDS_VERIFY_REPAIR_H
#define PRODUCER_COMMANDS_VERIFY_REPAIR_H

#include "common/base/error.h"
#include "producer/commands/verify_pass.h"

/* Loads the ranges and waits for the end of the loads. ERR_FATAL: a load failed, or a signal ended
 * the waiting. */
int verify_repair(const struct verify_task *task, const struct comparison *comparison,
                  struct error *err);

#endif
