#include "common/ops/op.h"

#include "common/base/check.h"

static void
refresh_check(const struct op *op)
{
    enum value_kind kind = op->value.kind;
    CHECK(op->kind == OP_REFRESH);
    CHECK(op->nested_count == 0);
    if (op->field.bytes > 0)
        CHECK(kind == VALUE_NULL || kind == VALUE_INTEGER || kind == VALUE_STRING ||
              (kind == VALUE_BOOLEAN && op->value.boolean));
    else
        CHECK(kind == VALUE_NULL || (kind == VALUE_STRINGS && op->value.strings.count > 0));
}

static void
slot_op_check(const struct op *op)
{
    CHECK(op->kind >= OP_SET && op->kind <= OP_DELETE);
    CHECK(op->nested_count == 0);
    if (op->kind == OP_ALIVE || op->kind == OP_DELETE)
        return;
    CHECK(op->field.bytes > 0);
    CHECK(op->value.kind <= VALUE_STRINGS);
    CHECK(op->value.kind != VALUE_NULL || op->kind == OP_SET);
}

static void
fan_out_check(const struct op *op)
{
    CHECK(op->kind == OP_FAN_OUT);
    CHECK(op->query.bytes > 0);
    CHECK(op->nested_count > 0);
    for (uint32_t i = 0; i < op->nested_count; i++) {
        CHECK(op->nested[i].kind != OP_ALIVE);
        slot_op_check(&op->nested[i]);
    }
}

void
ops_invariants_check(const struct ops *ops)
{
    CHECK(ops->items != NULL);
    CHECK(ops->count > 0);
    bool are_requests = op_is_parent_request(&ops->items[0]);
    for (uint32_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->items[i];
        CHECK(op_is_parent_request(op) == are_requests);
        if (op->kind == OP_REFRESH)
            refresh_check(op);
        else if (ops->items[0].kind == OP_FAN_OUT)
            fan_out_check(op);
        else
            slot_op_check(op);
    }
}

const char *
op_kind_name(enum op_kind kind)
{
    static const char *const names[] = {
        [OP_SET] = "set",         [OP_REMOVE] = "remove", [OP_ADD] = "add",
        [OP_ALIVE] = "alive",     [OP_DELETE] = "delete", [OP_FAN_OUT] = "queryOpSet",
        [OP_REFRESH] = "refresh",
    };
    CHECK(kind >= OP_SET && kind <= OP_REFRESH);
    return names[kind];
}
