/* Pieces of SQL: names, and expressions of the configuration with their {column} filled in. Pure;
 * any thread. */
#ifndef PRODUCER_TRIGGERS_SQL_H
#define PRODUCER_TRIGGERS_SQL_H

#include "common/base/memory.h"

/* Appends one quoted identifier; a dot in it is a part of the name. */
void sql_append_name(struct buffer *out, const char *name);
/* The same behind `row` and a dot, such as OLD."order". */
void sql_append_column(struct buffer *out, const char *row, const char *column);

/* As quote_literal() does, so that it reads the same whatever standard_conforming_strings is. */
void sql_append_literal(struct buffer *out, const char *text);

/* Appends `expression`, in which {name} becomes that column of `row`. What stands in quotes of any
 * kind or in comments is left alone, and so is a brace that holds no name. */
void sql_append_expression(struct buffer *out, const char *expression, const char *row);

/* Is it one {name} and nothing else? */
bool sql_is_column(const char *expression);

/* The text in `buffer`, which is freed, as one that lives in `arena`. */
const char *sql_take(struct arena *arena, struct buffer *buffer);

/* Finds the next {name} at or behind *at, outside quotes and comments, and moves *at behind it.
 * False: there is none. */
bool sql_next_placeholder(const char **at, struct text *name);

#endif
