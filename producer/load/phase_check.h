/* Compares dump phases with the triggers of their tables (F84): both are read for the first
 * entities, in one snapshot. One thread.
 */
#ifndef PRODUCER_LOAD_PHASE_CHECK_H
#define PRODUCER_LOAD_PHASE_CHECK_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

/* Is there a phase that replaces the query of a table's triggers? */
bool phase_check_is_needed(const struct config *config);

/* 0: the values are equal. ERR_USAGE: a phase cannot be read, or a field has another value than its
 * triggers would write, such as a time in another unit; the message names the field, an entity, and
 * both values. Changes settings of the session, on which no transaction is open. */
int phase_check_run(const struct config *config, struct pg *pg, struct error *err);

#endif
