/* From messages to the payload of a frame: what is applied, what becomes a dead letter, and that
 * replaying the payload gives the same index. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/partition/batch.h"
#include "tests/unit/random_input.h"

enum { PARTITIONS = 4, PARTITION = 1, MAX_SLOTS = 100 };

static const struct config_filter_field filter_fields[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE},
    {.name = "tags", .type = FIELD_MULTI_VALUE},
};
static const struct config config = {
    .index = "i",
    .topic = {.name = "t", .partitions = PARTITIONS, .max_slots = MAX_SLOTS},
    .consumer = {.group = "g", .batch_rows = 1000, .batch_bytes = 1 << 20, .requests_max = 1000},
    .index_config = {.filter_fields = filter_fields, .filter_field_count = 2},
};

/* One shard and one batch. */
struct fixture {
    struct batch_context context;
    struct engine *engine;
    struct batch batch;
    int64_t offset;
    int64_t seq;
    struct buffer message;
};

static struct engine *
make_engine(void)
{
    struct error err = {0};
    struct engine *engine;
    const struct engine_options options = {&config.index_config, PARTITION, PARTITIONS, MAX_SLOTS};
    assert_int_equal(engine_create(&options, &engine, &err), 0);
    return engine;
}

static void
fixture_begin(struct fixture *fixture)
{
    struct error err = {0};
    struct sequence sequence;
    *fixture = (struct fixture){.engine = make_engine(), .offset = 500};
    fixture->context = (struct batch_context){&config, PARTITION, fixture->engine, NULL};
    assert_int_equal(event_codec_create(&fixture->context.codec, &err), 0);
    batch_init(&fixture->batch, &fixture->context);
    sequence_init(&sequence, &fixture->batch.fields);
    batch_begin(&fixture->batch, &sequence, NULL);
}

static void
fixture_end(struct fixture *fixture)
{
    batch_free(&fixture->batch);
    buffer_free(&fixture->message);
    engine_destroy(fixture->engine);
    event_codec_destroy(fixture->context.codec);
}

static int
add_bytes(struct fixture *fixture, const void *bytes, size_t size, struct error *err)
{
    const struct kafka_record record = {
        .offset = fixture->offset++, .value = bytes, .value_bytes = size};
    return batch_add(&fixture->batch, &record, err);
}

/* The next event of the producer, encoded into fixture->message. */
static void
encode_event(struct fixture *fixture, enum event_kind kind, int64_t entity_id, const struct op *ops,
             uint32_t count)
{
    struct error err = {0};
    const struct event event = {
        .epoch = 1,
        .generation = 1,
        .seq = ++fixture->seq,
        .source = TEXT("main"),
        .kind = kind,
        .row_id = fixture->seq,
        .entity_id = entity_id,
        .ops = {ops, count},
    };
    buffer_clear(&fixture->message);
    assert_int_equal(event_encode(fixture->context.codec, &event, &fixture->message, &err), 0);
}

static void
add_event(struct fixture *fixture, enum event_kind kind, int64_t entity_id, const struct op *ops,
          uint32_t count)
{
    struct error err = {0};
    encode_event(fixture, kind, entity_id, ops, count);
    assert_int_equal(add_bytes(fixture, fixture->message.data, fixture->message.bytes, &err), 0);
}

static const struct op op_alive = {.kind = OP_ALIVE};

static struct op
op_of(enum op_kind kind, const char *field, int64_t value)
{
    return (struct op){
        .kind = kind, .field = text_of(field), .value = {.kind = VALUE_INTEGER, .integer = value}};
}

static struct op
op_bad(enum op_kind kind, const char *field)
{
    return (struct op){.kind = kind,
                       .field = text_of(field),
                       .value = {.kind = VALUE_STRING, .string = TEXT("high")}};
}

static struct text
payload_of(const struct fixture *fixture)
{
    return (struct text){(const char *)fixture->batch.payload.data, fixture->batch.payload.bytes};
}

static void
check_entity(const struct engine *engine, int64_t id, const char *fields)
{
    struct buffer out;
    bool alive;
    buffer_init(&out);
    engine_entity_json(engine, id, &out, &alive);
    assert_string_equal(buffer_string(&out), fields);
    buffer_free(&out);
}

static void
test_what_applies_is_logged_as_it_was_received(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, 5, (const struct op[]){op_alive, op_of(OP_SET, "level", 3)}, 2);
    const struct buffer *payload = &fixture.batch.payload;
    assert_int_equal(payload->bytes, 4 + fixture.message.bytes);
    assert_int_equal(payload->data[0], fixture.message.bytes);
    assert_memory_equal(payload->data + 4, fixture.message.data, fixture.message.bytes);
    assert_int_equal(fixture.batch.first_offset, 500);
    assert_int_equal(fixture.batch.next_offset, 501);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, 5, "\"level\":3");
    fixture_end(&fixture);
}

