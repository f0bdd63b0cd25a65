#include "common/event/event_validate.h"

#include <math.h>

#include "common/base/check.h"

static int
validate_value(const struct op *op, size_t *items, struct error *err)
{
    const struct value *value = &op->value;
    CHECK(op->kind != OP_REFRESH && op->kind != OP_FAN_OUT);
    if (value->kind == VALUE_FLOAT && !isfinite(value->real))
        return error_set(err, ERR_DATA, "a value of \"%.*s\" is not a finite number",
                         TEXT_ARGS(op->field));
    if (value->kind == VALUE_NULL && op->kind != OP_SET)
        return error_set(err, ERR_DATA, "null in \"%.*s\" can only be set", TEXT_ARGS(op->field));
    if (value->kind == VALUE_STRINGS)
        *items += value->strings.count;
    return 0;
}

/* Without an entry: the fields to refresh, or null. With an entry: a child's request. */
static int
validate_refresh(const struct op *op, size_t *items, struct error *err)
{
    const struct value *value = &op->value;
    CHECK(op->kind == OP_REFRESH);
    if (value->kind != VALUE_NULL && (op->field.bytes > 0 || value->kind != VALUE_STRINGS))
        return error_set(err, ERR_DATA, "a refresh has neither an entry nor a list of fields");
    if (value->kind == VALUE_STRINGS)
        *items += value->strings.count;
    return 0;
}

/* Does an op of this kind carry a value? */
static bool
op_has_value(enum op_kind kind)
{
    return kind == OP_SET || kind == OP_REMOVE || kind == OP_ADD;
}

static bool
op_is_allowed(enum op_kind kind, bool nested)
{
    return op_has_value(kind) || kind == OP_DELETE ||
           (!nested && (kind == OP_ALIVE || kind == OP_REFRESH));
}

/* The ops of a row, or the ops of a fan-out (`nested`), in which `alive` and `refresh` have no
 * meaning. */
