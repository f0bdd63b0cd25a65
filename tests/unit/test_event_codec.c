#include "tests/unit/unit_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/event_codec.h"
#include "common/files/crc32c.h"
#include "tests/unit/event_fixture.h"
#include "tests/unit/random_input.h"

enum { GOLDEN_COUNT = sizeof golden_events_1 / sizeof golden_events_1[0] };

/* Golden events of version 1 as structs, in the order of golden_events_1. */
static const struct event events[] = {
    {
        .epoch = 1,
        .generation = 2,
        .tick = 3,
        .seq = 1,
        .source = {"main", 4},
        .has_created_at = true,
        .created_at_us = 1764000000123456,
        .kind = EVENT_ROW,
        .row_id = 1001,
        .entity_id = 42,
        .ops = OPS(OP(OP_REMOVE, "nsfwLevel", INTEGER(8)), OP(OP_SET, "nsfwLevel", INTEGER(16)),
                   {.kind = OP_ALIVE}, OP(OP_ADD, "tagIds", INTEGER(7))),
    },
    {
        .epoch = 1,
        .generation = 2,
        .tick = 3,
        .seq = 300,
        .source = {"main", 4},
        .has_created_at = true,
        .created_at_us = 1764000000123456,
        .kind = EVENT_ROW,
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
        .epoch = 1,
        .generation = 2,
        .tick = 3,
        .seq = 2,
        .source = {"main", 4},
        .has_created_at = true,
        .created_at_us = 1764000000123456,
        .kind = EVENT_ROW,
        .row_id = 1002,
        .entity_id = 0,
        .ops = OPS({.kind = OP_DELETE}),
    },
    {
        .source = {"http:ops", 8},
        .kind = EVENT_ROW,
        .entity_id = 9,
        .ops = OPS(OP(OP_ADD, "flag", BOOLEAN(false)), OP(OP_ADD, "label", STRING("x"))),
    },
    {
        .epoch = 1,
        .generation = 2,
        .tick = 3,
        .seq = 4,
        .source = {"main", 4},
        .has_created_at = true,
        .created_at_us = 1764000000123456,
        .kind = EVENT_FAN_OUT,
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
        .epoch = 1,
        .generation = 2,
        .tick = 3,
        .seq = 5,
        .source = {"main", 4},
        .has_created_at = true,
        .created_at_us = 1764000000123456,
        .kind = EVENT_REJECTED,
        .row_id = 1004,
        .entity_id = -7,
        .reason = {"ops[3].value: not a number", 26},
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
        .epoch = 1,
        .generation = 2,
        .tick = 17,
        .seq = 812,
        .source = {"main", 4},
        .kind = EVENT_MARK,
        .mark = {.kind = MARK_WATERMARK,
                 .topic_id = {"6f1c0f5e-3a53-4b0c-9a57-0d6a1d1f8c11", 36},
                 .digest = UINT64_C(81985529216486895),
                 .last_row_id = 1004,
                 .max_row_id = 2000,
                 .backlog_rows = 996,
                 .clock_us = 1764000001500000,
                 .snapshot = {"745:750:745,747", 15},
                 .partitions = INT32_MAX},
    },
};

/* --- golden bytes --- */

/* Version 1's bytes of a body are version 2's for ever: a window that version 1 began is sent again
 * by version 2, and events of both versions have the same content. The txid, 0, comes after it. */
static void
test_numbered_events_of_version_1_keep_their_bytes(void **state)
{
    struct event_fixture *fixture = *state;
    struct buffer golden;
    buffer_init(&golden);
    assert_int_equal(sizeof events / sizeof events[0], GOLDEN_COUNT);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        if (!event_kind_is_numbered(events[i].kind))
            continue;
        golden_bytes(&golden_events_1[i], &golden);
        buffer_append(&golden, "", 1);
        buffer_clear(&fixture->bytes);
        assert_int_equal(event_encode(fixture->codec, &events[i], &fixture->bytes, &fixture->err),
                         0);
        if (fixture->bytes.bytes != golden.bytes ||
            memcmp(fixture->bytes.data + EVENT_HEADER_BYTES, golden.data + EVENT_HEADER_BYTES,
                   golden.bytes - EVENT_HEADER_BYTES) != 0)
            fail_msg("%s is written with other bytes", golden_events_1[i].name);
    }
    buffer_free(&golden);
}

