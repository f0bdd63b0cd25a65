/* The filter tree that queries and fan-outs share, and the parser of the fan-out grammar.
 *
 *     query  = clause { AND clause }
 *     clause = field "eq" value | field "in" "[" [ value { "," value } ] "]"
 *
 * - A field is a run of bytes without blanks. Blanks (space, tab, line breaks) stand around words
 *   and may stand around brackets and commas. eq, in and AND are read in any case.
 * - A value in double quotes is a JSON string, with JSON's escapes (so that an array out of jsonb
 *   can be put into a query as it is). One in single quotes ends at the next single quote; a
 *   doubled one stands for itself, as in SQL; no other escapes. Inside quotes anything may stand.
 * - A value without quotes runs to the next AND between blanks, or to the end; in a list to the
 *   next comma or bracket. Blanks around it do not belong to it, blanks inside it do (SD 1.5). It
 *   does not begin with a bracket. It is an integer or float if JSON would read it as one (3.0 is
 *   3, ops_value.h), a boolean if it is true or false, else a string (null too).
 * - An empty list is allowed and matches nothing.
 *
 * A tree belongs to the arena it was parsed into.
 */
#ifndef COMMON_OPS_FILTER_H
#define COMMON_OPS_FILTER_H

#include "common/base/error.h"
#include "common/ops/op.h"

enum filter_kind {
    FILTER_EQ,
    FILTER_NOT_EQ,
    FILTER_IN,
    FILTER_NOT_IN,
    FILTER_GT,
    FILTER_GTE,
    FILTER_LT,
    FILTER_LTE,
    FILTER_IS_NULL,
    FILTER_IS_NOT_NULL,
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
};

struct filter {
    enum filter_kind kind;
    struct text field;             /* leaves only */
    const struct value *values;    /* EQ..LTE: one (IN, NOT_IN: `count`); scalars only */
    const struct filter *children; /* AND, OR: `count`; NOT: one */
    uint32_t count;                /* of values or children */
};

/* Parses a fan-out's query into `arena`: an AND of EQ and IN leaves (one leaf stands alone).
 * ERR_DATA says at which byte and what is wrong, in ASCII, without quoting the query. Texts of the
 * tree do not point into `query`; they are UTF-8 if `query` is. */
int filter_parse_query(struct text query, struct arena *arena, const struct filter **filter,
                       struct error *err);

#endif