static int
validate_ops(const struct op *ops, uint32_t count, bool nested, size_t *items, struct error *err)
{
    CHECK(ops != NULL || count == 0);
    *items += count;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        if (!op_is_allowed(ops[i].kind, nested))
            rc = error_set(err, ERR_DATA, "op %u is of a kind that is not allowed here", i);
        else if (ops[i].kind == OP_REFRESH)
            rc = validate_refresh(&ops[i], items, err);
        else if (op_has_value(ops[i].kind))
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
validate_requests(const struct ops *ops, size_t *items, struct error *err)
{
    CHECK(ops->items != NULL || ops->count == 0);
    *items += ops->count;
    for (uint32_t i = 0; i < ops->count; i++) {
        const struct op *op = &ops->items[i];
        if (!op_is_parent_request(op) ||
            (op->value.kind != VALUE_INTEGER && op->value.kind != VALUE_STRING &&
             (op->value.kind != VALUE_BOOLEAN || !op->value.boolean)))
            return error_set(err, ERR_DATA, "op %u is not a request with an entry and a key", i);
    }
    return 0;
}

static int
validate_mark(const struct mark *mark, struct error *err)
{
    CHECK(mark->fields != NULL || mark->field_count == 0);
    if (mark->kind != MARK_FENCE && mark->kind != MARK_WATERMARK)
        return error_set(err, ERR_DATA, "unknown kind of mark %d", (int)mark->kind);
    if (mark->partitions < 1)
        return error_set(err, ERR_DATA, "the topic of a mark has %d partitions", mark->partitions);
    if (mark->owed < 0 || mark->voided < 0)
        return error_set(err, ERR_DATA, "a mark counts less than nothing");
    return 0;
}

/* --- kinds without a seq --- */

static int
validate_range(int64_t job, int64_t begin, int64_t end, struct error *err)
{
    if (job < 0 || begin < 0 || end <= begin)
        return error_set(err, ERR_DATA, "a range is empty, or its job is negative");
    return 0;
}

static int
validate_field_count(uint32_t count, struct error *err)
{
    if (count > EVENT_FIELDS_MAX)
        return error_set(err, ERR_DATA, "%u fields, more than %d", count, EVENT_FIELDS_MAX);
    return 0;
}

static int
validate_chunk(const struct chunk *chunk, size_t *items, struct error *err)
{
    *items += chunk->field_count;
    *items += chunk->column_count;
    for (uint32_t i = 0; i < chunk->column_count; i++)
        *items += chunk->columns[i].string_count;
    return chunk_validate(chunk, err);
}

static int
validate_pass(const struct pass *pass, size_t *items, struct error *err)
{
    *items += (size_t)pass->field_count + pass->read_count;
    if (pass->job < 0 || pass->part < 0)
        return error_set(err, ERR_DATA, "a part or the job of a pass is negative");
    int rc = validate_field_count(pass->field_count, err);
    if (rc == 0)
        rc = validate_field_count(pass->read_count, err);
    return rc == 0 ? validate_fan_outs(&pass->fan_outs, items, err) : rc;
}

static int
validate_job(const struct job_mark *job, size_t *items, struct error *err)
{
    *items += (size_t)job->field_count + job->dump_count;
    if (job->kind != JOB_BEGIN && job->kind != JOB_END)
        return error_set(err, ERR_DATA, "unknown kind of mark of a job %d", (int)job->kind);
    int rc = validate_range(job->job, job->begin, job->end, err);
    for (uint32_t i = 0; rc == 0 && i < job->dump_count; i++)
        if (job->dumps[i].rows < 0 || job->dumps[i].ops_written < 0)
            rc = error_set(err, ERR_DATA, "a dump of a job counts less than nothing");
    return rc == 0 ? validate_field_count(job->field_count, err) : rc;
}

static int
validate_voided(const struct voided *voided, size_t *items, struct error *err)
{
    *items += voided->field_count;
    if (voided->number < 1)
        return error_set(err, ERR_DATA, "a voided event has no number");
    return validate_field_count(voided->field_count, err);
}

static int
validate_control(const struct event *event, size_t *items, struct error *err)
{
    int rc = 0;
    if (event->epoch < 1 || event->generation < 1)
        return error_set(err, ERR_DATA,
                         "an event without a seq of its own has no epoch or "
                         "generation");
    switch (event->kind) {
    case EVENT_MARK:
        *items += event->mark.field_count;
        rc = validate_field_count(event->mark.field_count, err);
        return rc == 0 ? validate_mark(&event->mark, err) : rc;
    case EVENT_CHUNK:
        return validate_chunk(event->chunk, items, err);
    case EVENT_PASS:
        return validate_pass(event->pass, items, err);
    case EVENT_SUM:
        *items += event->sum->field_count;
        rc = validate_field_count(event->sum->field_count, err);
        return rc == 0 ? validate_range(event->sum->job, event->sum->begin, event->sum->end, err)
                       : rc;
    case EVENT_SUM_POINT:
        *items += event->sum_point->field_count;
        rc = validate_field_count(event->sum_point->field_count, err);
        return rc == 0 ? validate_range(event->sum_point->job, event->sum_point->begin,
                                        event->sum_point->end, err)
                       : rc;
    case EVENT_JOB:
        return validate_job(event->job, items, err);
    case EVENT_VOIDED:
        return validate_voided(event->voided, items, err);
    default:
        return error_set(err, ERR_DATA, "unknown kind of event %d", (int)event->kind);
    }
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
    case EVENT_PARENT_REFRESH:
        rc = validate_requests(&event->ops, &items, err);
        break;
    case EVENT_REJECTED:
        break;
    default:
        rc = validate_control(event, &items, err);
    }
    if (rc == 0 && items > EVENT_ITEMS_MAX)
        rc = error_set(err, ERR_DATA, "%zu ops and strings, more than %d", items, EVENT_ITEMS_MAX);
    return rc;
}
