#include "tests/unit/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/event_fixture.h"
#include "tests/unit/random_input.h"

/* clang-format off */
#define CONTROL \
    .epoch = 1, .generation = 2, .tick = 17, .seq = 812, .source = {"main", 4}
#define NUMBERED(n) \
    .epoch = 1, .generation = 2, .tick = 3, .seq = (n), .source = {"main", 4}
#define CREATED .has_created_at = true, .created_at_us = 1764000000123456
#define TEXTS(...) LIST(struct text, __VA_ARGS__)
#define SLOTS(...) (const uint32_t[]){__VA_ARGS__}
#define NUMBERS(...) (const int64_t[]){__VA_ARGS__}
/* clang-format on */

enum { GOLDEN_COUNT = sizeof golden_events_2 / sizeof golden_events_2[0] };

static const struct chunk_column load_columns[] = {
    {.field = {"nsfwLevel", 9},
     .kind = CHUNK_INTEGERS,
     .count = 4,
     .slots = SLOTS(0, 0, 1, 70001),
     .integers = NUMBERS(INT64_MAX, INT64_MIN, 0, -64)},
    {.field = {"score", 5},
     .kind = CHUNK_FLOATS,
     .count = 2,
     .slots = SLOTS(7, 8),
     .floats = (const double[]){-0.5, 1e300}},
    {.field = {"poi", 3},
     .kind = CHUNK_BOOLEANS,
     .count = 2,
     .slots = SLOTS(3, 4),
     .integers = NUMBERS(1, 0)},
    {.field = {"name", 4},
     .kind = CHUNK_STRINGS,
     .count = 3,
     .slots = SLOTS(3, 4, 5),
     .integers = NUMBERS(1, 0, 1),
     .strings = (const struct text[]){{"", 0}, {"図", 3}},
     .string_count = 2},
    {.field = {"name", 4},
     .kind = CHUNK_INTEGERS,
     .count = 1,
     .slots = SLOTS(9),
     .integers = NUMBERS(300)},
};

static struct chunk load = {
    .purpose = CHUNK_LOAD,
    .job = 5,
    .end = 65536,
    .fields = (const struct text[]){{"nsfwLevel", 9}, {"score", 5}, {"poi", 3}, {"name", 4}},
    .field_count = 4,
    .states_alive = true,
    .alive = SLOTS(1, 3, UINT32_MAX),
    .alive_count = 3,
    .columns = load_columns,
    .column_count = 5,
};
static struct chunk refresh = {
    .purpose = CHUNK_REFRESH,
    .begin = 16,
    .end = CHUNK_NO_END,
    .has_slots = true,
    .slots = SLOTS(4, 7),
    .slot_count = 2,
    .states_alive = true,
    .answers = NUMBERS(1005, 1006),
    .answer_count = 2,
};
static struct chunk rejected_chunk = {
    .purpose = CHUNK_LOAD,
    .job = 5,
    .begin = 65536,
    .end = 65537,
    .fields = (const struct text[]){{"url", 3}},
    .field_count = 1,
    .rejected = {"too large", 9},
};
static const struct op pass_op = OP(OP_SET, "publishedAt", INTEGER(17));
static struct pass pass = {
    .job = 5,
    .entry = {"Post", 4},
    .part = 2,
    .is_last = true,
    .fields = (const struct text[]){{"publishedAt", 11}},
    .field_count = 1,
    .reads = (const struct text[]){{"postId", 6}},
    .read_count = 1,
    .fan_outs = OPS(
        {.kind = OP_FAN_OUT, .query = {"postId eq 5", 11}, .nested = &pass_op, .nested_count = 1}),
};
static struct sum sum = {
    .job = 6,
    .end = 65536,
    .has_point = true,
    .fields = (const struct sum_field[]){{{"", 0}, 2, -1, UINT64_MAX - 1},
                                         {{"url", 3}, 1, INT64_C(1) << 40, 3}},
    .field_count = 2,
};
static struct sum_point sum_point = {
    .job = 6,
    .end = 65536,
    .fields = (const struct text[]){{"", 0}, {"url", 3}},
    .field_count = 2,
};
static struct job_mark job_begin = {
    .kind = JOB_BEGIN,
    .job = 5,
    .end = CHUNK_NO_END,
    .states_alive = true,
    .fields = (const struct text[]){{"url", 3}},
    .field_count = 1,
    .dumps = (const struct job_dump[]){{.name = {"Image-0a1b2c3d", 14}, .table = {"Image", 5}}},
    .dump_count = 1,
};
static struct job_mark job_end = {
    .kind = JOB_END,
    .job = 5,
    .end = CHUNK_NO_END,
    .dumps =
        (const struct job_dump[]){{{"Image-0a1b2c3d", 14}, {"Image", 5}, 7, 300, {"no rows", 7}}},
    .dump_count = 1,
};
static struct voided voided = {
    .number = 2,
    .fields = (const struct text[]){{"", 0}, {"url", 3}},
    .field_count = 2,
    .reason = {"trigger dropped", 15},
};