static void
test_the_crc_of_a_body_is_the_same_in_all_versions_and_both_ways(void **state)
{
    struct event_fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event = {.body_crc = 1};
        uint32_t written = 2;
        if (!event_kind_is_numbered(events[i].kind))
            continue;
        golden_bytes(&golden_events_1[i], &fixture->bytes);
        assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                         0);
        uint32_t read_of_version_1 = event.body_crc;
        buffer_clear(&fixture->bytes);
        event.txid = 1 + i;
        assert_int_equal(
            event_encode_body(fixture->codec, &event, &fixture->bytes, &written, &fixture->err), 0);
        assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                         0);
        assert_true(written == read_of_version_1 && written == event.body_crc);
    }
    /* The bytes after the 18 of the head, computed independently of this code. */
    golden_bytes(&golden_events_1[0], &fixture->bytes);
    assert_true(crc32c(0, fixture->bytes.data + EVENT_HEADER_BYTES + 18,
                       fixture->bytes.bytes - EVENT_HEADER_BYTES - 18) == UINT32_C(0x0b9a21ed));
}

static void
test_bytes_of_another_library_are_read(void **state)
{
    struct event_fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event;
        golden_bytes(&golden_events_1[i], &fixture->bytes);
        int rc = event_decode(fixture->codec, fixture->bytes.data, fixture->bytes.bytes,
                              &fixture->arena, &event, &fixture->err);
        if (rc != 0 || !events_equal(&event, &events[i]))
            fail_msg("%s is read as another event (%d %s)", golden_events_1[i].name, rc,
                     fixture->err.message);
    }
}

static void
test_a_decoded_event_outlives_its_bytes_and_the_next_message(void **state)
{
    struct event_fixture *fixture = *state;
    struct event read[GOLDEN_COUNT];
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        golden_bytes(&golden_events_1[i], &fixture->bytes);
        assert_int_equal(event_decode(fixture->codec, fixture->bytes.data, fixture->bytes.bytes,
                                      &fixture->arena, &read[i], &fixture->err),
                         0);
        memset(fixture->bytes.data, 0xee, fixture->bytes.bytes);
    }
    for (size_t i = 0; i < GOLDEN_COUNT; i++)
        assert_true(events_equal(&read[i], &events[i]));
}

/* --- random events --- */

static void
test_random_events_survive_the_round_trip(void **state)
{
    struct event_fixture *fixture = *state;
    random_seed();
    for (int i = 0; i < 20000; i++) {
        arena_reset(&fixture->arena);
        struct event event = random_event(&fixture->arena);
        struct event read;
        buffer_clear(&fixture->bytes);
        int rc = event_encode(fixture->codec, &event, &fixture->bytes, &fixture->err);
        if (rc == 0)
            rc = event_decode(fixture->codec, fixture->bytes.data, fixture->bytes.bytes,
                              &fixture->arena, &read, &fixture->err);
        if (rc != 0 || !events_equal(&event, &read))
            fail_msg("event %d came back different (%d %s)", i, rc, fixture->err.message);
    }
}

/* --- damage --- */

static void
test_an_event_cut_anywhere_or_followed_by_bytes_is_refused(void **state)
{
    check_golden_cut(*state, golden_events_1, GOLDEN_COUNT);
}

static void
test_damage_is_refused_or_makes_another_event(void **state)
{
    check_golden_damage(*state, golden_events_1, GOLDEN_COUNT);
}

/* Makes a message: the header, then `datum`. */
static void
frame(struct event_fixture *fixture, const char *datum, size_t size)
{
    golden_bytes(&golden_events_1[0], &fixture->bytes);
    fixture->bytes.bytes = EVENT_HEADER_BYTES;
    buffer_append(&fixture->bytes, datum, size);
}

#define HEAD \
    "\x02\x02\x00\x02\x00\x00" /* epoch 1, generation 1, tick 0, seq 1, source "", no created_at \
                                */
#define FRAME(fixture, datum) frame((fixture), (datum), sizeof(datum) - 1)

static void
check_refused_without_allocation(struct event_fixture *fixture)
{
    struct event event;
    arena_reset(&fixture->arena);
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_in_range(fixture->arena.used_bytes, 0, 16); /* the source, which comes first */
}

