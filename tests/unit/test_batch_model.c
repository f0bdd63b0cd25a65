/* Batches of rows, fan-outs, chunks and passes against a naive store of rows. Some of their values
 * cannot be applied; a `set` of such a value acts as `set null`. Requests are among the ops of rows
 * and in events of their own, and change nothing. Some batches end with sums or a check chunk of
 * the naive store. The engine that the batches are applied to, and one that replays their payloads,
 * then have what the naive store has, and no comparison finds a difference. The test runs in rounds
 * (random_input.h). */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "consumer/engine/engine_compare.h"
#include "consumer/engine/engine_sum.h"
#include "consumer/partition/batch.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/naive_chunk.h"
#include "tests/unit/naive_rows.h"
#include "tests/unit/naive_sum.h"
#include "tests/unit/random_input.h"

enum { ROWS = 8, EVENTS_MAX = 12, BATCHES = 300, FAN_OUTS_MAX = 3, ROUNDS = 4 };

static struct naive_row rows[ROWS];

/* One shard: the engine that batches are applied to, and the one that replays their payloads. */
struct shards {
    struct batch_context context;
    struct engine *applied;
    struct engine *replayed;
    struct batch batch;
    struct sequence sequence;
    struct buffer message;
    struct arena arena; /* of the event that is being made */
    int64_t offset;
    int64_t seq;
    uint64_t refused; /* events with something that cannot be applied */
    int compared;     /* comparisons of the batch, by both engines */
};

static struct event
event_header(enum event_kind kind)
{
    return (struct event){
        .epoch = 1, .generation = 1, .source = TEXT("main"), .kind = kind, .entity_id = 0};
}

/* --- ops that cannot be applied --------------------------------------------------------------- */

/* Makes an op bad, and `random` what it means for a row. */
static void
spoil_op(struct naive_op *random, struct op *op)
{
    bool is_set = op->kind == OP_SET || (op->kind == OP_ADD && random->field != NAIVE_TAG_IDS);
    op->value = naive_bad_value(random->field);
    if (op->kind == OP_REMOVE && random->field == NAIVE_RANK) /* beyond the bounds is no error */
        op->value = (struct value){.kind = VALUE_BOOLEAN};
    random->op.kind = is_set ? OP_SET : OP_REMOVE;
    random->op.value = (struct value){.kind = VALUE_NULL};
    random->count = 0;
}

/* The ops of an event as they are sent; what they mean stays in `event`. */
static void
send_ops(struct naive_event *event, struct naive_ops *ops, uint64_t *refused)
{
    naive_event_ops(event, ops);
    for (uint32_t i = 0; i < event->op_count; i++) {
        struct naive_op *random = &event->ops[i];
        struct op *op = &ops->items[i];
        if (random->field < 0)
            continue;
        if (op->value.kind == VALUE_NULL) /* an event cannot express `add null`, `remove null` */
            op->kind = random->op.kind = OP_SET;
        if (random->field < NAIVE_FIELDS_WRITTEN && random_below(5) == 0) {
            spoil_op(random, op);
            ++*refused;
        }
    }
}

/* --- requests, which change nothing ---------------------------------------------------------- */

static struct op
random_request(bool of_parent)
{
    static const struct text fields[] = {TEXT("nsfwLevel"), TEXT("tagIds")};
    struct op op = {.kind = OP_REFRESH};
    if (of_parent || random_below(2) == 0)
        op.field = TEXT("Post.postId");
    if (of_parent)
        op.value = (struct value){.kind = VALUE_INTEGER, .integer = (int64_t)random_below(ROWS)};
    else if (op.field.bytes == 0 && random_below(2) == 0)
        op.value = (struct value){.kind = VALUE_STRINGS, .strings = {fields, COUNT_OF(fields)}};
    return op;
}

/* The ops with requests before, between and after them, or none. */
static struct ops
with_requests(struct shards *shards, struct ops ops)
{
    uint32_t count = 0;
    struct op *all = arena_alloc(&shards->arena, (2 * (size_t)ops.count + 1) * sizeof *all);
    for (uint32_t i = 0; i <= ops.count; i++) {
        if (random_below(8) == 0)
            all[count++] = random_request(false);
        if (i < ops.count)
            all[count++] = ops.items[i];
    }
    return (struct ops){all, count};
}

