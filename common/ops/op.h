/* Ops as data: triggers write them, events carry them, the engine applies them.
 *
 * Every pointer belongs to the arena or message that the op was decoded into, and lives as long as
 * that. The ops of one row are either all slot ops (refreshes of its entity among them), or all
 * fan-outs, or all requests with a parent's key, because the partitions that a row goes to depend
 * on its kind.
 */
#ifndef COMMON_OPS_OP_H
#define COMMON_OPS_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

enum value_kind {
    VALUE_NULL,
    VALUE_INTEGER,
    VALUE_FLOAT,
    VALUE_BOOLEAN,
    VALUE_STRING,
    VALUE_INTEGERS, /* an empty JSON array is VALUE_INTEGERS with count 0 */
    VALUE_STRINGS,
};

struct value {
    enum value_kind kind;
    union {
        int64_t integer;
        double real;
        bool boolean;
        struct text string;
        struct {
            const int64_t *items;
            uint32_t count;
        } integers;
        struct {
            const struct text *items;
            uint32_t count;
        } strings;
    };
};

enum op_kind {
    OP_SET,     /* field, value */
    OP_REMOVE,  /* field, value */
    OP_ADD,     /* field, value */
    OP_ALIVE,   /* the entity exists */
    OP_DELETE,  /* removes the entity and all its values */
    OP_FAN_OUT, /* "queryOpSet": query, nested ops (set, remove, add, delete) */
    OP_REFRESH, /* the entity is to be read from the source. `field`: the entry of `triggers`, or
                   empty; `value` with an entry: the key of a parent, true for all rows of the
                   source, or null; `value` without one: the names of fields, or null for all */
};

struct filter;

/* `query` to `nested_count` belong to OP_FAN_OUT only. `filter` is the parsed query once a consumer
 * has prepared the op (engine_prepare_fan_out()), before that NULL; events do not carry it. */
struct op {
    enum op_kind kind;
    struct text field;
    struct value value;
    struct text query;
    const struct filter *filter;
    const struct op *nested;
    uint32_t nested_count;
};

struct ops {
    const struct op *items;
    uint32_t count;
};

/* Is it a request for what depends on a parent, or on all rows of a source? Other refreshes ask for
 * the row's own entity. */
static inline bool
op_is_parent_request(const struct op *op)
{
    return op->kind == OP_REFRESH && op->field.bytes > 0 && op->value.kind != VALUE_NULL;
}

/* Is it a request for all rows of a source? */
static inline bool
op_is_source_request(const struct op *op)
{
    return op_is_parent_request(op) && op->value.kind == VALUE_BOOLEAN;
}

/* Checks what ops_json_parse() guarantees: the ops of a row are of one route, and complete. */
void ops_invariants_check(const struct ops *ops);

/* The name in the JSON form: "set", "remove", ..., "queryOpSet". */
const char *op_kind_name(enum op_kind kind);

#endif
