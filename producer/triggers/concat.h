/* An SQL expression of type text: literals and expressions, joined by ||. Literals that follow each
 * other are one. Pure; any thread.
 *
 * Zero-initialise, and end with concat_finish().
 */
#ifndef PRODUCER_TRIGGERS_CONCAT_H
#define PRODUCER_TRIGGERS_CONCAT_H

#include "common/base/memory.h"

struct concat {
    struct buffer sql;
    struct buffer literal; /* not yet in `sql` */
};

/* The text itself, not quoted. */
void concat_literal(struct concat *concat, const char *text);

/* An expression of type text, which binds closer than ||. */
void concat_sql(struct concat *concat, const char *expression);

/* Appends the expression, '' for no parts, and frees what it was made of. */
void concat_finish(struct concat *concat, struct buffer *out);

#endif