static void
test_hostile_lengths_are_refused_without_allocation(void **state)
{
    struct event_fixture *fixture = *state;
    /* source of 2^33 bytes; of -1 */
    FRAME(fixture, "\x02\x02\x00\x02\x80\x80\x80\x80\x40");
    check_refused_without_allocation(fixture);
    FRAME(fixture, "\x02\x02\x00\x02\x01");
    check_refused_without_allocation(fixture);
    /* row with 2^28 ops; the same as a sized block */
    FRAME(fixture, HEAD "\x00\x02\x02\x80\x80\x80\x80\x02\x06\x00");
    check_refused_without_allocation(fixture);
    FRAME(fixture, HEAD "\x00\x02\x02\xff\xff\xff\xff\x01\x02\x06\x00");
    check_refused_without_allocation(fixture);
    /* fan-out with 2^62 fan-outs; body branch 4; rejected with a reason of 2^33 bytes */
    FRAME(fixture, HEAD "\x02\x02\x02\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00");
    check_refused_without_allocation(fixture);
    FRAME(fixture, HEAD "\x08\x02\x02\x00");
    check_refused_without_allocation(fixture);
    FRAME(fixture, HEAD "\x04\x02\x02\x80\x80\x80\x80\x40");
    check_refused_without_allocation(fixture);
}

/* A row with `count` times the op `alive`, which takes one byte. */
static void
frame_many_ops(struct event_fixture *fixture, uint32_t count)
{
    FRAME(fixture, HEAD "\x00\x02\x02");
    uint64_t zigzag = (uint64_t)count << 1;
    for (; zigzag >= 0x80; zigzag >>= 7)
        buffer_append(&fixture->bytes, &(uint8_t){(uint8_t)(zigzag | 0x80)}, 1);
    buffer_append(&fixture->bytes, &(uint8_t){(uint8_t)zigzag}, 1);
    memset(buffer_reserve(&fixture->bytes, count + 1), 0x06, count);
    fixture->bytes.bytes += count;
    buffer_append(&fixture->bytes, "", 1);
}

static void
test_more_ops_than_the_limit_are_refused_both_ways(void **state)
{
    struct event_fixture *fixture = *state;
    struct event event;
    frame_many_ops(fixture, EVENT_ITEMS_MAX);
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event), 0);
    assert_int_equal(event.ops.count, EVENT_ITEMS_MAX);
    buffer_clear(&fixture->bytes);
    assert_int_equal(event_encode(fixture->codec, &event, &fixture->bytes, &fixture->err), 0);
    frame_many_ops(fixture, EVENT_ITEMS_MAX + 1);
    check_refused_without_allocation(fixture);

    struct op *ops = memory_zalloc((EVENT_ITEMS_MAX + 1) * sizeof *ops);
    for (uint32_t i = 0; i <= EVENT_ITEMS_MAX; i++)
        ops[i].kind = OP_ALIVE;
    event = (struct event){.kind = EVENT_ROW, .ops = {ops, EVENT_ITEMS_MAX + 1}};
    assert_int_equal(event_encode(fixture->codec, &event, &fixture->bytes, &fixture->err),
                     ERR_DATA);
    free(ops);
}

static void
test_sized_array_blocks_are_read(void **state)
{
    struct event_fixture *fixture = *state;
    struct event event;
    FRAME(fixture, HEAD "\x00\x02\x02\x03\x04\x06\x08\x02\x06\x00");
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event), 0);
    assert_int_equal(event.ops.count, 3);
    assert_int_equal(event.ops.items[1].kind, OP_DELETE);
    assert_int_equal(event.ops.items[2].kind, OP_ALIVE);
}

static void
test_arrays_of_many_blocks_are_read(void **state)
{
    enum { BLOCKS = 1000 };
    struct event_fixture *fixture = *state;
    struct event event;
    /* a row of one op: set "" to as many integers, each in a block of its own */
    FRAME(fixture, HEAD "\x00\x02\x02\x02\x00\x00\x0a");
    for (int i = 0; i < BLOCKS; i++)
        buffer_append(&fixture->bytes, (const char[]){2, (char)(i % 64 * 2)}, 2);
    buffer_append(&fixture->bytes, "\x00\x00", 2);
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event), 0);
    const struct value *value = &event.ops.items[0].value;
    assert_int_equal(value->integers.count, BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        assert_int_equal(value->integers.items[i], i % 64);
    assert_in_range(fixture->arena.used_bytes, 1, 4 * BLOCKS * sizeof(int64_t));
}

static void
test_F70_an_unknown_schema_may_become_known_later(void **state)
{
    struct event_fixture *fixture = *state;
    for (size_t i = 2; i < EVENT_HEADER_BYTES; i++) {
        struct event event;
        golden_bytes(&golden_events_1[0], &fixture->bytes);
        fixture->bytes.data[i] ^= 0x10;
        assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                         ERR_RETRY);
        assert_int_equal(decode_exactly(fixture, fixture->bytes.data, EVENT_HEADER_BYTES, &event),
                         ERR_RETRY);
    }
}