static void
test_L9_a_bad_op_is_dropped_and_not_the_row(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    struct error err = {0};
    arena_init(&arena);
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, 5,
              (const struct op[]){op_of(OP_ADD, "tags", 7), op_bad(OP_ADD, "tags"),
                                  op_of(OP_ADD, "tags", 8)},
              3);
    assert_int_equal(fixture.batch.dead_letters.count, 1);
    assert_int_equal(fixture.batch.counts.ops, 2);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, 5, "\"tags\":[7,8]");
    struct engine *replayed = make_engine();
    assert_int_equal(
        batch_replay(&fixture.context, replayed, payload_of(&fixture), &arena, NULL, &err), 0);
    check_entity(replayed, 5, "\"tags\":[7,8]");
    engine_destroy(replayed);
    fixture_end(&fixture);
    arena_free(&arena);
}

static void
test_a_row_of_bad_ops_takes_its_seq_and_is_not_logged(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    const struct op bad = op_bad(OP_REMOVE, "level");
    add_event(&fixture, EVENT_ROW, 5, &bad, 1);
    assert_int_equal(fixture.batch.dead_letters.count, 1);
    assert_int_equal(fixture.batch.event_count, 0);
    assert_int_equal(fixture.batch.payload.bytes, 0);
    assert_int_equal(fixture.batch.sequence.seq, 1);
    fixture_end(&fixture);
}

static void
test_an_entity_of_another_shard_or_beyond_the_slots_is_a_dead_letter(void **state)
{
    (void)state;
    static const int64_t ids[] = {6, -3, PARTITION + (int64_t)PARTITIONS * MAX_SLOTS, INT64_MAX};
    struct fixture fixture;
    fixture_begin(&fixture);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        add_event(&fixture, EVENT_ROW, ids[i], &op_alive, 1);
    assert_int_equal(fixture.batch.dead_letters.count, COUNT_OF(ids));
    assert_int_equal(fixture.batch.event_count, 0);
    add_event(&fixture, EVENT_ROW, PARTITION + (int64_t)PARTITIONS * (MAX_SLOTS - 1), &op_alive, 1);
    assert_int_equal(fixture.batch.event_count, 1);
    fixture_end(&fixture);
}

static void
test_F54_bytes_that_are_no_event_move_the_offset_and_the_next_seq_shows_the_gap(void **state)
{
    (void)state;
    struct error err = {0};
    struct fixture fixture;
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    assert_int_equal(add_bytes(&fixture, "garbage", 7, &err), 0);
    fixture.seq++; /* the seq of the event that the bytes replace */
    assert_int_equal(fixture.batch.dead_letters.count, 1);
    assert_int_equal(fixture.batch.next_offset, 502);
    assert_int_equal(fixture.batch.sequence.missing, 0);
    add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    assert_int_equal(fixture.batch.sequence.missing, 1);
    assert_int_equal(fixture.batch.event_count, 2);
    fixture_end(&fixture);
}

static void
test_L2_with_on_gap_stop_an_event_after_a_gap_is_not_taken(void **state)
{
    (void)state;
    struct error err = {0};
    struct fixture fixture;
    struct config stops = config;
    stops.consumer.on_gap = ON_GAP_STOP;
    fixture_begin(&fixture);
    fixture.batch.context.config = &stops;
    add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    encode_event(&fixture, EVENT_ROW, 5, &op_alive, 1); /* never comes */
    encode_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(add_bytes(&fixture, fixture.message.data, fixture.message.bytes, &err),
                         ERR_DATA);
        assert_non_null(strstr(err.message, "events 2 to 2 never came"));
        assert_int_equal(fixture.batch.sequence.seq, 1);
        assert_int_equal(fixture.batch.sequence.losses, 0);
        assert_int_equal(fixture.batch.next_offset, 501);
        assert_int_equal(fixture.batch.event_count, 1);
    }
    fixture_end(&fixture);
}

static void
test_F70_an_unknown_schema_leaves_the_batch_unchanged(void **state)
{
    (void)state;
    struct error err = {0};
    struct fixture fixture;
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    size_t payload_bytes = fixture.batch.payload.bytes;
    fixture.message.data[5] ^= 0xff; /* inside the fingerprint */
    assert_int_equal(add_bytes(&fixture, fixture.message.data, fixture.message.bytes, &err),
                     ERR_RETRY);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    assert_int_equal(fixture.batch.next_offset, 501);
    assert_int_equal(fixture.batch.payload.bytes, payload_bytes);
    fixture_end(&fixture);
}

static void
test_duplicates_are_counted_and_not_logged(void **state)
{
    (void)state;
    struct error err = {0};
    struct fixture fixture;
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    assert_int_equal(add_bytes(&fixture, fixture.message.data, fixture.message.bytes, &err), 0);
    assert_int_equal(fixture.batch.counts.duplicates, 1);
    assert_int_equal(fixture.batch.event_count, 1);
    assert_int_equal(fixture.batch.next_offset, 502);
    fixture_end(&fixture);
}

