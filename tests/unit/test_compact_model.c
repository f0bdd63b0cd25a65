/* L6 against a naive store of rows: from any state, a compacted batch leads to the state that the
 * whole batch leads to, in every field of every entity and in its visibility. The test runs in
 * rounds (random_input.h). A counterexample is reduced until nothing can be left out, and printed.
 */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/ops/ops_json.h"
#include "consumer/partition/batch.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/naive_rows.h"
#include "tests/unit/random_input.h"

enum { ROWS = 4, EVENTS_MAX = 12, BATCHES = 5000, STREAMS = 30, STREAM_EVENTS = 40, ROUNDS = 10 };

/* A batch for the naive store, and the same batch for the engine. */
struct batch_of {
    struct naive_event events[STREAM_EVENTS];
    uint32_t count;
};

static struct naive_ops batch_ops[EVENTS_MAX];
static struct event batch_events[EVENTS_MAX];

/* A fan-out often has the query of an earlier one. */
static void
random_event(struct batch_of *batch)
{
    struct naive_event *event = &batch->events[batch->count++];
    if (random_below(3) > 0) {
        naive_random_row(event, ROWS);
        return;
    }
    naive_random_fan_out(event);
    const struct naive_event *before = &batch->events[random_below(batch->count)];
    if (before->row < 0 && before != event) {
        memcpy(event->query, before->query, sizeof event->query);
        memcpy(event->clauses, before->clauses, sizeof event->clauses);
        event->clause_count = before->clause_count;
    }
}

static void
random_batch(struct batch_of *batch, uint32_t count)
{
    batch->count = 0;
    while (batch->count < count)
        random_event(batch);
}

static struct event
event_of(const struct naive_event *from, struct naive_ops *ops)
{
    naive_event_ops(from, ops);
    return (struct event){
        .epoch = 1,
        .generation = 1,
        .source = TEXT("main"),
        .kind = from->row < 0 ? EVENT_FAN_OUT : EVENT_ROW,
        /* The row that caused a fan-out is never a slot. */
        .entity_id = fixture_entity(from->row < 0 ? 0 : from->row),
        .ops = ops->ops,
    };
}

static void
apply_compacted(struct compact *compact, struct engine *engine, const struct batch_of *batch,
                struct arena *arena)
{
    arena_reset(arena);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct event *event = &batch_events[i];
        *event = event_of(&batch->events[i], &batch_ops[i]);
        event->ops = fixture_prepare(engine, arena, &event->ops);
    }
    const struct ops *left = compact_run(compact, batch_events, batch->count, arena);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct event *event = &batch_events[i];
        const struct ops *ops = left != NULL ? &left[i] : &event->ops;
        if (event->kind == EVENT_FAN_OUT)
            engine_apply_fan_out(engine, ops);
        else
            engine_apply_row(engine, event->entity_id, ops);
    }
}

/* The first row that differs from the naive store's; -1 when all are equal. */
static int
find_difference(const struct engine *engine, const struct naive_row *rows, int64_t now_s)
{
    int found = -1;
    struct buffer wanted, have;
    buffer_init(&wanted);
    buffer_init(&have);
    for (int row = 0; row < ROWS && found < 0; row++) {
        fixture_entity_text(engine, fixture_entity(row), &have);
        if (strcmp(naive_text(&rows[row], &wanted), buffer_string(&have)) != 0 ||
            naive_is_visible(&rows[row], now_s) != engine_is_visible(engine, fixture_entity(row)))
            found = row;
    }
    buffer_free(&wanted);
    buffer_free(&have);
    return found;
}

/* --- a counterexample ------------------------------------------------------------------------ */

static void
set_value(struct engine *engine, int row, int field, int64_t number)
{
    const struct op add = {.kind = OP_ADD,
                           .field = text_of(naive_field_names[field]),
                           .value = naive_value(field, number)};
    engine_apply_row(engine, fixture_entity(row), &(struct ops){&add, 1});
}

