#include "common/event/event_layout.h"

#include <string.h>

#include "common/base/check.h"

static const char *const head_names[] = {"epoch",  "generation", "tick", "seq",
                                         "source", "created_at", "body", "txid"};
static const char *const created_at_names[] = {"null", "long"};
static const char *const body_names[EVENT_KINDS] = {
    [EVENT_ROW] = "Row",
    [EVENT_FAN_OUT] = "FanOut",
    [EVENT_REJECTED] = "Rejected",
    [EVENT_MARK] = "Mark",
    [EVENT_PARENT_REFRESH] = "ParentRefresh",
    [EVENT_CHUNK] = "Chunk",
    [EVENT_PASS] = "Pass",
    [EVENT_SUM] = "Sum",
    [EVENT_SUM_POINT] = "SumPoint",
    [EVENT_JOB] = "Job",
    [EVENT_VOIDED] = "Voided",
};
static const char *const numbered_names[LAYOUT_BODIES][BODY_FIELDS] = {
    [EVENT_ROW] = {"row_id", "entity_id", "ops"},
    [EVENT_FAN_OUT] = {"row_id", "entity_id", "fan_outs"},
    [EVENT_REJECTED] = {"row_id", "entity_id", "reason"},
    [EVENT_PARENT_REFRESH] = {"row_id", "entity_id", "requests"},
};
static const char *const op_names[] = {
    [OP_SET] = "Set",     [OP_REMOVE] = "Remove", [OP_ADD] = "Add",
    [OP_ALIVE] = "Alive", [OP_DELETE] = "Delete", [OP_REFRESH] = "Refresh",
};
static const char *const value_op_names[] = {"field", "value"};
static const char *const value_names[] = {"null",   "long",     "double", "boolean",
                                          "string", "Integers", "Strings"};
static const char *const fan_out_names[] = {"query", "ops"};
static const char *const list_names[] = {"items"};
static const char *const refresh_names[] = {"entry", "fields"};
static const char *const request_names[] = {"entry", "key"};

#define COUNT(names) ((int)(sizeof(names) / sizeof((names)[0])))

static avro_schema_t
layout_target(avro_schema_t schema)
{
    CHECK(schema != NULL);
    return is_avro_link(schema) ? avro_schema_link_target(schema) : schema;
}

/* The first `required` of the `count` fields are in every version of the record. */
static int
layout_fields(avro_schema_t record, const char *const *names, int required, int count,
              struct layout_record *layout, struct error *err)
{
    CHECK(required > 0 && required <= count);
    CHECK(count <= LAYOUT_FIELDS_MAX);
    if (record == NULL || !is_avro_record(record) ||
        avro_schema_record_size(record) > LAYOUT_FIELDS_MAX)
        return error_set(err, ERR_FATAL,
                         "schema has no record of at most %d fields with a field \"%s\"",
                         LAYOUT_FIELDS_MAX, names[0]);
    memset(layout, -1, sizeof *layout);
    for (int meaning = 0; meaning < count; meaning++) {
        int field = avro_schema_record_field_get_index(record, names[meaning]);
        if (field < 0 && meaning < required)
            return error_set(err, ERR_FATAL, "schema has no field \"%s\" in %s", names[meaning],
                             avro_schema_name(record));
        if (field < 0)
            continue;
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
            if (names[kind] == NULL || strcmp(name, names[kind]) != 0)
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
        rc = layout_fields(record, value_op_names, OP_FIELDS, OP_FIELDS, &layout->ops[kind], err);
        if (rc != 0)
            return rc;
        avro_schema_t value = layout_field(record, &layout->ops[kind], OP_VALUE);
        rc = layout_branches(value, value_names, COUNT(value_names), &layout->values[kind], err);
        for (int list = 0; rc == 0 && list < 2; list++)
            rc = layout_fields(layout_branch(value, &layout->values[kind], LISTS + list),
                               list_names, LIST_FIELDS, LIST_FIELDS, lists[list], err);
    }
    return rc;
}

static int
layout_fan_outs(avro_schema_t fan_out, struct layout *layout, struct error *err)
{
    int rc = layout_fields(fan_out, fan_out_names, FAN_OUT_FIELDS, FAN_OUT_FIELDS, &layout->fan_out,
                           err);
    if (rc != 0)
        return rc;
    avro_schema_t nested =
        avro_schema_array_items(layout_field(fan_out, &layout->fan_out, FAN_OUT_OPS));
    return layout_branches(nested, op_names, COUNT(op_names), &layout->nested, err);
}

static int
layout_row_ops(avro_schema_t op, struct layout *layout, struct error *err)
{
    int rc = layout_branches(op, op_names, COUNT(op_names), &layout->op, err);
    if (rc == 0)
        rc = layout_value_ops(op, layout, err);
    if (rc == 0 && layout->op.branch_of[OP_REFRESH] >= 0)
        rc = layout_fields(layout_branch(op, &layout->op, OP_REFRESH), refresh_names,
                           REFRESH_FIELDS, REFRESH_FIELDS, &layout->refresh, err);
    return rc;
}

static int
layout_requests(avro_schema_t request, struct layout *layout, struct error *err)
{
    int rc = layout_fields(request, request_names, REQUEST_FIELDS, REQUEST_FIELDS, &layout->request,
                           err);
    if (rc == 0)
        rc = layout_branches(layout_field(request, &layout->request, REQUEST_KEY), value_names,
                             COUNT(value_names), &layout->key, err);
    return rc;
}

