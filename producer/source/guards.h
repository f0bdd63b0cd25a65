/* Asks the guards of the source (guards_table.h): conditions that the source database must meet
 * while a producer uses it. A guard that does not hold is refused with a message that says what to
 * do.
 *
 * Guards change nothing. Every new session checks them again (L3), and a session that lasts does
 * (L13). One thread.
 */
#ifndef PRODUCER_SOURCE_GUARDS_H
#define PRODUCER_SOURCE_GUARDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

/* By number in guards_table. */
uint32_t guards_count(void);
const char *guards_name(uint32_t guard);
/* False: other code asks it (enum guard_kind). */
bool guards_is_of_source(uint32_t guard);
/* The name of a guard on which this one relies and which does not hold, by number in `held`; NULL:
 * it can be checked. */
const char *guards_missing(uint32_t guard, const bool *held);

/* 0: the guard holds. ERR_FATAL: it does not. ERR_RETRY: the database did not answer. */
int guards_check(uint32_t guard, struct pg *pg, const struct config *config, struct error *err);

/* Checks all, up to the first that does not hold. */
int guards_check_all(struct pg *pg, const struct config *config, struct error *err);
/* The same for a session after the first one of a process: ERR_RETRY when a guard does not hold for
 * which the producer waits (GUARD_WAITS). */
int guards_check_next_session(struct pg *pg, const struct config *config, struct error *err);
/* Checks those that may stop holding while a session lasts (GUARD_AT_INTERVAL): one query as long
 * as they hold. `*failed` is the guard that does not. Errors as of guards_check_next_session(). */
int guards_check_again(struct pg *pg, const struct config *config, uint32_t *failed,
                       struct error *err);
/* Checks all but the one that is about the cursor: for commands that change the cursor. */
int guards_check_source(struct pg *pg, const struct config *config, struct error *err);
/* Checks that the producer's own tables are there, and of this version: for commands that only look
 * at them. */
int guards_check_own_tables(struct pg *pg, const struct config *config, struct error *err);

#endif
