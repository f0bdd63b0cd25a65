/* Guards: functions of a row that evaluate an expression of the configuration which can fail for
 * some rows, and give null, or the reason, where it does. By them, a row that the expression cannot
 * take costs its value, in a trigger of the application (L12) as in a load. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_GUARD_H
#define PRODUCER_TRIGGERS_GUARD_H

#include <stdbool.h>

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* What the name of the guard of a value is a hash of: everything that decides what it yields. With
 * `is_json`, that is the value as JSON, or an invalid value with the reason. */
const char *guard_define(const struct entry *entry, const struct entry_value *value, bool is_json,
                         struct arena *arena);
/* Likewise of the filter. */
const char *guard_define_filter(const struct entry *entry, struct arena *arena);

/* Fills the guards of the values, and of the filter, of an entry that has been read from the
 * catalogue: the quoted names, NULL where nothing can fail. */
void guard_fill(struct entry *entry, struct arena *arena);

/* Appends a literal, the body of a PL/pgSQL function that yields `sql`, or `otherwise` where that
 * fails, with whatever error: functions raise their own. What ends the application's transaction
 * anyway is not caught: serialization failures, deadlocks, cancelled statements, no memory. The
 * subtransaction of its handler writes nothing, and takes no transaction id. */
void guard_append_body(struct buffer *out, const char *sql, const char *otherwise);

#endif
