/* The values of a row of ops that no event carries: each costs its own op, and not the row (L12).
 *
 * A `set` of such a value acts as set null; an `add` or `remove` falls away, and so does a fan-out
 * that has no op left. What was decided of a row is stored before its event is sent, and decides
 * for every later version of the program (F79). The list is in the order of the ops. Pure; any
 * thread.
 */
#ifndef COMMON_OPS_OPS_INVALID_H
#define COMMON_OPS_OPS_INVALID_H

#include "common/base/error.h"
#include "common/base/memory.h"

/* A row with more of them is rejected as a whole (L10). */
enum { OPS_INVALID_MAX = 1000 };

/* As `nested`: the op is no part of a fan-out. */
#define OPS_NOT_NESTED UINT32_MAX

struct ops_invalid {
    uint32_t op;        /* its index in the row */
    uint32_t nested;    /* its index in the fan-out, or OPS_NOT_NESTED */
    struct text field;  /* UTF-8 */
    struct text reason; /* ASCII */
};

struct ops_invalids {
    const struct ops_invalid *items;
    uint32_t count;
};

/* < 0, 0, > 0: the op of `a` comes before, is, or comes after op `op`, `nested`. */
int ops_invalid_compare(const struct ops_invalid *a, uint32_t op, uint32_t nested);

/* Appends [{"op":0,"nested":null,"field":"a","reason":"is an object"}, ...]. */
void ops_invalids_write(const struct ops_invalids *invalids, struct buffer *out);
/* Parses the same, into `arena`. ERR_DATA: it is something else, or not in order. */
int ops_invalids_read(struct text json, struct arena *arena, struct ops_invalids *invalids,
                      struct error *err);

/* Appends a sentence for people: `field "a" (ops[0].value): is an object; ...`. It names the first
 * few, and counts the others. */
void ops_invalids_describe(const struct ops_invalids *invalids, struct buffer *out);

#endif