static void
test_a_batch_is_full_after_batch_rows(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    for (int i = 0; i < config.consumer.batch_rows; i++) {
        assert_false(batch_full(&fixture.batch));
        add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    }
    assert_true(batch_full(&fixture.batch));
    fixture_end(&fixture);
}

static void
test_L6_closing_a_batch_drops_overridden_ops(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    const struct op set = op_of(OP_SET, "level", 3);
    const struct op nested[] = {op_of(OP_REMOVE, "level", 2), set};
    const struct op fan_out = {
        .kind = OP_FAN_OUT, .query = TEXT("tags eq 7"), .nested = nested, .nested_count = 2};
    const struct op tag = op_of(OP_ADD, "tags", 7);
    add_event(&fixture, EVENT_ROW, 5, &set, 1);
    size_t row_bytes = fixture.batch.payload.bytes;
    add_event(&fixture, EVENT_ROW, 9, &tag, 1);
    add_event(&fixture, EVENT_FAN_OUT, 0, &fan_out, 1);
    add_event(&fixture, EVENT_ROW, 5, &set, 1);
    size_t received_bytes = fixture.batch.payload.bytes;
    batch_close(&fixture.batch);
    assert_int_equal(fixture.batch.counts.events, 4);
    assert_int_equal(fixture.batch.counts.ops, 4);
    assert_int_equal(fixture.batch.counts.compacted, 1);
    assert_int_equal(fixture.batch.event_count, 3);
    assert_in_range(fixture.batch.payload.bytes, 1, received_bytes - row_bytes - 1);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, 5, "\"level\":3");
    check_entity(fixture.engine, 9, "\"level\":3,\"tags\":[7]");
    fixture_end(&fixture);
}

static void
test_L8_replayed_payloads_give_the_same_index(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    struct error err = {0};
    struct engine *replayed = make_engine();
    arena_init(&arena);
    fixture_begin(&fixture);
    random_seed();
    for (int round = 0; round < 50; round++) {
        const struct sequence sequence = fixture.batch.sequence;
        batch_begin(&fixture.batch, &sequence, NULL);
        for (int i = 0; i < 40; i++) {
            int64_t id = PARTITION + PARTITIONS * (int64_t)random_below(MAX_SLOTS);
            const struct op ops[] = {op_of(OP_SET, "level", (int64_t)random_below(5)),
                                     op_of(OP_ADD, "tags", (int64_t)random_below(9)),
                                     op_bad(OP_SET, "level")};
            const struct op fan_out = {
                .kind = OP_FAN_OUT, .query = TEXT("level eq 3"), .nested = ops, .nested_count = 2};
            if (random_below(10) == 0)
                add_event(&fixture, EVENT_FAN_OUT, id, &fan_out, 1);
            else
                add_event(&fixture, EVENT_ROW, id, ops, 1 + (uint32_t)random_below(3));
        }
        batch_close(&fixture.batch);
        batch_apply(&fixture.batch, fixture.engine, NULL);
        assert_int_equal(
            batch_replay(&fixture.context, replayed, payload_of(&fixture), &arena, NULL, &err), 0);
    }
    for (int64_t id = PARTITION; id < PARTITIONS * MAX_SLOTS; id += PARTITIONS) {
        struct buffer fields;
        bool alive;
        buffer_init(&fields);
        engine_entity_json(fixture.engine, id, &fields, &alive);
        check_entity(replayed, id, buffer_string(&fields));
        buffer_free(&fields);
    }
    fixture_end(&fixture);
    engine_destroy(replayed);
    arena_free(&arena);
}

static void
test_a_payload_that_is_cut_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    arena_init(&arena);
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, 5, &op_alive, 1);
    for (size_t bytes = 1; bytes < fixture.batch.payload.bytes; bytes++) {
        struct error err = {0};
        struct text cut = {(const char *)fixture.batch.payload.data, bytes};
        assert_int_equal(batch_replay(&fixture.context, fixture.engine, cut, &arena, NULL, &err),
                         ERR_FATAL);
    }
    fixture_end(&fixture);
    arena_free(&arena);
}

/* Appends an event to `payload` as batches do, but unchecked: as an older version may have. */
static void
append_logged(struct fixture *fixture, struct buffer *payload, enum event_kind kind,
              const struct op *ops, uint32_t count)
{
    encode_event(fixture, kind, PARTITION, ops, count);
    for (int i = 0; i < 4; i++)
        buffer_append(payload, &(const uint8_t){(uint8_t)(fixture->message.bytes >> 8 * i)}, 1);
    buffer_append(payload, fixture->message.data, fixture->message.bytes);
}