/* Golden events of version 2 as structs, in the order of golden_events_2. */
static const struct event events[] = {
    {
        NUMBERED(1),
        CREATED,
        .kind = EVENT_ROW,
        .txid = 745,
        .row_id = 1001,
        .entity_id = 42,
        .ops = OPS(OP(OP_REMOVE, "nsfwLevel", INTEGER(8)), OP(OP_SET, "nsfwLevel", INTEGER(16)),
                   {.kind = OP_ALIVE}, OP(OP_ADD, "tagIds", INTEGER(7))),
    },
    {
        NUMBERED(300),
        CREATED,
        .kind = EVENT_ROW,
        .txid = UINT64_MAX,
        .row_id = INT64_C(1) << 40,
        .entity_id = INT64_MAX,
        .ops = OPS(OP(OP_SET, "url", {.kind = VALUE_NULL}), OP(OP_SET, "score", FLOAT(-0.5)),
                   OP(OP_SET, "poi", BOOLEAN(true)), OP(OP_SET, "name", STRING("naïve 図 🙂")),
                   OP(OP_SET, "tagIds", INTEGERS(1, -2, INT64_MAX, INT64_MIN)),
                   OP(OP_SET, "tools", STRINGS({"", 0}, {"a b", 3})),
                   OP(OP_SET, "none", {.kind = VALUE_INTEGERS}),
                   OP(OP_REMOVE, "tags", STRINGS({"x", 1})), OP(OP_ADD, "ids", INTEGERS(5))),
    },
    {
        .source = {"http:ops", 8},
        .kind = EVENT_ROW,
        .entity_id = 9,
        .ops = OPS(OP(OP_ADD, "flag", BOOLEAN(false)), OP(OP_ADD, "label", STRING("x"))),
    },
    {
        NUMBERED(4),
        CREATED,
        .kind = EVENT_FAN_OUT,
        .txid = UINT64_C(1) << 40,
        .row_id = 1003,
        .entity_id = -1,
        .ops = OPS({.kind = OP_FAN_OUT,
                    .query = {"postId eq 5", 11},
                    .nested = (const struct op[]){OP(OP_SET, "published", BOOLEAN(false)),
                                                  OP(OP_REMOVE, "tagIds", INTEGERS(3)),
                                                  OP(OP_ADD, "weight", FLOAT(1.25)),
                                                  {.kind = OP_DELETE}},
                    .nested_count = 4},
                   {.kind = OP_FAN_OUT, .query = {"userId in [1, 2] AND poi eq true", 32}}),
    },
    {
        NUMBERED(5),
        CREATED,
        .kind = EVENT_REJECTED,
        .txid = 747,
        .row_id = 1004,
        .entity_id = -7,
        .reason = {"ops[3].value: not a number", 26},
    },
    {
        NUMBERED(6),
        .kind = EVENT_ROW,
        .txid = 748,
        .row_id = 1005,
        .entity_id = 43,
        .ops = OPS({.kind = OP_REFRESH}, OP(OP_REFRESH, "", STRINGS({"url", 3}, {"tagIds", 6})),
                   OP(OP_REFRESH, "", {.kind = VALUE_STRINGS}),
                   OP(OP_REFRESH, "Image.postId", {.kind = VALUE_NULL})),
    },
    {
        NUMBERED(7),
        .kind = EVENT_PARENT_REFRESH,
        .txid = 749,
        .row_id = 1006,
        .entity_id = -3,
        .ops = OPS(OP(OP_REFRESH, "Post", INTEGER(INT64_C(1) << 40)),
                   OP(OP_REFRESH, "Model", STRING("naïve")),
                   OP(OP_REFRESH, "Image", {.kind = VALUE_BOOLEAN, .boolean = true})),
    },
    {
        .epoch = 1,
        .generation = 9,
        .source = {"main", 4},
        .kind = EVENT_MARK,
        .mark = {.kind = MARK_FENCE,
                 .topic_id = {"6f1c0f5e-3a53-4b0c-9a57-0d6a1d1f8c11", 36},
                 .digest = EVENT_DIGEST_START,
                 .clock_us = 1764000000000000,
                 .source_empty = true,
                 .partitions = 64},
    },
    {
        CONTROL,
        .kind = EVENT_MARK,
        .mark = {.kind = MARK_WATERMARK,
                 .topic_id = {"6f1c0f5e-3a53-4b0c-9a57-0d6a1d1f8c11", 36},
                 .digest = UINT64_C(81985529216486895),
                 .last_row_id = 1004,
                 .max_row_id = 2000,
                 .backlog_rows = 996,
                 .clock_us = 1764000001500000,
                 .snapshot = {"745:750:745,747", 15},
                 .partitions = INT32_MAX,
                 .has_content = true,
                 .content_digest = UINT64_MAX - 1,
                 .start_name = {"00112233445566ff", 16},
                 .fields = (const struct text[]){{"", 0}, {"nsfwLevel", 9}, {"tagIds", 6}},
                 .field_count = 3,
                 .owed = 3,
                 .voided = 2},
    },
    {CONTROL, .kind = EVENT_CHUNK, .chunk = &load},
    {CONTROL, .kind = EVENT_CHUNK, .chunk = &refresh},
    {CONTROL, .kind = EVENT_CHUNK, .chunk = &rejected_chunk},
    {CONTROL, .kind = EVENT_PASS, .pass = &pass},
    {CONTROL, .kind = EVENT_SUM, .sum = &sum},
    {CONTROL, .kind = EVENT_SUM_POINT, .sum_point = &sum_point},
    {CONTROL, .kind = EVENT_JOB, .job = &job_begin},
    {CONTROL, .kind = EVENT_JOB, .job = &job_end},
    {CONTROL, .kind = EVENT_VOIDED, .voided = &voided},
};

