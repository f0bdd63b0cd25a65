#include "common/event/event_layout.h"

#include <string.h>

#include "common/base/check.h"

static const char *const head_names[] = {"epoch",  "generation", "tick", "seq",
                                         "source", "created_at", "body"};
static const char *const created_at_names[] = {"null", "long"};
static const char *const body_names[] = {"Row", "FanOut", "Rejected", "Mark"};
static const char *const row_names[][BODY_FIELDS] = {
    {"row_id", "entity_id", "ops"},
    {"row_id", "entity_id", "fan_outs"},
    {"row_id", "entity_id", "reason"},
};
static const char *const mark_names[] = {
    "kind",       "topic_id",     "partitions", "digest",   "last_row_id",
    "max_row_id", "backlog_rows", "clock",      "snapshot", "source_empty",
};
static const char *const op_names[] = {"Set", "Remove", "Add", "Alive", "Delete"};
static const char *const value_op_names[] = {"field", "value"};
static const char *const value_names[] = {"null",   "long",     "double", "boolean",
                                          "string", "Integers", "Strings"};
static const char *const fan_out_names[] = {"query", "ops"};
static const char *const list_names[] = {"items"};

#define COUNT(names) ((int)(sizeof(names) / sizeof((names)[0])))

static avro_schema_t
layout_target(avro_schema_t schema)
{
    CHECK(schema != NULL);
    return is_avro_link(schema) ? avro_schema_link_target(schema) : schema;
}

static int
layout_fields(avro_schema_t record, const char *const *names, int count,
              struct layout_record *layout, struct error *err)
{
    CHECK(count > 0);
    CHECK(count <= LAYOUT_FIELDS_MAX);
    if (record == NULL || !is_avro_record(record) ||
        avro_schema_record_size(record) > LAYOUT_FIELDS_MAX)
        return error_set(err, ERR_FATAL,
                         "schema has no record of at most %d fields with a field \"%s\"",
                         LAYOUT_FIELDS_MAX, names[0]);
    memset(layout, -1, sizeof *layout);
    for (int meaning = 0; meaning < count; meaning++) {
        int field = avro_schema_record_field_get_index(record, names[meaning]);
        if (field < 0)
            return error_set(err, ERR_FATAL, "schema has no field \"%s\" in %s", names[meaning],
                             avro_schema_name(record));
        CHECK(field < LAYOUT_FIELDS_MAX);
        CHECK(layout->meaning_of[field] < 0);
        layout->field_of[meaning] = (int8_t)field;
        layout->meaning_of[field] = (int8_t)meaning;
    }
    return 0;
}

static int
layout_branches(avro_schema_t schema, const char *const *names, int count,
                struct layout_union *layout, struct error *err)
{
    CHECK(count > 0);
    CHECK(count <= LAYOUT_KINDS_MAX);
    if (!is_avro_union(schema) || avro_schema_union_size(schema) > LAYOUT_KINDS_MAX)
        return error_set(err, ERR_FATAL,
                         "schema has no union of at most %d branches for %s and others",
                         LAYOUT_KINDS_MAX, names[0]);
    memset(layout, -1, sizeof *layout);
    for (int branch = 0; branch < (int)avro_schema_union_size(schema); branch++) {
        const char *name =
            avro_schema_type_name(layout_target(avro_schema_union_branch(schema, branch)));
        for (int kind = 0; kind < count; kind++) {
            if (strcmp(name, names[kind]) != 0)
                continue;
            CHECK(layout->branch_of[kind] < 0);
            layout->branch_of[kind] = (int8_t)branch;
            layout->kind_of[branch] = (int8_t)kind;
        }
    }
    return 0;
}

static avro_schema_t
layout_branch(avro_schema_t schema, const struct layout_union *layout, int kind)
{
    CHECK(kind < LAYOUT_KINDS_MAX);
    int branch = layout->branch_of[kind];
    CHECK(branch < (int)avro_schema_union_size(schema));
    return branch < 0 ? NULL : layout_target(avro_schema_union_branch(schema, branch));
}

static avro_schema_t
layout_field(avro_schema_t record, const struct layout_record *layout, int meaning)
{
    CHECK(meaning < LAYOUT_FIELDS_MAX);
    int field = layout->field_of[meaning];
    CHECK(field >= 0);
    return layout_target(avro_schema_record_field_get_by_index(record, field));
}

/* Set, Remove and Add, each with its union of values. The union of Set defines Integers and
 * Strings, and the others refer to them. */