static void
test_F113_logged_ops_that_cannot_be_applied_are_refused_with_their_byte(void **state)
{
    (void)state;
    static const struct op nested = {.kind = OP_DELETE};
    struct op set = op_of(OP_SET, "tags", 1);
    const struct {
        enum event_kind kind;
        struct op op;
        const char *reason; /* NULL: it can be applied */
    } cases[] = {
        {EVENT_FAN_OUT, {.query = TEXT("level")}, "op 0: fan-out query: byte 5: expected eq or in"},
        {EVENT_FAN_OUT,
         {.query = TEXT("none eq 1")},
         "op 0: fan-out query: the index has no field"},
        {EVENT_FAN_OUT, {.query = TEXT("level eq high")}, "op 0: fan-out query: field \"level\""},
        {EVENT_FAN_OUT, {.query = TEXT("level eq 1"), .nested = &set}, NULL},
        {EVENT_ROW, op_bad(OP_SET, "level"), "op 0: field \"level\" takes an integer"},
        {EVENT_ROW, {.kind = OP_ALIVE}, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture fixture;
        struct arena arena;
        struct buffer payload;
        struct error err = {0};
        struct op op = cases[i].op;
        arena_init(&arena);
        buffer_init(&payload);
        fixture_begin(&fixture);
        append_logged(&fixture, &payload, EVENT_ROW, &op_alive, 1);
        char *place = memory_format("payload byte %zu: %s", payload.bytes, cases[i].reason);
        if (cases[i].kind == EVENT_FAN_OUT) {
            op.kind = OP_FAN_OUT;
            op.nested = op.nested != NULL ? op.nested : &nested;
            op.nested_count = 1;
        }
        append_logged(&fixture, &payload, cases[i].kind, &op, 1);
        int rc = batch_replay(&fixture.context, fixture.engine,
                              (struct text){(const char *)payload.data, payload.bytes}, &arena,
                              NULL, &err);
        assert_int_equal(rc, cases[i].reason != NULL ? ERR_FATAL : 0);
        if (rc != 0 && strncmp(err.message, place, strlen(place)) != 0)
            fail_msg("wanted \"%s\", got \"%s\"", place, err.message);
        free(place);
        fixture_end(&fixture);
        buffer_free(&payload);
        arena_free(&arena);
    }
}

static void
assert_dead_letter(const struct fixture *fixture, const char *part)
{
    const struct dead_letter_list *list = &fixture->batch.dead_letters;
    struct text text = {(const char *)list->bytes.data, list->bytes.bytes};
    if (memmem(text.data, text.bytes, part, strlen(part)) == NULL)
        fail_msg("no \"%s\" in %.*s", part, TEXT_ARGS(text));
}

static void
test_L9_a_set_that_cannot_be_applied_acts_as_set_null(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    const struct op before[] = {op_of(OP_SET, "level", 3), op_of(OP_ADD, "tags", 7)};
    const struct op bad_add = op_bad(OP_ADD, "level");
    const struct op bad_set = op_bad(OP_SET, "tags");
    const struct op bad_remove = op_bad(OP_REMOVE, "level");
    add_event(&fixture, EVENT_ROW, 1, before, 2);
    add_event(&fixture, EVENT_ROW, 1, &bad_add, 1);
    add_event(&fixture, EVENT_ROW, 5, before, 2);
    add_event(&fixture, EVENT_ROW, 5, &bad_set, 1);
    add_event(&fixture, EVENT_ROW, 9, before, 2);
    add_event(&fixture, EVENT_ROW, 9, &bad_remove, 1);
    assert_int_equal(fixture.batch.dead_letters.count, 3);
    assert_dead_letter(&fixture, "\"1 of 1 ops cannot be applied\"");
    assert_dead_letter(&fixture, "{\"op\":\"add\",\"field\":\"level\",\"value\":\"high\"}");
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, 1, "\"tags\":[7]");
    check_entity(fixture.engine, 5, "\"level\":3");
    check_entity(fixture.engine, 9, "\"level\":3,\"tags\":[7]");
    fixture_end(&fixture);
}

static void
test_F108_a_bad_nested_op_costs_only_that_op(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    const struct op level = op_of(OP_SET, "level", 3), bad_set = op_bad(OP_SET, "level");
    const struct op nested[] = {op_bad(OP_ADD, "tags"), op_of(OP_ADD, "tags", 7), bad_set};
    struct op fan_outs[] = {
        {.kind = OP_FAN_OUT, .query = TEXT("level eq 3"), .nested = nested, .nested_count = 3},
        {.kind = OP_FAN_OUT, .query = TEXT("level lt 3"), .nested = nested, .nested_count = 3},
    };
    add_event(&fixture, EVENT_ROW, 5, &level, 1);
    add_event(&fixture, EVENT_FAN_OUT, 0, fan_outs, 2);
    assert_int_equal(fixture.batch.dead_letters.count, 1);
    assert_dead_letter(&fixture, "\"5 of 6 ops cannot be applied\"");
    assert_dead_letter(&fixture, "{\"op\":\"queryOpSet\",\"query\":\"level eq 3\",\"ops\":["
                                 "{\"op\":\"add\",\"field\":\"tags\",\"value\":\"high\"}]}");
    assert_dead_letter(&fixture, "fan-out query: ");
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, 5, "\"tags\":[7]");
    fixture_end(&fixture);
}

/* --- chunks ---------------------------------------------------------------------------------- */

static const struct text level_field[] = {TEXT("level")};

