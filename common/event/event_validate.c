#include "common/event/event_validate.h"

#include <math.h>

#include "common/base/check.h"

static int
validate_value(const struct op *op, size_t *items, struct error *err)
{
    const struct value *value = &op->value;
    CHECK(op->kind == OP_SET || op->kind == OP_REMOVE || op->kind == OP_ADD);
    if (value->kind == VALUE_FLOAT && !isfinite(value->real))
        return error_set(err, ERR_DATA, "a value of \"%.*s\" is not a finite number",
                         TEXT_ARGS(op->field));
    if (value->kind == VALUE_NULL && op->kind != OP_SET)
        return error_set(err, ERR_DATA, "null in \"%.*s\" can only be set", TEXT_ARGS(op->field));
    if (value->kind == VALUE_STRINGS)
        *items += value->strings.count;
    return 0;
}

/* The ops of a row, or the ops of a fan-out (`nested`), in which `alive` has no meaning. */
static int
validate_ops(const struct op *ops, uint32_t count, bool nested, size_t *items, struct error *err)
{
    CHECK(ops != NULL || count == 0);
    *items += count;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        if (ops[i].kind < OP_SET || ops[i].kind > OP_DELETE || (nested && ops[i].kind == OP_ALIVE))
            rc = error_set(err, ERR_DATA, "op %u is of a kind that is not allowed here", i);
        else if (ops[i].kind == OP_SET || ops[i].kind == OP_REMOVE || ops[i].kind == OP_ADD)
            rc = validate_value(&ops[i], items, err);
    }
    return rc;
}

static int
validate_fan_outs(const struct ops *ops, size_t *items, struct error *err)
{
    CHECK(ops->items != NULL || ops->count == 0);
    *items += ops->count;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < ops->count; i++) {
        const struct op *op = &ops->items[i];
        if (op->kind != OP_FAN_OUT)
            rc = error_set(err, ERR_DATA, "op %u of a fan-out row is not a fan-out", i);
        else
            rc = validate_ops(op->nested, op->nested_count, true, items, err);
    }
    return rc;
}

static int
validate_mark(const struct event *event, struct error *err)
{
    CHECK(event->kind == EVENT_MARK);
    if (event->epoch < 1 || event->generation < 1)
        return error_set(err, ERR_DATA, "a mark has no epoch or generation");
    if (event->mark.kind != MARK_FENCE && event->mark.kind != MARK_WATERMARK)
        return error_set(err, ERR_DATA, "unknown kind of mark %d", (int)event->mark.kind);
    if (event->mark.partitions < 1)
        return error_set(err, ERR_DATA, "the topic of a mark has %d partitions",
                         event->mark.partitions);
    return 0;
}

/* Unnumbered events (seq 0, from HTTP sources) have no epoch and no generation. */
static int
validate_header(const struct event *event, struct error *err)
{
    if (event->epoch < 0 || event->generation < 0 || event->tick < 0 || event->seq < 0)
        return error_set(err, ERR_DATA, "epoch, generation, tick or seq is negative");
    if (event->seq > 0 && (event->epoch == 0 || event->generation == 0))
        return error_set(err, ERR_DATA, "a numbered event has no epoch or generation");
    return 0;
}

int
event_validate(const struct event *event, struct error *err)
{
    CHECK(event->source.data != NULL || event->source.bytes == 0);
    size_t items = 0;
    int rc = validate_header(event, err);
    if (rc != 0)
        return rc;
    switch (event->kind) {
    case EVENT_ROW:
        rc = validate_ops(event->ops.items, event->ops.count, false, &items, err);
        break;
    case EVENT_FAN_OUT:
        rc = validate_fan_outs(&event->ops, &items, err);
        break;
    case EVENT_REJECTED:
        break;
    case EVENT_MARK:
        rc = validate_mark(event, err);
        break;
    default:
        rc = error_set(err, ERR_DATA, "unknown kind of event %d", (int)event->kind);
    }
    if (rc == 0 && items > EVENT_ITEMS_MAX)
        rc = error_set(err, ERR_DATA, "%zu ops and strings, more than %d", items, EVENT_ITEMS_MAX);
    return rc;
}
