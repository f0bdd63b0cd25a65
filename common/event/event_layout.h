/* The indexes of fields and union branches in one version of the schema, resolved by name once.
 *
 * Decoding uses the layout of the *writer's* schema, so that a later version may reorder or add
 * fields. A kind that a version does not have has no branch (-1), and a field that it does not have
 * has no index (-1). Constant once resolved.
 */
#ifndef COMMON_EVENT_EVENT_LAYOUT_H
#define COMMON_EVENT_EVENT_LAYOUT_H

#include <avro.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/event/event_form.h"

enum { LAYOUT_KINDS_MAX = 16, LAYOUT_FIELDS_MAX = 16 };

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
    HEAD_TXID, /* not in version 1 */
    HEAD_FIELDS,
};

/* The numbered kinds; the content is ops, fan_outs, reason or requests. */
enum { BODY_ROW_ID, BODY_ENTITY_ID, BODY_CONTENT, BODY_FIELDS };
enum { LAYOUT_BODIES = EVENT_PARENT_REFRESH + 1 };

enum { OP_FIELD, OP_VALUE, OP_FIELDS };
enum { FAN_OUT_QUERY, FAN_OUT_OPS, FAN_OUT_FIELDS };
enum { LIST_ITEMS, LIST_FIELDS };
enum { REFRESH_ENTRY, REFRESH_NAMES, REFRESH_FIELDS };
enum { REQUEST_ENTRY, REQUEST_KEY, REQUEST_FIELDS };
enum { LAYOUT_VALUE_OPS = 3 }; /* OP_SET, OP_REMOVE and OP_ADD carry a value */

struct layout {
    struct layout_record head;
    struct layout_union created_at;             /* kinds: 0 absent, 1 present */
    struct layout_union body;                   /* enum event_kind */
    struct layout_record bodies[LAYOUT_BODIES]; /* by event_kind; EVENT_MARK is a form */
    struct layout_record forms[FORM_IDS];
    struct layout_union op; /* enum op_kind, in a row */
    struct layout_record ops[LAYOUT_VALUE_OPS];
    struct layout_union values[LAYOUT_VALUE_OPS]; /* enum value_kind */
    struct layout_record refresh;
    struct layout_record fan_out;
    struct layout_union nested; /* enum op_kind, in a fan-out */
    struct layout_record integers;
    struct layout_record strings;
    struct layout_record request; /* of a parent */
    struct layout_union key;      /* enum value_kind */
};

/* ERR_FATAL when the schema lacks a field. */
int layout_resolve(avro_schema_t event, struct layout *layout, struct error *err);

/* Stops the program when the schema of `layout`, the newest one, lacks something or has the fields
 * of a record in another order than these enums and the forms. */
void layout_newest_check(const struct layout *layout);

#endif