/* Adds a chunk of the whole range, with one column of the field `level`. */
static void
add_chunk(struct fixture *fixture, struct chunk chunk, const struct chunk_column *column)
{
    struct error err = {0};
    struct event event = {.epoch = 1,
                          .generation = 1,
                          .seq = fixture->seq,
                          .source = TEXT("main"),
                          .kind = EVENT_CHUNK,
                          .chunk = &chunk};
    chunk.end = chunk.end == 0 ? CHUNK_NO_END : chunk.end;
    chunk.fields = level_field;
    chunk.field_count = 1;
    chunk.columns = column;
    chunk.column_count = column != NULL;
    buffer_clear(&fixture->message);
    if (event_encode(fixture->context.codec, &event, &fixture->message, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(add_bytes(fixture, fixture->message.data, fixture->message.bytes, &err), 0);
}

static const uint32_t chunk_slots[] = {0, 1, 2};
static const int64_t chunk_numbers[] = {10, 11, 12};
static const struct text chunk_strings[] = {TEXT("high")};
static const struct chunk_column good_column = {.field = {"level", 5},
                                                .kind = CHUNK_INTEGERS,
                                                .count = 3,
                                                .slots = chunk_slots,
                                                .integers = chunk_numbers};

static void
test_a_chunk_is_a_barrier_that_is_logged_as_it_was_received(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    struct error err = {0};
    arena_init(&arena);
    fixture_begin(&fixture);
    const struct op first = op_of(OP_SET, "level", 3), last = op_of(OP_SET, "level", 4);
    add_event(&fixture, EVENT_ROW, 1, &first, 1);
    add_event(&fixture, EVENT_ROW, 13, &first, 1);
    size_t bytes = fixture.batch.payload.bytes;
    add_chunk(&fixture, (struct chunk){0}, &good_column);
    assert_memory_equal(fixture.batch.payload.data + bytes + 4, fixture.message.data,
                        fixture.message.bytes);
    add_event(&fixture, EVENT_ROW, 1, &last, 1);
    assert_int_equal(fixture.batch.counts.ops, 6);
    batch_close(&fixture.batch);
    assert_int_equal(fixture.batch.event_count, 4);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    struct engine *replayed = make_engine();
    assert_int_equal(
        batch_replay(&fixture.context, replayed, payload_of(&fixture), &arena, NULL, &err), 0);
    for (int i = 0; i < 2; i++) {
        const struct engine *engine = i == 0 ? fixture.engine : replayed;
        check_entity(engine, 1, "\"level\":4");
        check_entity(engine, 5, "\"level\":11");
        check_entity(engine, 13, "");
    }
    engine_destroy(replayed);
    fixture_end(&fixture);
    arena_free(&arena);
}

static void
test_L9_bad_values_of_a_chunk_are_null_and_dead_letters(void **state)
{
    (void)state;
    static const int64_t zeros[3];
    struct fixture fixture;
    struct chunk_column bad = good_column;
    bad.kind = CHUNK_STRINGS;
    bad.integers = zeros;
    bad.strings = chunk_strings;
    bad.string_count = 1;
    fixture_begin(&fixture);
    add_chunk(&fixture, (struct chunk){0}, &good_column);
    add_chunk(&fixture, (struct chunk){.end = 6}, &bad);
    assert_int_equal(fixture.batch.dead_letters.count, 1); /* slot 2 is not in its range */
    add_chunk(&fixture, (struct chunk){.end = 12}, &bad);
    assert_int_equal(fixture.batch.dead_letters.count, 2);
    assert_dead_letter(&fixture, "\"3 of 3 values cannot be applied\"");
    assert_dead_letter(&fixture,
                       "\"entity 9: field \\\"level\\\" takes an integer, not a string\"");
    assert_dead_letter(&fixture, "{\"op\":\"set\",\"field\":\"level\",\"value\":\"high\"}");
    batch_close(&fixture.batch);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    for (int64_t id = 1; id < 12; id += 4)
        check_entity(fixture.engine, id, "");
    fixture_end(&fixture);
}

/* More than a dead letter shows. */
static void
test_L9_a_chunk_of_bad_values_makes_one_small_dead_letter(void **state)
{
    enum { COUNT = MAX_SLOTS };
    (void)state;
    static int64_t zeros[2 * COUNT];
    static uint32_t slots[2 * COUNT];
    struct fixture fixture;
    struct chunk_column bad = good_column;
    for (uint32_t i = 0; i < 2 * COUNT; i++) {
        slots[i] = i / 2;
        zeros[i] = i;
    }
    bad.count = 2 * COUNT; /* two values for each entity */
    bad.slots = slots;
    bad.integers = zeros;
    fixture_begin(&fixture);
    add_chunk(&fixture, (struct chunk){0}, &bad);
    assert_int_equal(fixture.batch.dead_letters.count, 1);
    assert_dead_letter(&fixture, "\"200 of 200 values cannot be applied\"");
    assert_dead_letter(&fixture, "\"entity 197: ");
    assert_true(fixture.batch.dead_letters.bytes.bytes < 32 * 1024);
    fixture_end(&fixture);
}

static void
test_a_chunk_that_could_not_be_read_is_not_logged(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    add_chunk(&fixture, (struct chunk){.rejected = TEXT("too large")}, NULL);
    add_chunk(&fixture, (struct chunk){.purpose = CHUNK_CHECK, .rejected = TEXT("too large")},
              NULL);
    assert_int_equal(fixture.batch.counts.rejected, 2);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    batch_close(&fixture.batch);
    assert_int_equal(fixture.batch.payload.bytes, 0);
    assert_int_equal(fixture.batch.next_offset, 502);
    assert_null(batch_compared(&fixture.batch));
    fixture_end(&fixture);
}

static void
count_compared(void *context, const struct event *event)
{
    int *count = context;
    assert_int_equal(event->chunk->purpose, CHUNK_CHECK);
    ++*count;
}

/* Its place is the position of its frame, and a replay compares at the same place. */
static void
test_a_check_chunk_ends_its_batch_and_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    struct error err = {0};
    int compared = 0;
    const struct batch_hooks hooks = {.compare = count_compared, .context = &compared};
    arena_init(&arena);
    fixture_begin(&fixture);
    assert_false(batch_full(&fixture.batch));
    add_chunk(&fixture, (struct chunk){.purpose = CHUNK_CHECK}, &good_column);
    assert_true(batch_full(&fixture.batch));
    batch_close(&fixture.batch);
    assert_non_null(batch_compared(&fixture.batch));
    batch_apply(&fixture.batch, fixture.engine, &hooks);
    assert_int_equal(compared, 0);
    struct engine *replayed = make_engine();
    assert_int_equal(
        batch_replay(&fixture.context, replayed, payload_of(&fixture), &arena, &hooks, &err), 0);
    assert_int_equal(compared, 1);
    check_entity(fixture.engine, 5, "");
    check_entity(replayed, 5, "");
    engine_destroy(replayed);
    fixture_end(&fixture);
    arena_free(&arena);
}

/* A value that the index cannot hold is null on both sides. */
static void
test_a_bad_value_of_a_check_chunk_is_no_dead_letter(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    struct error err = {0};
    const uint32_t slots[] = {1, 1};
    const int64_t values[] = {3, 4};
    struct chunk_column bad = good_column;
    bad.count = 2;
    bad.slots = slots;
    bad.integers = values;
    arena_init(&arena);
    fixture_begin(&fixture);
    add_chunk(&fixture, (struct chunk){.purpose = CHUNK_CHECK}, &bad);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    assert_int_equal(
        batch_replay(&fixture.context, fixture.engine, payload_of(&fixture), &arena, NULL, &err),
        0);
    fixture_end(&fixture);
    arena_free(&arena);
}

/* No program of this project writes an event without ops, but any Kafka client can. */
static void
test_F54_events_without_ops_change_nothing(void **state)
{
    (void)state;
    static const enum event_kind kinds[] = {EVENT_ROW, EVENT_FAN_OUT};
    struct fixture fixture;
    struct arena arena;
    struct buffer payload;
    struct error err = {0};
    arena_init(&arena);
    buffer_init(&payload);
    fixture_begin(&fixture);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        add_event(&fixture, kinds[i], PARTITION, NULL, 0);
        append_logged(&fixture, &payload, kinds[i], NULL, 0);
    }
    assert_int_equal(fixture.batch.event_count, 0);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    assert_int_equal(batch_replay(&fixture.context, fixture.engine,
                                  (struct text){(const char *)payload.data, payload.bytes}, &arena,
                                  NULL, &err),
                     0);
    fixture_end(&fixture);
    buffer_free(&payload);
    arena_free(&arena);
}