static struct event
random_parent_refresh(struct shards *shards)
{
    struct event sent = event_header(EVENT_PARENT_REFRESH);
    uint32_t count = 1 + (uint32_t)random_below(3);
    struct op *ops = arena_alloc(&shards->arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++)
        ops[i] = random_request(true);
    sent.ops = (struct ops){ops, count};
    sent.seq = sent.row_id = ++shards->seq;
    return sent;
}

/* --- events ----------------------------------------------------------------------------------- */

static struct event
random_row(struct shards *shards)
{
    struct naive_event *event = arena_alloc(&shards->arena, sizeof *event);
    struct naive_ops *ops = arena_alloc(&shards->arena, sizeof *ops);
    struct event sent = event_header(EVENT_ROW);
    naive_random_row(event, ROWS);
    send_ops(event, ops, &shards->refused);
    naive_apply(rows, ROWS, event);
    sent.entity_id = fixture_entity(event->row);
    sent.ops = with_requests(shards, ops->ops);
    sent.seq = sent.row_id = ++shards->seq;
    return sent;
}

/* Some queries cannot be read: then the fan-out is dropped as a whole. */
static struct op
random_fan_out(struct shards *shards)
{
    struct naive_event *event = arena_alloc(&shards->arena, sizeof *event);
    struct naive_ops *ops = arena_alloc(&shards->arena, sizeof *ops);
    naive_random_fan_out(event);
    bool is_bad = random_below(8) == 0;
    send_ops(event, ops, &shards->refused);
    shards->refused += is_bad;
    if (is_bad)
        ops->fan_out.query = TEXT("nsfwLevel eq high");
    else
        naive_apply(rows, ROWS, event);
    return ops->fan_out;
}

static struct ops
random_fan_outs(struct shards *shards, uint32_t count)
{
    struct op *ops = arena_alloc(&shards->arena, FAN_OUTS_MAX * sizeof *ops);
    for (uint32_t i = 0; i < count; i++)
        ops[i] = random_fan_out(shards);
    return (struct ops){ops, count};
}

static struct event
random_fan_out_event(struct shards *shards)
{
    struct event sent = event_header(EVENT_FAN_OUT);
    sent.ops = random_fan_outs(shards, 1 + (uint32_t)random_below(FAN_OUTS_MAX));
    sent.seq = sent.row_id = ++shards->seq;
    return sent;
}

static struct event
random_chunk_event(struct shards *shards)
{
    struct naive_chunk *random = arena_alloc(&shards->arena, sizeof *random);
    int64_t entities[ROWS];
    struct event sent = event_header(EVENT_CHUNK);
    for (int row = 0; row < ROWS; row++)
        entities[row] = fixture_entity(row);
    naive_random_chunk(rows, entities, ROWS, &shards->arena, random);
    naive_apply_chunk(rows, ROWS, random);
    shards->refused += random->rejects;
    sent.chunk = &random->chunk;
    sent.seq = shards->seq;
    return sent;
}

static struct event
random_pass_event(struct shards *shards)
{
    struct pass *pass = arena_alloc(&shards->arena, sizeof *pass);
    struct text *fields = arena_alloc(&shards->arena, sizeof *fields);
    int field = (int)random_below(NAIVE_FIELDS_WRITTEN);
    struct event sent = event_header(EVENT_PASS);
    *fields = text_of(naive_field_names[field]);
    *pass = (struct pass){.job = 1,
                          .entry = TEXT("posts"),
                          .part = (int32_t)random_below(2),
                          .fields = fields,
                          .field_count = 1};
    if (pass->part == 0)
        naive_clear_field(rows, ROWS, field);
    pass->fan_outs = random_fan_outs(shards, (uint32_t)random_below(FAN_OUTS_MAX + 1));
    sent.pass = pass;
    sent.seq = shards->seq;
    return sent;
}

static struct event
random_event(struct shards *shards)
{
    switch (random_below(9)) {
    case 8:
        return random_parent_refresh(shards);
    case 0:
        return random_chunk_event(shards);
    case 1:
        return random_pass_event(shards);
    case 2:
        return random_fan_out_event(shards);
    default:
        return random_row(shards);
    }
}

