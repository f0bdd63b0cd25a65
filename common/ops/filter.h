/* The filter tree that queries and fan-outs share, and the parser of the fan-out grammar.
 *
 *     query  = clause { AND clause }
 *     clause = field "eq" value | field "in" "[" [ value { "," value } ] "]"
 *
 * - A field is a run of bytes without blanks. Blanks (space, tab, line breaks) separate words and
 *   are allowed around brackets and commas. eq, in and AND are accepted in any case.
 * - A value in double quotes is a JSON string with the escapes of JSON, so that an array from jsonb
 *   can be put into a query unchanged. A value in single quotes ends at the next single quote; a
 *   doubled single quote is one quote of the value, as in SQL, and there are no other escapes. All
 *   bytes are allowed inside quotes.
 * - A value without quotes ends at the next AND between blanks, or at the end; in a list at the
 *   next comma or bracket. Blanks around it are not a part of it, blanks inside it are (SD 1.5). It
 *   does not begin with a bracket. It is an integer or a float if JSON reads it as one (3.0 is 3,
 *   ops_value.h), a boolean if it is true or false, else a string, also if it is null.
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

/* A filter is resolved when its fields are numbers. The number of a field is its place, from 1,
 * among the filter fields and then the other sort fields of the index (engine_prepare_fan_out());
 * FILTER_NUMBER_ID is the entity's id, which only queries name. */
#define FILTER_NUMBER_ID UINT32_MAX

struct filter {
    enum filter_kind kind;
    struct text field;             /* leaves only */
    uint32_t field_number;         /* leaves only; 0: not resolved */
    bool ignores_case;             /* resolved EQ and IN: the values are strings, case-folded */
    const struct value *values;    /* EQ to LTE: one; IN and NOT_IN: `count`; scalars only */
    const struct filter *children; /* AND, OR: `count`; NOT: one */
    uint32_t count;                /* of values or children */
};

/* AND, OR and NOT; the other kinds are leaves. */
static inline bool
filter_has_children(const struct filter *filter)
{
    return filter->kind == FILTER_AND || filter->kind == FILTER_OR || filter->kind == FILTER_NOT;
}

/* Parses a fan-out's query into `arena`: one EQ or IN leaf, or an AND of several. ERR_DATA has the
 * byte and the reason, in ASCII, without quoting the query. The texts of the tree do not point into
 * `query`; they are UTF-8 if `query` is. */
int filter_parse_query(struct text query, struct arena *arena, const struct filter **filter,
                       struct error *err);

#endif