static void
add_answer(struct fixture *fixture, struct chunk *chunk)
{
    struct error err = {0};
    const struct event event = {.epoch = 1,
                                .generation = 1,
                                .seq = fixture->seq,
                                .source = TEXT("main"),
                                .kind = EVENT_CHUNK,
                                .chunk = chunk};
    buffer_clear(&fixture->message);
    assert_int_equal(event_encode(fixture->context.codec, &event, &fixture->message, &err), 0);
    assert_int_equal(add_bytes(fixture, fixture->message.data, fixture->message.bytes, &err), 0);
}

/* Slot 1 has level 3 and is alive; an answer to the request of row 2 cannot be read. */
static void
test_an_answer_that_could_not_be_read_empties_its_fields(void **state)
{
    (void)state;
    struct fixture fixture;
    struct arena arena;
    struct error err = {0};
    struct engine *replayed = make_engine();
    const int64_t entity_id = PARTITIONS + PARTITION, answers[] = {2};
    const uint32_t slots[] = {1};
    const struct text fields[] = {TEXT("level")};
    const struct op ops[] = {op_alive, op_of(OP_SET, "level", 3), op_of(OP_ADD, "tags", 4)};
    const struct op request = {.kind = OP_REFRESH};
    struct chunk chunk = {.purpose = CHUNK_REFRESH,
                          .end = CHUNK_NO_END,
                          .has_slots = true,
                          .slots = slots,
                          .slot_count = 1,
                          .fields = fields,
                          .field_count = 1,
                          .states_alive = true,
                          .rejected = TEXT("permission denied"),
                          .answers = answers,
                          .answer_count = 1};
    arena_init(&arena);
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, entity_id, ops, 3);
    add_event(&fixture, EVENT_ROW, entity_id, &request, 1);
    assert_int_equal(fixture.batch.sequence.unanswered, 1);
    add_answer(&fixture, &chunk);
    assert_int_equal(fixture.batch.sequence.unanswered, 0);
    assert_int_equal(fixture.batch.event_count, 2);
    batch_close(&fixture.batch);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, entity_id, "\"tags\":[4]");
    assert_true(engine_is_visible(fixture.engine, entity_id));
    assert_int_equal(
        batch_replay(&fixture.context, replayed, payload_of(&fixture), &arena, NULL, &err), 0);
    check_entity(replayed, entity_id, "\"tags\":[4]");
    engine_destroy(replayed);
    fixture_end(&fixture);
    arena_free(&arena);
}