static int
layout_value_ops(avro_schema_t op, struct layout *layout, struct error *err)
{
    enum { LISTS = 5 }; /* Integers, then Strings, in value_names */
    struct layout_record *const lists[] = {&layout->integers, &layout->strings};
    int rc = 0;
    for (int kind = 0; rc == 0 && kind < LAYOUT_VALUE_OPS; kind++) {
        avro_schema_t record = layout_branch(op, &layout->op, kind);
        rc = layout_fields(record, value_op_names, OP_FIELDS, &layout->ops[kind], err);
        if (rc != 0)
            return rc;
        avro_schema_t value = layout_field(record, &layout->ops[kind], OP_VALUE);
        rc = layout_branches(value, value_names, COUNT(value_names), &layout->values[kind], err);
        for (int list = 0; rc == 0 && list < 2; list++)
            rc = layout_fields(layout_branch(value, &layout->values[kind], LISTS + list),
                               list_names, LIST_FIELDS, lists[list], err);
    }
    return rc;
}

static int
layout_fan_outs(avro_schema_t fan_out, struct layout *layout, struct error *err)
{
    int rc = layout_fields(fan_out, fan_out_names, FAN_OUT_FIELDS, &layout->fan_out, err);
    if (rc != 0)
        return rc;
    avro_schema_t nested =
        avro_schema_array_items(layout_field(fan_out, &layout->fan_out, FAN_OUT_OPS));
    return layout_branches(nested, op_names, COUNT(op_names), &layout->nested, err);
}

static int
layout_bodies(avro_schema_t body, struct layout *layout, struct error *err)
{
    enum { ROW, FAN_OUT, MARK = 3 }; /* in body_names */
    avro_schema_t records[COUNT(body_names)];
    int rc = 0;
    for (int kind = 0; rc == 0 && kind < COUNT(body_names); kind++) {
        records[kind] = layout_branch(body, &layout->body, kind);
        if (kind != MARK)
            rc = layout_fields(records[kind], row_names[kind], BODY_FIELDS, &layout->bodies[kind],
                               err);
        else
            rc = layout_fields(records[kind], mark_names, LAYOUT_MARK_FIELDS, &layout->mark, err);
    }
    if (rc != 0)
        return rc;
    avro_schema_t op =
        avro_schema_array_items(layout_field(records[ROW], &layout->bodies[ROW], BODY_CONTENT));
    rc = layout_branches(op, op_names, COUNT(op_names), &layout->op, err);
    if (rc == 0)
        rc = layout_value_ops(op, layout, err);
    if (rc != 0)
        return rc;
    avro_schema_t fan_outs = layout_field(records[FAN_OUT], &layout->bodies[FAN_OUT], BODY_CONTENT);
    return layout_fan_outs(layout_target(avro_schema_array_items(fan_outs)), layout, err);
}

static void
record_check(const struct layout_record *record, int meanings)
{
    for (int meaning = 0; meaning < meanings; meaning++) {
        int field = record->field_of[meaning];
        CHECK(field >= 0 && field < LAYOUT_FIELDS_MAX);
        CHECK(record->meaning_of[field] == meaning);
    }
}

static void
union_check(const struct layout_union *branches)
{
    for (int kind = 0; kind < LAYOUT_KINDS_MAX; kind++) {
        int branch = branches->branch_of[kind];
        CHECK(branch < LAYOUT_KINDS_MAX);
        CHECK(branch < 0 || branches->kind_of[branch] == kind);
    }
}

/* The indexes of both directions agree. */
static void
layout_check(const struct layout *layout)
{
    record_check(&layout->head, HEAD_FIELDS);
    record_check(&layout->mark, LAYOUT_MARK_FIELDS);
    record_check(&layout->fan_out, FAN_OUT_FIELDS);
    record_check(&layout->integers, LIST_FIELDS);
    record_check(&layout->strings, LIST_FIELDS);
    union_check(&layout->created_at);
    union_check(&layout->body);
    union_check(&layout->op);
    union_check(&layout->nested);
    for (int kind = 0; kind < LAYOUT_VALUE_OPS; kind++) {
        record_check(&layout->ops[kind], OP_FIELDS);
        union_check(&layout->values[kind]);
    }
}

int
layout_resolve(avro_schema_t event, struct layout *layout, struct error *err)
{
    int rc = layout_fields(event, head_names, HEAD_FIELDS, &layout->head, err);
    if (rc != 0)
        return rc;
    avro_schema_t created_at = layout_field(event, &layout->head, HEAD_CREATED_AT);
    rc = layout_branches(created_at, created_at_names, COUNT(created_at_names), &layout->created_at,
                         err);
    if (rc != 0)
        return rc;
    avro_schema_t body = layout_field(event, &layout->head, HEAD_BODY);
    rc = layout_branches(body, body_names, COUNT(body_names), &layout->body, err);
    if (rc == 0)
        rc = layout_bodies(body, layout, err);
    if (rc == 0)
        layout_check(layout);
    return rc;
}
