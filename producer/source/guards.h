/* Guards: conditions that the source database must meet before a producer uses it. A guard that
 * does not hold is refused with a message that says what to do.
 *
 * Guards change nothing. Every new session checks them again (L3). One thread.
 */
#ifndef PRODUCER_SOURCE_GUARDS_H
#define PRODUCER_SOURCE_GUARDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

/* Guards are numbered in the order in which they are checked: one may rely on those before it. */
uint32_t guards_count(void);
const char *guards_name(uint32_t guard);
/* The name of a guard on which this one relies and which does not hold, by number in `held`; NULL:
 * it can be checked. */
const char *guards_missing(uint32_t guard, const bool *held);

/* 0: the guard holds. ERR_FATAL: it does not. ERR_RETRY: the database did not answer. */
int guards_check(uint32_t guard, struct pg *pg, const struct config *config, struct error *err);

/* Checks all, up to the first that does not hold. */
int guards_check_all(struct pg *pg, const struct config *config, struct error *err);
/* Checks all but the last, which is about the cursor: for commands that change the cursor. */
int guards_check_source(struct pg *pg, const struct config *config, struct error *err);
/* Checks that the producer's own tables are there, and of this version: for commands that only look
 * at them. */
int guards_check_own_tables(struct pg *pg, const struct config *config, struct error *err);

#endif
