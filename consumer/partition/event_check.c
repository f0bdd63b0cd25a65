#include "consumer/partition/event_check.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "consumer/engine/engine_chunk.h"

struct event_checker {
    const struct engine *engine;
    struct arena *arena;
    struct event_refused *refused;
    uint32_t at; /* in the ops of the event */
};

static void
refuse(struct event_checker *checker, const struct op *op, const char *reason)
{
    struct event_refused *refused = checker->refused;
    if (refused->ops == NULL) {
        refused->ops = arena_alloc(checker->arena, DEAD_LETTER_OPS_MAX * sizeof *refused->ops);
        refused->reasons =
            arena_alloc(checker->arena, DEAD_LETTER_OPS_MAX * sizeof *refused->reasons);
    }
    if (refused->op_count == DEAD_LETTER_OPS_MAX)
        return;
    if (refused->op_count == 0)
        refused->at = checker->at;
    CHECK(refused->op_count < DEAD_LETTER_OPS_MAX);
    refused->ops[refused->op_count] = *op;
    refused->reasons[refused->op_count++] = arena_text(checker->arena, text_of(reason));
}

/* --- ops of rows and nested ops --------------------------------------------------------------- */

/* Notes an op that is taken out, alone in its fan-out if it is nested. */
static void
refuse_op(struct event_checker *checker, const struct op *op, const struct op *fan_out,
          const char *reason)
{
    checker->refused->count++;
    if (fan_out == NULL) {
        refuse(checker, op, reason);
        return;
    }
    struct op *nested = arena_alloc(checker->arena, sizeof *nested);
    struct op alone = *fan_out;
    *nested = *op;
    alone.nested = nested;
    alone.nested_count = 1;
    refuse(checker, &alone, reason);
}

/* Returns what can be applied; the same list if that is all. `fan_out`: NULL, or what the ops are
 * nested in. */
static struct ops
check_ops(struct event_checker *checker, struct ops ops, const struct op *fan_out)
{
    struct op *kept = NULL;
    uint32_t kept_count = 0;
    checker->refused->all += ops.count;
    for (uint32_t i = 0; i < ops.count; i++) {
        struct error err; /* larger than all that an op needs, so it is not zeroed */
        struct op op;
        checker->at = fan_out == NULL ? i : checker->at;
        bool applies = (fan_out != NULL ? engine_check_nested : engine_check_op)(
                           checker->engine, &ops.items[i], &err) == 0;
        if (applies && kept == NULL)
            continue;
        if (kept == NULL) {
            kept = arena_alloc(checker->arena, ops.count * sizeof *kept);
            memcpy(kept, ops.items, i * sizeof *kept);
            kept_count = i;
        }
        op = ops.items[i];
        if (!applies) {
            refuse_op(checker, &op, fan_out, err.message);
            applies = engine_replace_op(checker->engine, &op);
        }
        if (applies)
            kept[kept_count++] = op;
    }
    CHECK(kept_count <= ops.count);
    return kept != NULL ? (struct ops){kept, kept_count} : ops;
}

/* --- fan-outs --------------------------------------------------------------------------------- */

/* False: nothing is left of the fan-out. */
static bool
check_fan_out(struct event_checker *checker, struct op *op)
{
    struct error err = {0};
    if (engine_prepare_query(checker->engine, op, checker->arena, &err) != 0) {
        uint32_t count = op->nested_count > 0 ? op->nested_count : 1;
        checker->refused->all += count;
        checker->refused->count += count;
        refuse(checker, op, err.message);
        return false;
    }
    struct ops nested = {op->nested, op->nested_count};
    nested = check_ops(checker, nested, op);
    op->nested = nested.items;
    op->nested_count = nested.count;
    return nested.count > 0;
}

/* The ops of a fan-out event are copied, because their queries are added. */
static struct ops
check_fan_outs(struct event_checker *checker, struct ops ops)
{
    struct op *kept = arena_alloc(checker->arena, ops.count * sizeof *kept);
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < ops.count; i++) {
        checker->at = i;
        kept[kept_count] = ops.items[i];
        kept_count += check_fan_out(checker, &kept[kept_count]);
    }
    CHECK(kept_count <= ops.count);
    return (struct ops){kept, kept_count};
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void
refuse_value(void *context, const struct engine_reject *reject)
{
    struct event_checker *checker = context;
    char reason[ERROR_MESSAGE_BYTES];
    const struct op op = {.kind = OP_SET, .field = reject->field, .value = reject->value};
    checker->refused->count++;
    if (checker->refused->op_count == DEAD_LETTER_OPS_MAX)
        return;
    if (checker->refused->entity_ids == NULL)
        checker->refused->entity_ids =
            arena_alloc(checker->arena, DEAD_LETTER_OPS_MAX * sizeof *checker->refused->entity_ids);
    checker->refused->entity_ids[checker->refused->op_count] = reject->entity_id;
    snprintf(reason, sizeof reason, "entity %lld: %s", (long long)reject->entity_id,
             reject->reason);
    refuse(checker, &op, reason);
}

static void
check_chunk(struct event_checker *checker, struct chunk *chunk)
{
    const struct engine_rejects rejects = {refuse_value, checker};
    for (uint32_t i = 0; i < chunk->column_count; i++)
        checker->refused->all += chunk->columns[i].count;
    engine_prepare_chunk(checker->engine, chunk, checker->arena, &rejects);
}

void
event_check(const struct engine *engine, struct event *event, struct arena *arena,
            struct event_refused *refused)
{
    struct event_checker checker = {.engine = engine, .arena = arena, .refused = refused};
    *refused = (struct event_refused){0};
    switch (event->kind) {
    case EVENT_ROW:
        event->ops = check_ops(&checker, event->ops, NULL);
        break;
    case EVENT_FAN_OUT:
        event->ops = check_fan_outs(&checker, event->ops);
        break;
    case EVENT_PASS:
        event->pass->fan_outs = check_fan_outs(&checker, event->pass->fan_outs);
        break;
    default:
        CHECK(event->kind == EVENT_CHUNK);
        check_chunk(&checker, event->chunk);
    }
    CHECK(refused->count <= refused->all);
    CHECK(refused->op_count <= refused->count);
    CHECK((refused->op_count == 0) == (refused->count == 0));
}

int
event_check_again(const struct engine *engine, struct event *event, struct arena *arena,
                  struct error *err)
{
    struct event_refused refused;
    if (event->kind == EVENT_SUM)
        return 0;
    event_check(engine, event, arena, &refused);
    if (refused.op_count == 0 ||
        (event->kind == EVENT_CHUNK && event->chunk->purpose == CHUNK_CHECK))
        return 0;
    error_set(err, ERR_DATA, "%.*s", TEXT_ARGS(refused.reasons[0]));
    return event->kind == EVENT_CHUNK ? ERR_DATA : error_wrap(err, ERR_DATA, "op %u", refused.at);
}
