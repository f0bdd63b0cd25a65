/* The consumer groups that `verify` compares. Main thread. */
#ifndef PRODUCER_COMMANDS_VERIFY_GROUPS_H
#define PRODUCER_COMMANDS_VERIFY_GROUPS_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

/* Finds every group that has members on the topic, or checks those of `list`, names with commas
 * between, unless it is NULL. A group without members that is not named is reported on standard
 * error. The names are in `arena`. ERR_USAGE: a named group does not read the topic. ERR_FATAL: no
 * group has members, or which groups have is not known because one is rebalancing. */
int verify_groups_find(const struct config *config, const char *list, struct arena *arena,
                       const char *const **groups, uint32_t *count, struct error *err);

#endif
