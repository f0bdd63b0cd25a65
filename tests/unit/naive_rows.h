/* A naive store of rows that the engine is compared with, and random events for both.
 *
 * The fields are those of the engine's fixture, computed ones and visible_from included.
 */
#ifndef TESTS_UNIT_NAIVE_ROWS_H
#define TESTS_UNIT_NAIVE_ROWS_H

#include <stdint.h>

#include "common/base/memory.h"
#include "common/ops/op.h"

enum { NAIVE_TAGS = 8, NAIVE_STRINGS = 12 };
enum { NAIVE_OPS_MAX = 4, NAIVE_CLAUSES_MAX = 3, NAIVE_VALUES_MAX = 3, NAIVE_QUERY_BYTES = 512 };

/* In the fixture's order, the computed fields last. The number after them is for a field that the
 * index does not have. */
enum {
    NAIVE_LEVEL,
    NAIVE_POST,
    NAIVE_TAG_IDS,
    NAIVE_META,
    NAIVE_TYPE,
    NAIVE_SCORE,
    NAIVE_RANK,
    NAIVE_EXISTED,
    NAIVE_PUBLISHED,
    NAIVE_SORT_AT,
    NAIVE_FIRST_AT,
    NAIVE_FIELDS,
    NAIVE_FIELDS_WRITTEN = NAIVE_SORT_AT,
    NAIVE_UNKNOWN = NAIVE_FIELDS,
};

extern const char *const naive_field_names[NAIVE_FIELDS + 1];
extern const int64_t naive_tags[NAIVE_TAGS]; /* ascending */
extern const char *const naive_strings[NAIVE_STRINGS];
extern const int naive_folded[NAIVE_STRINGS]; /* the first string that is equal without case */

/* Scalars are integers: 0 and 1 for a boolean, the index in `naive_strings` for a string. */
struct naive_row {
    bool alive;
    bool has[NAIVE_FIELDS];
    int64_t values[NAIVE_FIELDS];
    bool tags[NAIVE_TAGS]; /* which of `naive_tags` */
};

bool naive_has(const struct naive_row *row, int field);
bool naive_holds(const struct naive_row *row, int field, int64_t number);
/* Alive, and not hidden until a later time. */
bool naive_is_visible(const struct naive_row *row, int64_t now_s);
/* As fixture_entity_text(). */
const char *naive_text(const struct naive_row *row, struct buffer *out);

/* One op and its effect on a row. */
struct naive_op {
    struct op op; /* without the items of an array */
    int field;    /* -1: none */
    int64_t numbers[NAIVE_TAGS];
    uint32_t count; /* of numbers; 0 for null and for an empty array */
};

struct naive_clause {
    int field;
    int64_t numbers[NAIVE_VALUES_MAX];
    uint32_t count;
};

/* A row of slot ops, or one fan-out. May be copied. */
struct naive_event {
    int row; /* -1: a fan-out */
    struct naive_op ops[NAIVE_OPS_MAX];
    uint32_t op_count;
    struct naive_clause clauses[NAIVE_CLAUSES_MAX];
    uint32_t clause_count;
    char query[NAIVE_QUERY_BYTES];
};

void naive_apply(struct naive_row *rows, int row_count, const struct naive_event *event);

/* Updates the computed fields after a change of other ones. */
void naive_compute(struct naive_row *row);
/* All rows lose their value of a field that ops write. */
void naive_clear_field(struct naive_row *rows, int row_count, int field);

/* The same event in the form that the engine takes. */
struct naive_ops {
    struct op items[NAIVE_OPS_MAX];
    struct op fan_out;
    struct ops ops;
};
void naive_event_ops(const struct naive_event *event, struct naive_ops *ops);

/* Limits how many different values a field gets; with fewer values more of them are equal. There is
 * no limit at first. */
extern uint64_t naive_values_limit;

int64_t naive_random_number(int field);
struct value naive_value(int field, int64_t number);
void naive_random_row(struct naive_event *event, int row_count);
void naive_random_fan_out(struct naive_event *event);

#endif