static void
test_a_message_without_the_framing_is_refused(void **state)
{
    struct event_fixture *fixture = *state;
    struct event event;
    golden_bytes(&golden_events_1[0], &fixture->bytes);
    fixture->bytes.data[0] = 0x00;
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    golden_bytes(&golden_events_1[0], &fixture->bytes);
    fixture->bytes.data[1] = 0x02;
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_int_equal(event_decode(fixture->codec, NULL, 0, &fixture->arena, &event, &fixture->err),
                     ERR_DATA);
}

/* --- validity --- */

static void
check_not_written(struct event_fixture *fixture, const struct event *event, const char *reason)
{
    buffer_clear(&fixture->bytes);
    buffer_append_text(&fixture->bytes, "before");
    int rc = event_encode(fixture->codec, event, &fixture->bytes, &fixture->err);
    if (rc != ERR_DATA || strstr(fixture->err.message, reason) == NULL)
        fail_msg("wanted \"%s\", got %d \"%s\"", reason, rc, fixture->err.message);
    assert_int_equal(fixture->bytes.bytes, 6);
    assert_memory_equal(fixture->bytes.data, "before", 6);
    /* The codec still works. */
    assert_int_equal(event_encode(fixture->codec, &events[0], &fixture->bytes, &fixture->err), 0);
}

static void
check_op_not_written(struct event_fixture *fixture, enum event_kind kind, struct op op,
                     const char *reason)
{
    struct event event = events[0];
    event.kind = kind;
    event.ops = (struct ops){(const struct op[]){{.kind = OP_ALIVE}, op}, 2};
    if (kind == EVENT_FAN_OUT)
        event.ops = (struct ops){&op, 1};
    check_not_written(fixture, &event, reason);
}

static void
test_invalid_ops_are_not_written(void **state)
{
    struct event_fixture *fixture = *state;
    const struct op alive = {.kind = OP_ALIVE};
    const struct op bad_text = OP(OP_SET, "f", STRING("\xff"));
    const struct op fan_out_alive = {
        .kind = OP_FAN_OUT, .query = TEXT("a eq 1"), .nested = &alive, .nested_count = 1};
    const struct op fan_out_text = {.kind = OP_FAN_OUT, .query = TEXT("a\0"), .nested_count = 0};
    const struct op fan_out_nested = {
        .kind = OP_FAN_OUT, .query = TEXT("a eq 1"), .nested = &fan_out_text, .nested_count = 1};
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_SET, "f", FLOAT(NAN)), "finite");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_ADD, "f", FLOAT(-INFINITY)),
                         "finite");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_REMOVE, "f", {.kind = VALUE_NULL}),
                         "only be set");
    check_op_not_written(fixture, EVENT_ROW,
                         (struct op)OP(OP_SET, "f", {.kind = (enum value_kind)7}), "kind 7");
    check_op_not_written(fixture, EVENT_ROW, bad_text, "op 1: a string is not UTF-8");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_SET, "f", STRINGS({"\xff", 1})),
                         "not UTF-8");
    check_op_not_written(fixture, EVENT_ROW, (struct op)OP(OP_SET, "f\0", INTEGER(1)),
                         "name of a field");
    check_op_not_written(fixture, EVENT_ROW, fan_out_text, "not allowed");
    check_op_not_written(fixture, EVENT_ROW, (struct op){.kind = (enum op_kind)9}, "not allowed");
    check_op_not_written(fixture, EVENT_FAN_OUT, alive, "not a fan-out");
    check_op_not_written(fixture, EVENT_FAN_OUT, fan_out_alive, "not allowed");
    check_op_not_written(fixture, EVENT_FAN_OUT, fan_out_nested, "not allowed");
    check_op_not_written(fixture, EVENT_FAN_OUT, fan_out_text, "the query is not UTF-8");
}

