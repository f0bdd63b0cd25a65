/* The indexes of fields and union branches in one version of the schema, resolved by name once.
 *
 * Decoding uses the layout of the *writer's* schema, so that a later version may reorder or add
 * fields. A kind that a version does not have has no branch (-1). Constant once resolved.
 */
#ifndef COMMON_EVENT_EVENT_LAYOUT_H
#define COMMON_EVENT_EVENT_LAYOUT_H

#include <avro.h>
#include <stdint.h>

#include "common/base/error.h"

enum { LAYOUT_KINDS_MAX = 8, LAYOUT_FIELDS_MAX = 16 };

/* A record: the field of each meaning, and the meaning of each field (-1: unknown). */
struct layout_record {
    int8_t field_of[LAYOUT_FIELDS_MAX];
    int8_t meaning_of[LAYOUT_FIELDS_MAX];
};

/* A union: the branch of each kind, and the kind of each branch (-1: none). */
struct layout_union {
    int8_t branch_of[LAYOUT_KINDS_MAX];
    int8_t kind_of[LAYOUT_KINDS_MAX];
};

enum {
    HEAD_EPOCH,
    HEAD_GENERATION,
    HEAD_TICK,
    HEAD_SEQ,
    HEAD_SOURCE,
    HEAD_CREATED_AT,
    HEAD_BODY,
    HEAD_FIELDS,
};

/* Row, FanOut and Rejected; the content is ops, fan_outs or reason. */
enum { BODY_ROW_ID, BODY_ENTITY_ID, BODY_CONTENT, BODY_FIELDS };

enum {
    LAYOUT_MARK_KIND,
    LAYOUT_MARK_TOPIC_ID,
    LAYOUT_MARK_PARTITIONS,
    LAYOUT_MARK_DIGEST,
    LAYOUT_MARK_LAST_ROW_ID,
    LAYOUT_MARK_MAX_ROW_ID,
    LAYOUT_MARK_BACKLOG_ROWS,
    LAYOUT_MARK_CLOCK,
    LAYOUT_MARK_SNAPSHOT,
    LAYOUT_MARK_SOURCE_EMPTY,
    LAYOUT_MARK_FIELDS,
};

enum { OP_FIELD, OP_VALUE, OP_FIELDS };
enum { FAN_OUT_QUERY, FAN_OUT_OPS, FAN_OUT_FIELDS };
enum { LIST_ITEMS, LIST_FIELDS };
enum { LAYOUT_VALUE_OPS = 3 }; /* OP_SET, OP_REMOVE and OP_ADD carry a value */

struct layout {
    struct layout_record head;
    struct layout_union created_at; /* kinds: 0 absent, 1 present */
    struct layout_union body;       /* enum event_kind */
    struct layout_record bodies[3]; /* by event_kind, without EVENT_MARK */
    struct layout_record mark;
    struct layout_union op; /* enum op_kind, in a row */
    struct layout_record ops[LAYOUT_VALUE_OPS];
    struct layout_union values[LAYOUT_VALUE_OPS]; /* enum value_kind */
    struct layout_record fan_out;
    struct layout_union nested; /* enum op_kind, in a fan-out */
    struct layout_record integers;
    struct layout_record strings;
};

/* ERR_FATAL when the schema lacks a field. */
int layout_resolve(avro_schema_t event, struct layout *layout, struct error *err);

#endif
