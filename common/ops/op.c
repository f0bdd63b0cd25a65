#include "common/ops/op.h"

#include "common/base/check.h"

const char *
op_kind_name(enum op_kind kind)
{
    static const char *const names[] = {
        [OP_SET] = "set",     [OP_REMOVE] = "remove", [OP_ADD] = "add",
        [OP_ALIVE] = "alive", [OP_DELETE] = "delete", [OP_FAN_OUT] = "queryOpSet",
    };
    CHECK(kind >= OP_SET && kind <= OP_FAN_OUT);
    return names[kind];
}
