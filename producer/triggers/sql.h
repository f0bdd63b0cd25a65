/* Pieces of SQL text: identifiers, literals, and the expressions of the configuration, in which a
 * column is written {column}. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_SQL_H
#define PRODUCER_TRIGGERS_SQL_H

#include "common/base/memory.h"

/* Appends a quoted identifier, which is not empty. A dot is a part of the name. */
void sql_append_name(struct buffer *out, const char *name);
/* Appends `row`, a dot and the quoted column, such as OLD."order". */
void sql_append_column(struct buffer *out, const char *row, const char *column);

/* Appends a literal as quote_literal() writes it: its meaning does not depend on
 * standard_conforming_strings. */
void sql_append_literal(struct buffer *out, const char *text);

/* Appends `expression` with every {name} replaced by that column of `row`. Quoted text, comments,
 * and a brace that encloses no name are copied unchanged. */
void sql_append_expression(struct buffer *out, const char *expression, const char *row);

/* Is the expression a single {name}? */
bool sql_is_column(const char *expression);

/* Copies the text of `buffer`, which holds no NUL, into `arena`, and frees the buffer, which is
 * then empty. */
const char *sql_take(struct arena *arena, struct buffer *buffer);

/* Finds the first {name} from *at on, outside quoted text and comments, and moves *at past it.
 * False: no {name} is left, and *at is unchanged. */
bool sql_next_placeholder(const char **at, struct text *name);

/* A word of an expression: a keyword, or a part of the name of a table, column or function. */
struct sql_word {
    struct text name; /* without quotes; a doubled quote ends one word and begins the next */
    bool is_quoted;
    bool is_called; /* a parenthesis follows */
};

/* Finds the first word from *at on, outside literals, comments and {name}s, and moves *at past it.
 * False: no word is left. */
bool sql_next_word(const char **at, struct sql_word *word);

#endif