/* --- golden bytes --- */

static void
test_events_are_written_as_another_library_writes_them(void **state)
{
    struct event_fixture *fixture = *state;
    struct buffer golden;
    buffer_init(&golden);
    assert_int_equal(sizeof events / sizeof events[0], GOLDEN_COUNT);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        golden_bytes(&golden_events_2[i], &golden);
        buffer_clear(&fixture->bytes);
        assert_int_equal(event_encode(fixture->codec, &events[i], &fixture->bytes, &fixture->err),
                         0);
        if (fixture->bytes.bytes != golden.bytes ||
            memcmp(fixture->bytes.data, golden.data, golden.bytes) != 0)
            fail_msg("%s is written with other bytes", golden_events_2[i].name);
    }
    buffer_free(&golden);
}

static void
test_bytes_of_another_library_are_read(void **state)
{
    struct event_fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event;
        golden_bytes(&golden_events_2[i], &fixture->bytes);
        int rc = decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event);
        if (rc != 0 || !events_equal(&event, &events[i]))
            fail_msg("%s is read as another event (%d %s)", golden_events_2[i].name, rc,
                     fixture->err.message);
    }
}

static void
test_random_events_of_every_kind_survive_the_round_trip(void **state)
{
    struct event_fixture *fixture = *state;
    random_seed();
    for (int i = 0; i < 2000; i++) {
        for (enum event_kind kind = 0; kind < EVENT_KINDS; kind++) {
            arena_reset(&fixture->arena);
            struct event event = random_event_of(kind, &fixture->arena);
            struct event read;
            buffer_clear(&fixture->bytes);
            int rc = event_encode(fixture->codec, &event, &fixture->bytes, &fixture->err);
            if (rc == 0)
                rc = decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &read);
            if (rc != 0 || !events_equal(&event, &read))
                fail_msg("event %d of kind %d came back different (%d %s)", i, (int)kind, rc,
                         fixture->err.message);
        }
    }
}