/* --- comparisons ------------------------------------------------------------------------------ */

static struct naive_source
source_of_rows(struct shards *shards)
{
    int64_t *entities = arena_alloc(&shards->arena, ROWS * sizeof *entities);
    for (int row = 0; row < ROWS; row++)
        entities[row] = fixture_entity(row);
    return (struct naive_source){rows, entities, ROWS};
}

/* Of each field that is written, and of existence, over a random range. */
static struct sum *
random_sum(struct shards *shards)
{
    const struct naive_source source = source_of_rows(shards);
    struct sum *sum = arena_alloc(&shards->arena, sizeof *sum);
    struct sum_field *fields =
        arena_alloc(&shards->arena, (NAIVE_FIELDS_WRITTEN + 1) * sizeof *fields);
    int64_t first = (int64_t)random_below(ROWS);
    bool has_end = random_below(2) == 0;
    *sum = (struct sum){.job = 1,
                        .begin = fixture_entity(first),
                        .end = has_end ? fixture_entity(first + 3) : CHUNK_NO_END,
                        .fields = fields,
                        .field_count = NAIVE_FIELDS_WRITTEN + 1};
    for (int i = 0; i <= NAIVE_FIELDS_WRITTEN; i++) {
        bool is_existence = i == NAIVE_FIELDS_WRITTEN;
        const struct hash_sum wanted =
            naive_sum(&source, is_existence ? NAIVE_FIELDS : i, sum->begin, sum->end);
        fields[i] = (struct sum_field){.field = text_of(is_existence ? "" : naive_field_names[i]),
                                       .count = (int64_t)wanted.count,
                                       .high = wanted.high,
                                       .low = wanted.low};
    }
    return sum;
}

static struct event
random_comparison(struct shards *shards)
{
    struct event sent = event_header(EVENT_SUM);
    sent.seq = shards->seq;
    if (random_below(2) == 0) {
        sent.sum = random_sum(shards);
        return sent;
    }
    const struct naive_source source = source_of_rows(shards);
    sent.kind = EVENT_CHUNK;
    sent.chunk = arena_alloc(&shards->arena, sizeof *sent.chunk);
    naive_whole_chunk(&source, &shards->arena, sent.chunk);
    sent.chunk->purpose = CHUNK_CHECK;
    return sent;
}

static void
fail_difference(void *context, const struct engine_difference *difference)
{
    (void)context;
    fail_msg("field %u of entity %lld: %s at the source, %s in the index", difference->field,
             (long long)difference->entity_id, difference->source, difference->index);
}

static void
check_sums(const struct engine *engine, const struct sum *sum)
{
    struct engine_field_sum have[NAIVE_FIELDS + 1];
    engine_sum_range(engine, sum->begin, sum->end, have, NULL);
    for (uint32_t i = 0; i < sum->field_count; i++) {
        const struct sum_field *field = &sum->fields[i];
        const struct hash_sum wanted = {(uint64_t)field->count, field->high, field->low};
        const struct engine_field_sum *own = &have[field->field.bytes == 0 ? NAIVE_FIELDS : (int)i];
        if (own->is_damaged || !hash_sum_equal(&wanted, &own->sum))
            fail_msg("the sums of \"%.*s\" differ", TEXT_ARGS(field->field));
    }
}

static void
check_comparison(const struct engine *engine, const struct event *event)
{
    struct engine_comparison comparison = {.listed_max = 1, .take = fail_difference};
    if (event->kind == EVENT_SUM) {
        check_sums(engine, event->sum);
        return;
    }
    for (uint32_t i = 0; i < NAIVE_FIELDS; i++)
        field_set_add(&comparison.fields, i);
    field_set_add(&comparison.fields, FIELD_ALIVE);
    engine_compare_chunk(engine, event->chunk, &comparison, NULL);
    assert_int_equal(comparison.total, 0);
}

static void
compare_replayed(void *context, const struct event *event)
{
    struct shards *shards = context;
    check_comparison(shards->replayed, event);
    shards->compared++;
}

static void
compare_applied(struct shards *shards)
{
    const struct event *event = batch_compared(&shards->batch);
    if (event == NULL)
        return;
    check_comparison(shards->applied, event);
    shards->compared++;
}

