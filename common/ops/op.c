#include "common/ops/op.h"

#include "common/base/check.h"

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
    for (uint32_t i = 0; i < ops->count; i++)
        if (ops->items[0].kind == OP_FAN_OUT)
            fan_out_check(&ops->items[i]);
        else
            slot_op_check(&ops->items[i]);
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