static void
test_an_event_cut_anywhere_or_followed_by_bytes_is_refused(void **state)
{
    check_golden_cut(*state, golden_events_2, GOLDEN_COUNT);
}

static void
test_damage_is_refused_or_makes_another_event(void **state)
{
    check_golden_damage(*state, golden_events_2, GOLDEN_COUNT);
}

/* --- hostile bytes --- */

/* Epoch 1, generation 1, tick 0, seq 1, source "", no created_at; then a chunk of job 0, of the
 * entities below 32. */
#define CHUNK_HEAD             \
    "\x02\x02\x00\x02\x00\x00" \
    "\x0a\x00\x00\x00\x40"

static void
check_bytes_refused(struct event_fixture *fixture, const char *datum, size_t size,
                    const char *reason)
{
    struct event event;
    golden_bytes(&golden_events_2[0], &fixture->bytes);
    fixture->bytes.bytes = EVENT_HEADER_BYTES;
    buffer_append(&fixture->bytes, datum, size);
    arena_reset(&fixture->arena);
    int rc = decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event);
    if (rc != ERR_DATA || strstr(fixture->err.message, reason) == NULL)
        fail_msg("wanted \"%s\", got %d \"%s\"", reason, rc, fixture->err.message);
    assert_in_range(fixture->arena.used_bytes, 0, 2048);
}

#define CHECK_BYTES(fixture, datum, reason) \
    check_bytes_refused((fixture), (datum), sizeof(datum) - 1, (reason))

static void
test_hostile_chunks_are_refused_without_allocation(void **state)
{
    struct event_fixture *fixture = *state;
    /* slots: 2^32; 1, then less; 2^32 - 1, then more; a sum beyond 64 bits; more than bytes */
    CHECK_BYTES(fixture, CHUNK_HEAD "\x02\x02\x80\x80\x80\x80\x20\x00\x00\x00\x00\x00\x00\x00",
                "not ascending, or beyond");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x02\x04\x02\x01\x00\x00\x00\x00\x00\x00\x00",
                "not ascending, or beyond");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x02\x04\xfe\xff\xff\xff\x1f\x02\x00\x00\x00\x00\x00\x00\x00",
                "not ascending, or beyond");
    CHECK_BYTES(fixture,
                CHUNK_HEAD "\x02\x04\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00"
                           "\x00\x00\x00",
                "not ascending, or beyond");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x02\x80\x80\x80\x80\x02\x02\x00", "more items than bytes");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x02\x02\x80\x00\x00\x00\x00\x00\x00\x00\x00",
                "longer than necessary");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x02\x04\x02\x80", "ends inside a number");
    /* 2^28 fields; 2^28 columns; column "" of kind 4 */
    CHECK_BYTES(fixture, CHUNK_HEAD "\x00\x80\x80\x80\x80\x02\x00", "more items than bytes");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x00\x00\x00\x80\x80\x80\x80\x02\x00",
                "more items than bytes");
    CHECK_BYTES(fixture, CHUNK_HEAD "\x00\x02\x00\x00\x00\x02\x00\x08\x00\x00\x00\x00\x00\x00\x00",
                "unknown enum symbol");
    /* column "": one slot and no integer; one slot, one integer and one float */
    CHECK_BYTES(fixture,
                CHUNK_HEAD "\x00\x02\x00\x00\x00\x02\x00\x00\x02\x02\x00\x00\x00\x00\x00\x00\x00",
                "another number of values");
    CHECK_BYTES(fixture,
                CHUNK_HEAD "\x00\x02\x00\x00\x00\x02\x00\x00\x02\x02\x00\x02\x02\x00\x02"
                           "12345678\x00\x00\x00\x00\x00",
                "another number of values");
}