static int
layout_numbered(avro_schema_t record, enum event_kind kind, struct layout *layout,
                struct error *err)
{
    int rc = layout_fields(record, numbered_names[kind], BODY_FIELDS, BODY_FIELDS,
                           &layout->bodies[kind], err);
    if (rc != 0 || kind == EVENT_REJECTED)
        return rc;
    avro_schema_t item = layout_target(
        avro_schema_array_items(layout_field(record, &layout->bodies[kind], BODY_CONTENT)));
    if (kind == EVENT_ROW)
        return layout_row_ops(item, layout, err);
    if (kind == EVENT_FAN_OUT)
        return layout_fan_outs(item, layout, err);
    CHECK(kind == EVENT_PARENT_REFRESH);
    return layout_requests(item, layout, err);
}

static int
layout_form(avro_schema_t record, const struct form *form, struct layout *layout, struct error *err)
{
    const char *names[LAYOUT_FIELDS_MAX];
    struct layout_record *fields = &layout->forms[form->id];
    CHECK(form->field_count <= LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < form->field_count; i++)
        names[i] = form->fields[i].name;
    int rc = layout_fields(record, names, (int)form->required, (int)form->field_count, fields, err);
    for (uint32_t i = 0; rc == 0 && i < form->field_count; i++)
        if (form->fields[i].kind == FORM_RECORDS)
            rc = layout_form(
                layout_target(avro_schema_array_items(layout_field(record, fields, (int)i))),
                form->fields[i].items, layout, err);
    return rc;
}

/* Version 1 has the kinds up to EVENT_MARK. */
static int
layout_bodies(avro_schema_t body, struct layout *layout, struct error *err)
{
    int rc = layout_branches(body, body_names, EVENT_KINDS, &layout->body, err);
    for (enum event_kind kind = 0; rc == 0 && kind < EVENT_KINDS; kind++) {
        if (kind > EVENT_MARK && layout->body.branch_of[kind] < 0)
            continue;
        avro_schema_t record = layout_branch(body, &layout->body, (int)kind);
        const struct form *form = form_of_kind(kind);
        rc = form != NULL ? layout_form(record, form, layout, err)
                          : layout_numbered(record, kind, layout, err);
    }
    return rc;
}

static void
record_check(const struct layout_record *record)
{
    for (int meaning = 0; meaning < LAYOUT_FIELDS_MAX; meaning++) {
        int field = record->field_of[meaning];
        CHECK(field < LAYOUT_FIELDS_MAX);
        CHECK(field < 0 || record->meaning_of[field] == meaning);
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
    record_check(&layout->head);
    record_check(&layout->refresh);
    record_check(&layout->fan_out);
    record_check(&layout->integers);
    record_check(&layout->strings);
    record_check(&layout->request);
    union_check(&layout->created_at);
    union_check(&layout->body);
    union_check(&layout->op);
    union_check(&layout->nested);
    union_check(&layout->key);
    for (int kind = 0; kind < LAYOUT_BODIES; kind++)
        record_check(&layout->bodies[kind]);
    for (int id = 0; id < FORM_IDS; id++)
        record_check(&layout->forms[id]);
    for (int kind = 0; kind < LAYOUT_VALUE_OPS; kind++) {
        record_check(&layout->ops[kind]);
        union_check(&layout->values[kind]);
    }
}

int
layout_resolve(avro_schema_t event, struct layout *layout, struct error *err)
{
    memset(layout, -1, sizeof *layout);
    int rc = layout_fields(event, head_names, HEAD_TXID, HEAD_FIELDS, &layout->head, err);
    if (rc != 0)
        return rc;
    avro_schema_t created_at = layout_field(event, &layout->head, HEAD_CREATED_AT);
    rc = layout_branches(created_at, created_at_names, COUNT(created_at_names), &layout->created_at,
                         err);
    if (rc == 0)
        rc = layout_bodies(layout_field(event, &layout->head, HEAD_BODY), layout, err);
    if (rc == 0)
        layout_check(layout);
    return rc;
}

static void
order_check(const struct layout_record *record, int fields)
{
    for (int meaning = 0; meaning < fields; meaning++)
        CHECK(record->field_of[meaning] == meaning);
}

static void
form_order_check(const struct layout *layout, const struct form *form)
{
    order_check(&layout->forms[form->id], (int)form->field_count);
    for (uint32_t i = 0; i < form->field_count; i++)
        if (form->fields[i].kind == FORM_RECORDS)
            form_order_check(layout, form->fields[i].items);
}

void
layout_newest_check(const struct layout *layout)
{
    order_check(&layout->head, HEAD_FIELDS);
    order_check(&layout->refresh, REFRESH_FIELDS);
    order_check(&layout->fan_out, FAN_OUT_FIELDS);
    order_check(&layout->integers, LIST_FIELDS);
    order_check(&layout->strings, LIST_FIELDS);
    order_check(&layout->request, REQUEST_FIELDS);
    for (int kind = 0; kind < LAYOUT_VALUE_OPS; kind++)
        order_check(&layout->ops[kind], OP_FIELDS);
    for (enum event_kind kind = 0; kind < EVENT_KINDS; kind++) {
        CHECK(layout->body.branch_of[kind] == (int)kind);
        if (form_of_kind(kind) != NULL)
            form_order_check(layout, form_of_kind(kind));
        else
            order_check(&layout->bodies[kind], BODY_FIELDS);
    }
}