/* Gives the engine the state of the rows. */
static void
set_state(struct engine *engine, const struct naive_row *rows)
{
    static const struct op alive = {.kind = OP_ALIVE};
    for (int row = 0; row < ROWS; row++) {
        if (rows[row].alive)
            engine_apply_row(engine, fixture_entity(row), &(struct ops){&alive, 1});
        for (int tag = 0; tag < NAIVE_TAGS; tag++) {
            if (rows[row].tags[tag])
                set_value(engine, row, NAIVE_TAG_IDS, naive_tags[tag]);
        }
        for (int field = 0; field < NAIVE_FIELDS_WRITTEN; field++) {
            if (rows[row].has[field])
                set_value(engine, row, field, rows[row].values[field]);
        }
    }
}

static bool
fails(const struct naive_row *before, const struct batch_of *batch, int64_t now_s)
{
    struct arena arena;
    struct naive_row rows[ROWS];
    struct engine *engine = fixture_engine();
    struct compact *compact = compact_create(&fixture_index);
    arena_init(&arena);
    memcpy(rows, before, sizeof rows);
    set_state(engine, rows);
    engine_advance(engine, now_s);
    for (uint32_t i = 0; i < batch->count; i++)
        naive_apply(rows, ROWS, &batch->events[i]);
    apply_compacted(compact, engine, batch, &arena);
    bool differs = find_difference(engine, rows, now_s) >= 0;
    arena_free(&arena);
    compact_destroy(compact);
    engine_destroy(engine);
    return differs;
}

/* The batch without its n-th op; false when it has no n-th op. */
static bool
without_op(const struct batch_of *batch, uint32_t n, struct batch_of *fewer)
{
    *fewer = *batch;
    for (uint32_t i = 0; i < fewer->count; i++) {
        struct naive_event *event = &fewer->events[i];
        if (n >= event->op_count) {
            n -= event->op_count;
            continue;
        }
        event->op_count--;
        memmove(&event->ops[n], &event->ops[n + 1], (event->op_count - n) * sizeof *event->ops);
        if (event->op_count == 0) {
            fewer->count--;
            memmove(event, event + 1, (fewer->count - i) * sizeof *event);
        }
        return true;
    }
    return false;
}

static void
shrink(struct naive_row *before, struct batch_of *batch, int64_t now_s)
{
    struct batch_of fewer;
    uint32_t n = 0;
    while (without_op(batch, n, &fewer)) {
        bool goes = fails(before, &fewer, now_s);
        *batch = goes ? fewer : *batch;
        n = goes ? 0 : n + 1;
    }
    for (int row = 0; row < ROWS; row++) {
        struct naive_row kept = before[row];
        before[row] = (struct naive_row){0};
        if (!fails(before, batch, now_s))
            before[row] = kept;
    }
}

static void
report(struct naive_row *before, struct batch_of *batch, int64_t now_s)
{
    struct buffer text;
    buffer_init(&text);
    if (fails(before, batch, now_s))
        shrink(before, batch, now_s);
    print_error("now: %lld\n", (long long)now_s);
    for (int row = 0; row < ROWS; row++)
        print_error("before, slot %d: %s\n", row, naive_text(&before[row], &text));
    for (uint32_t i = 0; i < batch->count; i++) {
        struct naive_ops ops;
        naive_event_ops(&batch->events[i], &ops);
        buffer_clear(&text);
        ops_json_write(&ops.ops, &text);
        print_error("slot %d: %s\n", batch->events[i].row, buffer_string(&text));
    }
    buffer_free(&text);
    fail_msg("the compacted batch leads to another state");
}

/* --- the tests ------------------------------------------------------------------------------- */

static uint64_t
count_unknown(const struct batch_of *batch)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        for (uint32_t j = 0; j < batch->events[i].op_count; j++)
            count += batch->events[i].ops[j].field == NAIVE_UNKNOWN;
    }
    return count;
}

static void
run_batches(struct engine *engine, struct compact *compact, struct arena *arena)
{
    static struct batch_of batch;
    struct naive_row rows[ROWS] = {0}, before[ROWS];
    uint64_t unknown_ops = 0;
    for (int n = 0; n < BATCHES; n++) {
        int64_t now_s = naive_random_number(NAIVE_PUBLISHED);
        engine_advance(engine, now_s);
        memcpy(before, rows, sizeof rows);
        random_batch(&batch, 1 + (uint32_t)random_below(EVENTS_MAX));
        for (uint32_t i = 0; i < batch.count; i++)
            naive_apply(rows, ROWS, &batch.events[i]);
        unknown_ops += count_unknown(&batch);
        apply_compacted(compact, engine, &batch, arena);
        if (find_difference(engine, rows, now_s) >= 0)
            report(before, &batch, now_s);
    }
    struct engine_stats stats;
    engine_read_stats(engine, &stats);
    assert_int_equal(stats.unknown_field_ops, unknown_ops);
}

