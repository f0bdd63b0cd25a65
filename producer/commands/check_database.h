/* The part of `check` that asks the source database. Main thread. */
#ifndef PRODUCER_COMMANDS_CHECK_DATABASE_H
#define PRODUCER_COMMANDS_CHECK_DATABASE_H

#include "common/config/config.h"
#include "producer/commands/checklist.h"

/* Connects, and reports everything that can be examined: what depends on a guard that does not hold
 * is named and left out. Changes nothing. */
void check_database(struct checklist *list, const struct config *config);

#endif