static void
test_a_comparison_of_nothing_is_not_logged(void **state)
{
    (void)state;
    struct fixture fixture;
    struct chunk chunk = {.purpose = CHUNK_CHECK, .end = CHUNK_NO_END};
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_ROW, PARTITION, &op_alive, 1);
    add_answer(&fixture, &chunk);
    assert_int_equal(fixture.batch.event_count, 1);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    fixture_end(&fixture);
}

/* An answer of a parent whose fan-outs were sent before it. */
static void
test_an_answer_without_fields_is_not_logged(void **state)
{
    (void)state;
    struct fixture fixture;
    const int64_t answers[] = {1, 99};
    struct chunk chunk = {
        .purpose = CHUNK_REFRESH, .end = CHUNK_NO_END, .answers = answers, .answer_count = 2};
    const struct op request = {
        .kind = OP_REFRESH, .field = TEXT("Post"), .value = {.kind = VALUE_INTEGER, .integer = 5}};
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_PARENT_REFRESH, 0, &request, 1);
    assert_int_equal(fixture.batch.sequence.unanswered, 1);
    add_answer(&fixture, &chunk);
    assert_int_equal(fixture.batch.sequence.unanswered, 0);
    assert_int_equal(fixture.batch.event_count, 0);
    assert_int_equal(fixture.batch.payload.bytes, 0);
    fixture_end(&fixture);
}

static void
test_requests_take_a_seq_and_are_not_logged(void **state)
{
    (void)state;
    struct fixture fixture;
    const struct op request = {
        .kind = OP_REFRESH, .field = TEXT("Post"), .value = {.kind = VALUE_INTEGER, .integer = 5}};
    const struct op ops[] = {{.kind = OP_REFRESH}, op_of(OP_SET, "level", 3)};
    fixture_begin(&fixture);
    add_event(&fixture, EVENT_PARENT_REFRESH, 0, &request, 1);
    add_event(&fixture, EVENT_ROW, 5, ops, 1);
    assert_int_equal(fixture.batch.payload.bytes, 0);
    add_event(&fixture, EVENT_ROW, 5, ops, 2);
    assert_int_equal(fixture.batch.sequence.seq, 3);
    assert_int_equal(fixture.batch.sequence.losses, 0);
    assert_int_equal(fixture.batch.dead_letters.count, 0);
    assert_int_equal(fixture.batch.event_count, 1);
    batch_apply(&fixture.batch, fixture.engine, NULL);
    check_entity(fixture.engine, 5, "\"level\":3");
    encode_event(&fixture, EVENT_ROW, 5, &ops[1], 1);
    assert_int_equal(fixture.batch.payload.bytes, 4 + fixture.message.bytes);
    fixture_end(&fixture);
}

/* Adds an event of the producer that takes no seq. */
static void
add_unnumbered(struct fixture *fixture, struct event event)
{
    struct error err = {0};
    event.epoch = event.generation = 1;
    event.seq = fixture->seq;
    event.source = TEXT("main");
    buffer_clear(&fixture->message);
    assert_int_equal(event_encode(fixture->context.codec, &event, &fixture->message, &err), 0);
    assert_int_equal(add_bytes(fixture, fixture->message.data, fixture->message.bytes, &err), 0);
}