/* --- validity --- */

static void
check_not_written(struct event_fixture *fixture, const struct event *event, const char *reason)
{
    buffer_clear(&fixture->bytes);
    int rc = event_encode(fixture->codec, event, &fixture->bytes, &fixture->err);
    if (rc != ERR_DATA || strstr(fixture->err.message, reason) == NULL)
        fail_msg("wanted \"%s\", got %d \"%s\"", reason, rc, fixture->err.message);
    assert_int_equal(fixture->bytes.bytes, 0);
}

static void
check_chunk_not_written(struct event_fixture *fixture, struct chunk chunk, const char *reason)
{
    struct event event = {CONTROL, .kind = EVENT_CHUNK, .chunk = &chunk};
    check_not_written(fixture, &event, reason);
}

static void
check_column_not_written(struct event_fixture *fixture, struct chunk_column column,
                         const char *reason)
{
    struct chunk chunk = load;
    chunk.columns = &column;
    chunk.column_count = 1;
    check_chunk_not_written(fixture, chunk, reason);
}

static void
test_invalid_columns_are_not_written(void **state)
{
    struct event_fixture *fixture = *state;
    struct chunk_column column = load_columns[1];
    column.floats = (const double[]){0, NAN};
    check_column_not_written(fixture, column, "column \"score\": a value of a column is not a fin");
    column.floats = (const double[]){-INFINITY, 0};
    check_column_not_written(fixture, column, "finite");
    column = load_columns[2];
    column.integers = NUMBERS(1, 2);
    check_column_not_written(fixture, column, "not below 2");
    column.integers = NUMBERS(-1, 0);
    check_column_not_written(fixture, column, "not below 2");
    column.string_count = 1;
    check_column_not_written(fixture, column, "without strings");
    column = load_columns[3];
    column.integers = NUMBERS(0, 2, 1);
    check_column_not_written(fixture, column, "not below 2");
    column.slots = SLOTS(3, 5, 4);
    column.integers = NUMBERS(0, 0, 1);
    check_column_not_written(fixture, column, "not ascending");
    column = load_columns[0];
    column.kind = (enum chunk_values)4;
    check_column_not_written(fixture, column, "kind of column 4");
    column.kind = CHUNK_INTEGERS;
    column.field = TEXT("other");
    check_column_not_written(fixture, column, "no field of the chunk");
}