static void
test_invalid_headers_and_marks_are_not_written(void **state)
{
    struct event_fixture *fixture = *state;
    struct event event;
    int64_t *const numbers[] = {&event.epoch, &event.generation, &event.tick, &event.seq};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        event = events[0];
        *numbers[i] = -1;
        check_not_written(fixture, &event, "negative");
    }
    event = events[0];
    event.epoch = 0;
    check_not_written(fixture, &event, "no epoch");
    event = events[6];
    event.mark.partitions = 0;
    check_not_written(fixture, &event, "0 partitions");
    event = events[6];
    event.generation = 0;
    check_not_written(fixture, &event, "has no epoch");
    event = events[6];
    event.mark.snapshot = TEXT("\x80");
    check_not_written(fixture, &event, "snapshot is not UTF-8");
    event = events[6];
    event.mark.kind = (enum mark_kind)2;
    check_not_written(fixture, &event, "kind of mark 2");
    event = events[5];
    event.kind = EVENT_KINDS;
    check_not_written(fixture, &event, "unknown kind of event 11");
    event = events[5];
    event.source = TEXT("\xc0\x80");
    check_not_written(fixture, &event, "source is not UTF-8");
}

static void
test_invalid_events_are_not_read(void **state)
{
    struct event_fixture *fixture = *state;
    struct event event;
    /* epoch 0 with seq 1; seq -1; set "" to NaN */
    FRAME(fixture, "\x00\x02\x00\x02\x00\x00\x04\x00\x00\x00");
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_non_null(strstr(fixture->err.message, "no epoch"));
    FRAME(fixture, "\x02\x02\x00\x01\x00\x00\x04\x00\x00\x00");
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_non_null(strstr(fixture->err.message, "negative"));
    FRAME(fixture, HEAD "\x00\x02\x02\x02\x00\x00\x04\x00\x00\x00\x00\x00\x00\xf8\x7f\x00");
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_non_null(strstr(fixture->err.message, "finite"));
}

/* --- memory --- */

static void
test_events_are_appended_and_large_ones_make_room(void **state)
{
    struct event_fixture *fixture = *state;
    size_t bytes = 100000;
    char *reason = memory_alloc(bytes);
    memset(reason, 'x', bytes);
    struct event large = events[5];
    large.reason = (struct text){reason, bytes};
    assert_int_equal(event_encode(fixture->codec, &events[0], &fixture->bytes, &fixture->err), 0);
    size_t first_bytes = fixture->bytes.bytes;
    assert_int_equal(event_encode(fixture->codec, &large, &fixture->bytes, &fixture->err), 0);
    struct event read;
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, first_bytes, &read), 0);
    assert_true(events_equal(&read, &events[0]));
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data + first_bytes,
                                    fixture->bytes.bytes - first_bytes, &read),
                     0);
    assert_true(events_equal(&read, &large));
    free(reason);
}

/* FNV-1a of "abcdefgh", of 8 bytes of which the last is 0xfe, and of both in a row, computed
 * independently of this code. */
static void
test_digest_is_fnv_1a_over_eight_big_endian_bytes(void **state)
{
    (void)state;
    assert_true(event_digest_next(EVENT_DIGEST_START, 0x6162636465666768) ==
                UINT64_C(0x25da8c1836a8d66d));
    assert_true(event_digest_next(EVENT_DIGEST_START, -2) == UINT64_C(0x8cf5198bfca3868a));
    uint64_t digest = event_digest_next(EVENT_DIGEST_START, 1);
    assert_true(event_digest_next(digest, 2) == UINT64_C(0xf4b5c85bcc646aec));
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, event_fixture_setup, event_fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbered_events_of_version_1_keep_their_bytes),
        TEST(test_the_crc_of_a_body_is_the_same_in_all_versions_and_both_ways),
        TEST(test_bytes_of_another_library_are_read),
        TEST(test_a_decoded_event_outlives_its_bytes_and_the_next_message),
        TEST(test_random_events_survive_the_round_trip),
        TEST(test_an_event_cut_anywhere_or_followed_by_bytes_is_refused),
        TEST(test_damage_is_refused_or_makes_another_event),
        TEST(test_hostile_lengths_are_refused_without_allocation),
        TEST(test_more_ops_than_the_limit_are_refused_both_ways),
        TEST(test_sized_array_blocks_are_read),
        TEST(test_arrays_of_many_blocks_are_read),
        TEST(test_F70_an_unknown_schema_may_become_known_later),
        TEST(test_a_message_without_the_framing_is_refused),
        TEST(test_invalid_ops_are_not_written),
        TEST(test_invalid_headers_and_marks_are_not_written),
        TEST(test_invalid_events_are_not_read),
        TEST(test_events_are_appended_and_large_ones_make_room),
        TEST(test_digest_is_fnv_1a_over_eight_big_endian_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