static void
test_L6_a_compacted_batch_leads_to_the_same_state(void **state)
{
    (void)state;
    naive_values_limit = 3;
    while (random_round(ROUNDS)) {
        struct arena arena;
        struct engine *engine = fixture_engine();
        struct compact *compact = compact_create(&fixture_index);
        arena_init(&arena);
        run_batches(engine, compact, &arena);
        arena_free(&arena);
        compact_destroy(compact);
        engine_destroy(engine);
    }
}

/* An event cannot express `add null` or `remove null`. */
static void
make_expressible(struct batch_of *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        for (uint32_t j = 0; j < batch->events[i].op_count; j++) {
            struct op *op = &batch->events[i].ops[j].op;
            if (op->value.kind == VALUE_NULL && op->kind != OP_ALIVE && op->kind != OP_DELETE)
                op->kind = OP_SET;
        }
    }
}

/* Delivers all events, some of them again, in batches of random sizes. */
static void
deliver(struct event_codec *codec, const struct batch_context *context, const struct batch_of *sent,
        struct engine *applied, struct engine *replayed)
{
    struct error err;
    struct arena arena;
    struct batch batch;
    struct sequence sequence;
    struct buffer message;
    uint32_t next = 0;
    int64_t offset = 0;
    arena_init(&arena);
    buffer_init(&message);
    batch_init(&batch, context);
    sequence_init(&sequence, &batch.fields);
    while (next < sent->count) {
        batch_begin(&batch, &sequence, NULL);
        for (uint64_t n = random_below(EVENTS_MAX); n > 0 && next < sent->count; n--) {
            struct naive_ops ops;
            struct event event = event_of(&sent->events[next], &ops);
            event.seq = ++next;
            buffer_clear(&message);
            assert_int_equal(event_encode(codec, &event, &message, &err), 0);
            const struct kafka_record record = {
                .offset = offset++, .value = (char *)message.data, .value_bytes = message.bytes};
            assert_int_equal(batch_add(&batch, &record, &err), 0);
            if (random_below(8) == 0)
                next -= (uint32_t)random_below(next < 8 ? next + 1 : 8);
        }
        batch_close(&batch);
        sequence = batch.sequence;
        batch_apply(&batch, applied, NULL);
        const struct text payload = {(char *)batch.payload.data, batch.payload.bytes};
        assert_int_equal(batch_replay(context, replayed, payload, &arena, NULL, &err), 0);
    }
    assert_int_equal(sequence.losses, 0);
    batch_free(&batch);
    buffer_free(&message);
    arena_free(&arena);
}

static void
run_stream(const struct config *config)
{
    static struct batch_of sent;
    struct error err;
    struct naive_row rows[ROWS] = {0};
    struct engine *applied = fixture_engine();
    struct engine *replayed = fixture_engine();
    struct batch_context context = {config, FIXTURE_PARTITION, applied, NULL};
    assert_int_equal(event_codec_create(&context.codec, &err), 0);
    random_batch(&sent, STREAM_EVENTS);
    make_expressible(&sent);
    for (uint32_t i = 0; i < sent.count; i++)
        naive_apply(rows, ROWS, &sent.events[i]);
    deliver(context.codec, &context, &sent, applied, replayed);
    assert_int_equal(find_difference(applied, rows, INT64_MIN), -1);
    assert_int_equal(find_difference(replayed, rows, INT64_MIN), -1);
    event_codec_destroy(context.codec);
    engine_destroy(replayed);
    engine_destroy(applied);
}

static void
test_F24_events_sent_again_in_batches_of_any_size_apply_once(void **state)
{
    (void)state;
    const struct config config = {
        .topic = {.partitions = FIXTURE_PARTITIONS, .max_slots = ROWS},
        .index_config = fixture_index,
    };
    naive_values_limit = 3;
    while (random_round(ROUNDS)) {
        for (int stream = 0; stream < STREAMS; stream++)
            run_stream(&config);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L6_a_compacted_batch_leads_to_the_same_state),
        cmocka_unit_test(test_F24_events_sent_again_in_batches_of_any_size_apply_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