static void
test_invalid_chunks_are_not_written(void **state)
{
    struct event_fixture *fixture = *state;
    struct chunk chunk = load;
    chunk.alive = SLOTS(1, 3, 3);
    check_chunk_not_written(fixture, chunk, "alive of a chunk are not ascending");
    chunk = load;
    chunk.states_alive = false;
    check_chunk_not_written(fixture, chunk, "does not state");
    chunk = load;
    chunk.columns = (const struct chunk_column[]){load_columns[4], load_columns[4]};
    chunk.column_count = 2;
    check_chunk_not_written(fixture, chunk, "\"name\" comes twice");
    chunk = load;
    chunk.fields = (const struct text[]){{"name", 4}, {"url", 3}, {"poi", 3}, {"name", 4}};
    check_chunk_not_written(fixture, chunk, "\"name\" twice");
    chunk.field_count = EVENT_FIELDS_MAX + 1;
    check_chunk_not_written(fixture, chunk, "more than 1024");
    chunk = load;
    chunk.rejected = TEXT("why");
    check_chunk_not_written(fixture, chunk, "rejected chunk has values");
    chunk = load;
    chunk.end = chunk.begin;
    check_chunk_not_written(fixture, chunk, "empty");
    chunk = load;
    chunk.purpose = (enum chunk_purpose)3;
    check_chunk_not_written(fixture, chunk, "purpose of a chunk 3");
    chunk = refresh;
    chunk.slots = SLOTS(7, 4);
    check_chunk_not_written(fixture, chunk, "slots of a chunk are not ascending");
    chunk = refresh;
    chunk.alive = SLOTS(4, 5);
    chunk.alive_count = 2;
    check_chunk_not_written(fixture, chunk, "slot 5 is not one of the chunk");
    chunk = load;
    chunk.has_slots = true;
    chunk.slots = SLOTS(1, 3, UINT32_MAX);
    chunk.slot_count = 3;
    check_chunk_not_written(fixture, chunk, "slot 0 is not one of the chunk");
}

static void
check_op_not_written(struct event_fixture *fixture, enum event_kind kind, struct op op,
                     const char *reason)
{
    struct event event = events[0];
    event.kind = kind;
    event.ops = (struct ops){&op, 1};
    check_not_written(fixture, &event, reason);
}

static void
test_invalid_requests_are_not_written(void **state)
{
    struct event_fixture *fixture = *state;
    const struct op child = OP(OP_REFRESH, "Image", {.kind = VALUE_NULL});
    const struct op nested = {
        .kind = OP_FAN_OUT, .query = TEXT("a eq 1"), .nested = &child, .nested_count = 1};
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_REFRESH, "Image", INTEGER(1)),
                         "neither an entry nor");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_REFRESH, "", INTEGER(1)),
                         "neither an entry nor");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_REFRESH, "e", STRINGS({"a", 1})),
                         "neither an entry nor");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_REFRESH, "\xff", {.kind = 0}),
                         "name of an entry is not UTF-8");
    check_op_not_written(fixture, EVENT_FAN_OUT, nested, "not allowed");
    check_op_not_written(fixture, EVENT_PARENT_REFRESH, child, "not a request with an entry");
    check_op_not_written(fixture, EVENT_PARENT_REFRESH, (struct op)OP(OP_REFRESH, "", INTEGER(1)),
                         "not a request with an entry");
    check_op_not_written(fixture, EVENT_PARENT_REFRESH,
                         (struct op)OP(OP_REFRESH, "e", {.kind = VALUE_BOOLEAN, .boolean = false}),
                         "not a request with an entry");
    check_op_not_written(fixture, EVENT_PARENT_REFRESH, (struct op)OP(OP_SET, "a", INTEGER(1)),
                         "not a request with an entry");
}

static void
test_invalid_control_events_are_not_written(void **state)
{
    struct event_fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event = events[i];
        if (event_kind_is_numbered(event.kind))
            continue;
        event.generation = event.seq = 0;
        check_not_written(fixture, &event, "no epoch or generation");
    }
    struct event event = events[8];
    event.mark.owed = -1;
    check_not_written(fixture, &event, "less than nothing");
    event.mark.owed = 0;
    event.mark.field_count = EVENT_FIELDS_MAX + 1;
    check_not_written(fixture, &event, "more than 1024");
    struct pass bad_pass = pass;
    event = (struct event){CONTROL, .kind = EVENT_PASS, .pass = &bad_pass};
    bad_pass.part = -1;
    check_not_written(fixture, &event, "negative");
    bad_pass = pass;
    bad_pass.fan_outs = (struct ops){&pass_op, 1};
    check_not_written(fixture, &event, "not a fan-out");
    struct job_mark bad_job = job_end;
    event = (struct event){CONTROL, .kind = EVENT_JOB, .job = &bad_job};
    bad_job.kind = (enum job_mark_kind)2;
    check_not_written(fixture, &event, "mark of a job 2");
    struct sum bad_sum = sum;
    event = (struct event){CONTROL, .kind = EVENT_SUM, .sum = &bad_sum};
    bad_sum.begin = bad_sum.end;
    check_not_written(fixture, &event, "empty");
    struct voided bad_voided = voided;
    event = (struct event){CONTROL, .kind = EVENT_VOIDED, .voided = &bad_voided};
    bad_voided.number = 0;
    check_not_written(fixture, &event, "no number");
}