/* --- batches ---------------------------------------------------------------------------------- */

static void
send_event(struct shards *shards, struct event (*random)(struct shards *shards))
{
    struct error err;
    arena_reset(&shards->arena);
    struct event event = random(shards);
    buffer_clear(&shards->message);
    if (event_encode(shards->context.codec, &event, &shards->message, &err) != 0)
        fail_msg("%s", err.message);
    const struct kafka_record record = {.offset = shards->offset++,
                                        .value = (char *)shards->message.data,
                                        .value_bytes = shards->message.bytes};
    if (batch_add(&shards->batch, &record, &err) != 0)
        fail_msg("%s", err.message);
}

/* A comparison while a request is unanswered would be a loss. Returns whether one was sent. */
static bool
send_events(struct shards *shards)
{
    for (uint64_t n = 1 + random_below(EVENTS_MAX); n > 0; n--)
        send_event(shards, random_event);
    assert_false(batch_full(&shards->batch));
    if (shards->batch.sequence.unanswered > 0 || random_below(2) == 0)
        return false;
    send_event(shards, random_comparison);
    assert_true(batch_full(&shards->batch));
    return true;
}

static void
send_batch(struct shards *shards)
{
    struct error err;
    struct arena arena;
    const struct batch_hooks hooks = {.compare = compare_replayed, .context = shards};
    arena_init(&arena);
    shards->refused = 0;
    shards->compared = 0;
    batch_begin(&shards->batch, &shards->sequence, NULL);
    bool compares = send_events(shards);
    batch_close(&shards->batch);
    shards->sequence = shards->batch.sequence;
    shards->sequence.unanswered = 0; /* their record has tests of its own */
    assert_int_equal(shards->sequence.losses, 0);
    assert_int_equal(shards->batch.dead_letters.count > 0, shards->refused > 0);
    batch_apply(&shards->batch, shards->applied, NULL);
    compare_applied(shards);
    const struct text payload = {(char *)shards->batch.payload.data, shards->batch.payload.bytes};
    if (batch_replay(&shards->context, shards->replayed, payload, &arena, &hooks, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(shards->compared, compares ? 2 : 0);
    arena_free(&arena);
}

static void
check_rows(const struct engine *engine)
{
    struct buffer wanted, have;
    buffer_init(&wanted);
    buffer_init(&have);
    for (int row = 0; row < ROWS; row++) {
        fixture_entity_text(engine, fixture_entity(row), &have);
        assert_string_equal(buffer_string(&have), naive_text(&rows[row], &wanted));
    }
    buffer_free(&wanted);
    buffer_free(&have);
}

static void
run_batches(const struct config *config)
{
    struct error err;
    struct shards shards = {.applied = fixture_engine(), .replayed = fixture_engine()};
    shards.context = (struct batch_context){config, FIXTURE_PARTITION, shards.applied, NULL};
    assert_int_equal(event_codec_create(&shards.context.codec, &err), 0);
    memset(rows, 0, sizeof rows);
    arena_init(&shards.arena);
    batch_init(&shards.batch, &shards.context);
    sequence_init(&shards.sequence, &shards.batch.fields);
    for (int n = 0; n < BATCHES; n++) {
        send_batch(&shards);
        check_rows(shards.applied);
        check_rows(shards.replayed);
    }
    batch_free(&shards.batch);
    buffer_free(&shards.message);
    arena_free(&shards.arena);
    event_codec_destroy(shards.context.codec);
    engine_destroy(shards.applied);
    engine_destroy(shards.replayed);
}

static void
test_L9_what_cannot_be_applied_acts_as_null(void **state)
{
    const struct config config = {
        .index = "i",
        .topic = {.name = "t", .partitions = FIXTURE_PARTITIONS, .max_slots = ROWS},
        .consumer = {.group = "g",
                     .batch_rows = 1000,
                     .batch_bytes = 1 << 20,
                     .requests_max = EVENTS_MAX},
        .index_config = fixture_index,
    };
    (void)state;
    naive_values_limit = 3;
    while (random_round(ROUNDS))
        run_batches(&config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L9_what_cannot_be_applied_acts_as_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