static void
test_F12_the_end_of_a_load_says_whether_the_shard_was_covered(void **state)
{
    (void)state;
    struct fixture fixture;
    struct text field = text_of(config.index_config.filter_fields[0].name);
    struct job_mark mark = {
        .kind = JOB_BEGIN, .job = 7, .end = CHUNK_NO_END, .fields = &field, .field_count = 1};
    struct chunk chunk = {
        .purpose = CHUNK_LOAD, .job = 7, .end = CHUNK_NO_END, .fields = &field, .field_count = 1};
    fixture_begin(&fixture);
    add_unnumbered(&fixture, (struct event){.kind = EVENT_JOB, .job = &mark});
    mark.kind = JOB_END;
    add_unnumbered(&fixture, (struct event){.kind = EVENT_JOB, .job = &mark});
    mark.kind = JOB_BEGIN;
    add_unnumbered(&fixture, (struct event){.kind = EVENT_JOB, .job = &mark});
    add_unnumbered(&fixture, (struct event){.kind = EVENT_CHUNK, .chunk = &chunk});
    mark.kind = JOB_END;
    add_unnumbered(&fixture, (struct event){.kind = EVENT_JOB, .job = &mark});
    assert_int_equal(fixture.batch.job_count, 4);
    assert_string_equal(fixture.batch.jobs[0].incomplete, "");
    assert_string_equal(fixture.batch.jobs[1].incomplete,
                        "the beginning of the topic is missing: bitdex-producer load");
    assert_string_equal(fixture.batch.jobs[3].incomplete, "");
    fixture_end(&fixture);
}

static void
add_watermark(struct fixture *fixture, int64_t tick, int64_t owed)
{
    const struct mark mark = {.kind = MARK_WATERMARK,
                              .clock_us = 5,
                              .snapshot = TEXT("700:700:"),
                              .partitions = PARTITIONS,
                              .has_content = true,
                              .owed = owed};
    add_unnumbered(fixture, (struct event){.kind = EVENT_MARK, .tick = tick, .mark = mark});
}

static void
test_a_batch_ends_at_a_proof_and_not_in_a_window(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    assert_false(batch_at_proof(&fixture.batch));
    add_watermark(&fixture, 4, 0);
    assert_true(batch_at_proof(&fixture.batch));
    assert_int_equal(fixture.batch.proof.tick, 4);
    add_event(&fixture, EVENT_ROW, PARTITION, &op_alive, 1);
    assert_false(batch_at_proof(&fixture.batch));
    add_watermark(&fixture, 5, 1);
    assert_false(batch_at_proof(&fixture.batch));
    assert_int_equal(fixture.batch.proof.tick, 4);
    add_watermark(&fixture, 6, 0);
    assert_true(batch_at_proof(&fixture.batch));
    assert_int_equal(fixture.batch.proof.tick, 6);
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_applies_is_logged_as_it_was_received),
        cmocka_unit_test(test_L9_a_bad_op_is_dropped_and_not_the_row),
        cmocka_unit_test(test_a_row_of_bad_ops_takes_its_seq_and_is_not_logged),
        cmocka_unit_test(test_L9_a_set_that_cannot_be_applied_acts_as_set_null),
        cmocka_unit_test(test_F108_a_bad_nested_op_costs_only_that_op),
        cmocka_unit_test(test_a_chunk_is_a_barrier_that_is_logged_as_it_was_received),
        cmocka_unit_test(test_L9_bad_values_of_a_chunk_are_null_and_dead_letters),
        cmocka_unit_test(test_L9_a_chunk_of_bad_values_makes_one_small_dead_letter),
        cmocka_unit_test(test_a_chunk_that_could_not_be_read_is_not_logged),
        cmocka_unit_test(test_a_check_chunk_ends_its_batch_and_changes_nothing),
        cmocka_unit_test(test_a_bad_value_of_a_check_chunk_is_no_dead_letter),
        cmocka_unit_test(test_an_entity_of_another_shard_or_beyond_the_slots_is_a_dead_letter),
        cmocka_unit_test(
            test_F54_bytes_that_are_no_event_move_the_offset_and_the_next_seq_shows_the_gap),
        cmocka_unit_test(test_L2_with_on_gap_stop_an_event_after_a_gap_is_not_taken),
        cmocka_unit_test(test_F70_an_unknown_schema_leaves_the_batch_unchanged),
        cmocka_unit_test(test_duplicates_are_counted_and_not_logged),
        cmocka_unit_test(test_a_batch_is_full_after_batch_rows),
        cmocka_unit_test(test_L6_closing_a_batch_drops_overridden_ops),
        cmocka_unit_test(test_L8_replayed_payloads_give_the_same_index),
        cmocka_unit_test(test_a_payload_that_is_cut_is_refused),
        cmocka_unit_test(test_F113_logged_ops_that_cannot_be_applied_are_refused_with_their_byte),
        cmocka_unit_test(test_F54_events_without_ops_change_nothing),
        cmocka_unit_test(test_requests_take_a_seq_and_are_not_logged),
        cmocka_unit_test(test_an_answer_that_could_not_be_read_empties_its_fields),
        cmocka_unit_test(test_an_answer_without_fields_is_not_logged),
        cmocka_unit_test(test_a_comparison_of_nothing_is_not_logged),
        cmocka_unit_test(test_F12_the_end_of_a_load_says_whether_the_shard_was_covered),
        cmocka_unit_test(test_a_batch_ends_at_a_proof_and_not_in_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