/* --- size --- */

/* Numbers of a chunk do not count against EVENT_ITEMS_MAX, and take little memory. */
static void
test_a_chunk_may_have_more_numbers_than_an_event_has_items(void **state)
{
    enum { COUNT = 3 * EVENT_ITEMS_MAX };
    struct event_fixture *fixture = *state;
    uint32_t *slots = memory_alloc(COUNT * sizeof *slots);
    int64_t *integers = memory_alloc(COUNT * sizeof *integers);
    for (uint32_t i = 0; i < COUNT; i++) {
        slots[i] = i / 20;
        integers[i] = i % 20 * 1000;
    }
    struct chunk_column column = load_columns[0];
    column.count = COUNT;
    column.slots = slots;
    column.integers = integers;
    struct chunk chunk = load;
    chunk.columns = &column;
    chunk.column_count = 1;
    const struct event event = {CONTROL, .kind = EVENT_CHUNK, .chunk = &chunk};
    struct event read;
    assert_int_equal(event_encode(fixture->codec, &event, &fixture->bytes, &fixture->err), 0);
    assert_in_range(fixture->bytes.bytes, COUNT, 4 * COUNT);
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &read), 0);
    assert_true(events_equal(&event, &read));
    assert_in_range(fixture->arena.used_bytes, 12 * COUNT, 12 * COUNT + 4096);
    free(slots);
    free(integers);
}

/* Two events differ in content when their row id, their txid or their body differs. */
static void
test_content_digest_depends_on_row_id_txid_and_body(void **state)
{
    (void)state;
    uint64_t digest = event_content_next(EVENT_DIGEST_START, 1, 2, 3);
    assert_true(digest != event_content_next(EVENT_DIGEST_START, 2, 2, 3));
    assert_true(digest != event_content_next(EVENT_DIGEST_START, 1, 3, 3));
    assert_true(digest != event_content_next(EVENT_DIGEST_START, 1, 2, 2));
    assert_true(digest != event_content_next(EVENT_DIGEST_START + 1, 1, 2, 3));
    /* Computed independently of this code. */
    assert_true(digest == UINT64_C(0x0c07b167c3203d34));
    assert_true(event_content_next(digest, INT64_MAX, UINT64_MAX, UINT32_MAX) ==
                UINT64_C(0xa367452a6abd0cad));
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, event_fixture_setup, event_fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events_are_written_as_another_library_writes_them),
        TEST(test_bytes_of_another_library_are_read),
        TEST(test_random_events_of_every_kind_survive_the_round_trip),
        TEST(test_an_event_cut_anywhere_or_followed_by_bytes_is_refused),
        TEST(test_damage_is_refused_or_makes_another_event),
        TEST(test_hostile_chunks_are_refused_without_allocation),
        TEST(test_invalid_columns_are_not_written),
        TEST(test_invalid_chunks_are_not_written),
        TEST(test_invalid_requests_are_not_written),
        TEST(test_invalid_control_events_are_not_written),
        TEST(test_a_chunk_may_have_more_numbers_than_an_event_has_items),
        TEST(test_content_digest_depends_on_row_id_txid_and_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
