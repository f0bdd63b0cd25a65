/* SQL over one row of an entry's table, as the trigger functions (body.h) and the queries of a load
 * (select.h) have it in common: what is said of a row does not depend on who asks (F84).
 *
 * `row` is the name of the row in the SQL: OLD, NEW, or an alias. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_ROW_SQL_H
#define PRODUCER_TRIGGERS_ROW_SQL_H

#include <stdint.h>

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* What a value of form FORM_SECONDS is where the point in time is infinite: no field holds it. */
#define ROW_SQL_INFINITE_TIME INT64_MIN

/* The value of an op, as an expression; null where the field has no value. */
void row_sql_append_value(struct buffer *out, const struct entry_value *value, const char *row);

/* The same from `source`, an expression of the value as the database has it. */
void row_sql_append_form(struct buffer *out, const struct entry_value *value, const char *source);

/* The same as JSON, an expression of type text; `to_json` is the name of that function. */
void row_sql_append_json(struct buffer *out, const struct entry_value *value, const char *to_json,
                         const char *source);

/* The query of a fan-out, an expression of type text; null where the row reaches no entity. */
void row_sql_append_query(struct buffer *out, const struct entry *entry, const char *row);

/* AND with the condition that the row passes the filter, if there is one. */
void row_sql_append_filter(struct buffer *out, const struct entry *entry, const char *row);

/* The schemas in which the expressions of the entry are resolved: what the setting search_path has
 * in its functions. */
void row_sql_append_search_path(struct buffer *out, const struct entry *entry);

#endif
