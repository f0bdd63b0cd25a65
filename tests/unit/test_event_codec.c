#include "tests/unit/unit_test.h"

#include <avro.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/event_codec.h"
#include "tests/unit/golden_events.h"
#include "tests/unit/random_input.h"

enum { GOLDEN_COUNT = sizeof golden_events / sizeof golden_events[0] };

/* clang-format off */
#define LIST(type, ...) \
    (const type[]){__VA_ARGS__}, sizeof((const type[]){__VA_ARGS__}) / sizeof(type)
#define OPS(...) {LIST(struct op, __VA_ARGS__)}
#define INTEGER(n) {.kind = VALUE_INTEGER, .integer = (n)}
#define FLOAT(n) {.kind = VALUE_FLOAT, .real = (n)}
#define BOOLEAN(b) {.kind = VALUE_BOOLEAN, .boolean = (b)}
#define STRING(s) {.kind = VALUE_STRING, .string = {(s), sizeof(s) - 1}}
#define INTEGERS(...) {.kind = VALUE_INTEGERS, .integers = {LIST(int64_t, __VA_ARGS__)}}
#define STRINGS(...) {.kind = VALUE_STRINGS, .strings = {LIST(struct text, __VA_ARGS__)}}
#define OP(op, name, ...) \
    {.kind = (op), .field = {(name), sizeof(name) - 1}, .value = __VA_ARGS__}
/* clang-format on */

/* Golden events as structs, in the order of golden_events. */
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

struct fixture {
    struct event_codec *codec;
    struct arena arena;
    struct buffer bytes;
    struct error err;
};

/* How much avro-c has allocated now, and how much in total. */
static size_t avro_live_bytes;
static size_t avro_asked_bytes;

static void *
counting_allocator(void *user_data, void *old, size_t old_bytes, size_t new_bytes)
{
    (void)user_data;
    avro_live_bytes += new_bytes - old_bytes;
    avro_asked_bytes += new_bytes;
    if (new_bytes > 0)
        return realloc(old, new_bytes);
    free(old);
    return NULL;
}

static int
setup(void **state)
{
    struct fixture *fixture = memory_zalloc(sizeof *fixture);
    arena_init(&fixture->arena);
    buffer_init(&fixture->bytes);
    *state = fixture;
    return event_codec_create(&fixture->codec, &fixture->err);
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;
    event_codec_destroy(fixture->codec);
    arena_free(&fixture->arena);
    buffer_free(&fixture->bytes);
    free(fixture);
    return 0;
}

/* --- comparing --- */

static bool
values_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_INTEGER:
        return a->integer == b->integer;
    case VALUE_FLOAT:
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case VALUE_BOOLEAN:
        return a->boolean == b->boolean;
    case VALUE_STRING:
        return text_equal(a->string, b->string);
    case VALUE_INTEGERS:
        return a->integers.count == b->integers.count &&
               (a->integers.count == 0 || memcmp(a->integers.items, b->integers.items,
                                                 a->integers.count * sizeof(int64_t)) == 0);
    case VALUE_STRINGS:
        if (a->strings.count != b->strings.count)
            return false;
        for (uint32_t i = 0; i < a->strings.count; i++)
            if (!text_equal(a->strings.items[i], b->strings.items[i]))
                return false;
        return true;
    }
    return false;
}

static bool
ops_equal(const struct op *a, uint32_t a_count, const struct op *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].kind != b[i].kind || !text_equal(a[i].field, b[i].field) ||
            !text_equal(a[i].query, b[i].query) || !values_equal(&a[i].value, &b[i].value) ||
            !ops_equal(a[i].nested, a[i].nested_count, b[i].nested, b[i].nested_count))
            return false;
    }
    return true;
}

static bool
marks_equal(const struct mark *a, const struct mark *b)
{
    return a->kind == b->kind && text_equal(a->topic_id, b->topic_id) && a->digest == b->digest &&
           a->last_row_id == b->last_row_id && a->max_row_id == b->max_row_id &&
           a->backlog_rows == b->backlog_rows && a->clock_us == b->clock_us &&
           text_equal(a->snapshot, b->snapshot) && a->source_empty == b->source_empty &&
           a->partitions == b->partitions;
}

static bool
events_equal(const struct event *a, const struct event *b)
{
    return a->epoch == b->epoch && a->generation == b->generation && a->tick == b->tick &&
           a->seq == b->seq && text_equal(a->source, b->source) &&
           a->has_created_at == b->has_created_at && a->created_at_us == b->created_at_us &&
           a->kind == b->kind && a->row_id == b->row_id && a->entity_id == b->entity_id &&
           ops_equal(a->ops.items, a->ops.count, b->ops.items, b->ops.count) &&
           text_equal(a->reason, b->reason) && marks_equal(&a->mark, &b->mark);
}

/* --- golden bytes --- */

static int
hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void
golden_bytes(size_t i, struct buffer *out)
{
    buffer_clear(out);
    for (const char *at = golden_events[i].hex; *at != '\0'; at += 2) {
        uint8_t byte = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
        buffer_append(out, &byte, 1);
    }
}

static void
test_events_are_written_as_another_library_writes_them(void **state)
{
    struct fixture *fixture = *state;
    struct buffer golden;
    buffer_init(&golden);
    assert_int_equal(sizeof events / sizeof events[0], GOLDEN_COUNT);
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        golden_bytes(i, &golden);
        buffer_clear(&fixture->bytes);
        assert_int_equal(event_encode(fixture->codec, &events[i], &fixture->bytes, &fixture->err),
                         0);
        if (fixture->bytes.bytes != golden.bytes ||
            memcmp(fixture->bytes.data, golden.data, golden.bytes) != 0)
            fail_msg("%s is written with other bytes", golden_events[i].name);
    }
    buffer_free(&golden);
}

static void
test_bytes_of_another_library_are_read(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event;
        golden_bytes(i, &fixture->bytes);
        int rc = event_decode(fixture->codec, fixture->bytes.data, fixture->bytes.bytes,
                              &fixture->arena, &event, &fixture->err);
        if (rc != 0 || !events_equal(&event, &events[i]))
            fail_msg("%s is read as another event (%d %s)", golden_events[i].name, rc,
                     fixture->err.message);
    }
}

static void
test_a_decoded_event_outlives_its_bytes_and_the_next_message(void **state)
{
    struct fixture *fixture = *state;
    struct event read[GOLDEN_COUNT];
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        golden_bytes(i, &fixture->bytes);
        assert_int_equal(event_decode(fixture->codec, fixture->bytes.data, fixture->bytes.bytes,
                                      &fixture->arena, &read[i], &fixture->err),
                         0);
        memset(fixture->bytes.data, 0xee, fixture->bytes.bytes);
    }
    for (size_t i = 0; i < GOLDEN_COUNT; i++)
        assert_true(events_equal(&read[i], &events[i]));
}

/* --- random events --- */

/* Numbers of every length on the wire. */
static int64_t
random_long(void)
{
    return (int64_t)random_next() >> random_below(64);
}

static int64_t
random_natural(int64_t least)
{
    int64_t number = (int64_t)(random_next() >> 1 >> random_below(63));
    return number < least ? least : number;
}

static struct text
random_text(struct arena *arena)
{
    static const char *const pieces[] = {
        "a", "tagIds", "\x01", "\xc3\xa9", "\xe5\x9b\xb3", "\xf0\x9f\x99\x82", "\\\"", "0123456789",
    };
    size_t count = random_below(10) == 0 ? random_below(200) : random_below(4);
    struct text text = {arena_alloc(arena, count * 16 + 1), 0};
    char *at = arena_alloc(arena, count * 16 + 1);
    text.data = at;
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
        memcpy(at + text.bytes, piece, strlen(piece));
        text.bytes += strlen(piece);
    }
    return text;
}

static struct value
random_value(enum op_kind op, struct arena *arena)
{
    struct value value = {0};
    value.kind = (enum value_kind)(op == OP_SET ? random_below(7) : 1 + random_below(6));
    uint32_t count = (uint32_t)(random_below(20) == 0 ? random_below(300) : random_below(5));
    int64_t *integers = arena_alloc(arena, count * sizeof *integers);
    struct text *strings = arena_alloc(arena, count * sizeof *strings);
    for (uint32_t i = 0; i < count; i++) {
        integers[i] = random_long();
        strings[i] = random_text(arena);
    }
    if (value.kind == VALUE_INTEGER)
        value.integer = random_long();
    else if (value.kind == VALUE_FLOAT)
        value.real = ldexp((double)random_long(), (int)random_below(200) - 100);
    else if (value.kind == VALUE_BOOLEAN)
        value.boolean = random_below(2) == 0;
    else if (value.kind == VALUE_STRING)
        value.string = random_text(arena);
    else if (value.kind == VALUE_INTEGERS)
        value.integers.items = integers, value.integers.count = count;
    else if (value.kind == VALUE_STRINGS)
        value.strings.items = strings, value.strings.count = count;
    return value;
}

static struct op *
random_ops(bool nested, uint32_t count, struct arena *arena)
{
    struct op *ops = arena_alloc(arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        enum op_kind kind = (enum op_kind)random_below(5);
        if (nested && kind == OP_ALIVE)
            kind = OP_DELETE;
        ops[i] = (struct op){.kind = kind};
        if (kind == OP_ALIVE || kind == OP_DELETE)
            continue;
        ops[i].field = random_text(arena);
        ops[i].value = random_value(kind, arena);
    }
    return ops;
}

static struct op *
random_fan_outs(uint32_t count, struct arena *arena)
{
    struct op *ops = arena_alloc(arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        ops[i] = (struct op){.kind = OP_FAN_OUT, .query = random_text(arena)};
        ops[i].nested_count = (uint32_t)random_below(6);
        ops[i].nested = random_ops(true, ops[i].nested_count, arena);
    }
    return ops;
}

static struct mark
random_mark(struct arena *arena)
{
    return (struct mark){
        .kind = (enum mark_kind)random_below(2),
        .topic_id = random_text(arena),
        .digest = random_next(),
        .last_row_id = random_long(),
        .max_row_id = random_long(),
        .backlog_rows = random_long(),
        .clock_us = random_long(),
        .snapshot = random_text(arena),
        .source_empty = random_below(2) == 0,
        .partitions = (int32_t)(1 + random_below(INT32_MAX)),
    };
}

static struct event
random_event(struct arena *arena)
{
    struct event event = {
        .epoch = random_natural(1),
        .generation = random_natural(1),
        .tick = random_natural(0),
        .seq = random_natural(0),
        .source = random_text(arena),
        .has_created_at = random_below(2) == 0,
        .kind = (enum event_kind)random_below(4),
    };
    event.created_at_us = event.has_created_at ? random_long() : 0;
    if (event.kind == EVENT_MARK) {
        event.mark = random_mark(arena);
        return event;
    }
    event.row_id = random_long();
    event.entity_id = random_long();
    uint32_t count = (uint32_t)random_below(8);
    if (event.kind == EVENT_ROW)
        event.ops = (struct ops){random_ops(false, count, arena), count};
    else if (event.kind == EVENT_FAN_OUT)
        event.ops = (struct ops){random_fan_outs(count, arena), count};
    else
        event.reason = random_text(arena);
    return event;
}

static void
test_random_events_survive_the_round_trip(void **state)
{
    struct fixture *fixture = *state;
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

/* Decodes a copy that ends where its allocation ends, so that a sanitizer finds a read after it. */
static int
decode_exactly(struct fixture *fixture, const uint8_t *bytes, size_t size, struct event *event)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    int rc = event_decode(fixture->codec, copy, size, &fixture->arena, event, &fixture->err);
    free(copy);
    return rc;
}

static void
test_an_event_cut_anywhere_is_refused(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        golden_bytes(i, &fixture->bytes);
        for (size_t size = 0; size < fixture->bytes.bytes; size++) {
            struct event event;
            assert_int_equal(decode_exactly(fixture, fixture->bytes.data, size, &event), ERR_DATA);
            assert_true(fixture->err.message[0] != '\0');
        }
    }
}

static void
test_bytes_after_an_event_are_refused(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event;
        golden_bytes(i, &fixture->bytes);
        buffer_append(&fixture->bytes, "", 1);
        assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                         ERR_DATA);
    }
}

/* Damaged bytes are refused, or they are another event that survives a round trip. */
static void
check_damaged(struct fixture *fixture, const struct buffer *damaged)
{
    struct event event;
    struct event again;
    struct buffer rewritten;
    arena_reset(&fixture->arena);
    int rc = decode_exactly(fixture, damaged->data, damaged->bytes, &event);
    assert_true(rc == 0 || rc == ERR_DATA || rc == ERR_RETRY);
    if (rc != 0)
        return;
    buffer_init(&rewritten);
    assert_int_equal(event_encode(fixture->codec, &event, &rewritten, &fixture->err), 0);
    assert_int_equal(decode_exactly(fixture, rewritten.data, rewritten.bytes, &again), 0);
    assert_true(events_equal(&event, &again));
    buffer_free(&rewritten);
}

static void
test_every_flipped_bit_is_refused_or_makes_another_event(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        golden_bytes(i, &fixture->bytes);
        for (size_t bit = 0; bit < fixture->bytes.bytes * 8; bit++) {
            fixture->bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            check_damaged(fixture, &fixture->bytes);
            fixture->bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

static void
test_random_damage_is_refused_or_makes_another_event(void **state)
{
    struct fixture *fixture = *state;
    random_seed();
    for (int round = 0; round < 20000; round++) {
        golden_bytes(random_below(GOLDEN_COUNT), &fixture->bytes);
        uint64_t changes = 1 + random_below(8);
        for (uint64_t i = 0; i < changes; i++) {
            size_t at =
                EVENT_HEADER_BYTES + random_below(fixture->bytes.bytes - EVENT_HEADER_BYTES);
            fixture->bytes.data[at] = (uint8_t)random_next();
        }
        check_damaged(fixture, &fixture->bytes);
    }
}

/* Makes a message: the header, then `datum`. */
static void
frame(struct fixture *fixture, const char *datum, size_t size)
{
    golden_bytes(0, &fixture->bytes);
    fixture->bytes.bytes = EVENT_HEADER_BYTES;
    buffer_append(&fixture->bytes, datum, size);
}

#define HEAD \
    "\x02\x02\x00\x02\x00\x00" /* epoch 1, generation 1, tick 0, seq 1, source "", no created_at \
                                */
#define FRAME(fixture, datum) frame((fixture), (datum), sizeof(datum) - 1)

static void
check_refused_without_allocation(struct fixture *fixture)
{
    struct event event;
    size_t asked_before = avro_asked_bytes;
    arena_reset(&fixture->arena);
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_int_equal(avro_asked_bytes, asked_before);
    assert_in_range(fixture->arena.used_bytes, 0, 16); /* the source, which comes first */
}

static void
test_hostile_lengths_are_refused_without_allocation(void **state)
{
    struct fixture *fixture = *state;
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
frame_many_ops(struct fixture *fixture, uint32_t count)
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
    struct fixture *fixture = *state;
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
    struct fixture *fixture = *state;
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
    struct fixture *fixture = *state;
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
    struct fixture *fixture = *state;
    for (size_t i = 2; i < EVENT_HEADER_BYTES; i++) {
        struct event event;
        golden_bytes(0, &fixture->bytes);
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
    struct fixture *fixture = *state;
    struct event event;
    golden_bytes(0, &fixture->bytes);
    fixture->bytes.data[0] = 0x00;
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    golden_bytes(0, &fixture->bytes);
    fixture->bytes.data[1] = 0x02;
    assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                     ERR_DATA);
    assert_int_equal(event_decode(fixture->codec, NULL, 0, &fixture->arena, &event, &fixture->err),
                     ERR_DATA);
}

/* --- validity --- */

static void
check_not_written(struct fixture *fixture, const struct event *event, const char *reason)
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
check_op_not_written(struct fixture *fixture, enum event_kind kind, struct op op,
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
    struct fixture *fixture = *state;
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
    struct fixture *fixture = *state;
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
    check_not_written(fixture, &event, "mark has no epoch");
    event = events[6];
    event.mark.snapshot = TEXT("\x80");
    check_not_written(fixture, &event, "snapshot is not UTF-8");
    event = events[6];
    event.mark.kind = (enum mark_kind)2;
    check_not_written(fixture, &event, "kind of mark 2");
    event = events[5];
    event.kind = (enum event_kind)4;
    check_not_written(fixture, &event, "unknown kind of event 4");
    event = events[5];
    event.source = TEXT("\xc0\x80");
    check_not_written(fixture, &event, "source is not UTF-8");
}

static void
test_invalid_events_are_not_read(void **state)
{
    struct fixture *fixture = *state;
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
    struct fixture *fixture = *state;
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

static void
round_trip_all(struct fixture *fixture)
{
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct event event;
        arena_reset(&fixture->arena);
        buffer_clear(&fixture->bytes);
        assert_int_equal(event_encode(fixture->codec, &events[i], &fixture->bytes, &fixture->err),
                         0);
        assert_int_equal(event_decode(fixture->codec, fixture->bytes.data, fixture->bytes.bytes,
                                      &fixture->arena, &event, &fixture->err),
                         0);
    }
}

static void
test_a_codec_does_not_grow_with_use(void **state)
{
    struct fixture *fixture = *state;
    round_trip_all(fixture);
    size_t live_before = avro_live_bytes;
    for (int i = 0; i < 1000; i++)
        round_trip_all(fixture);
    assert_int_equal(avro_live_bytes, live_before);
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    avro_set_allocator(counting_allocator, NULL);
    const struct CMUnitTest tests[] = {
        TEST(test_events_are_written_as_another_library_writes_them),
        TEST(test_bytes_of_another_library_are_read),
        TEST(test_a_decoded_event_outlives_its_bytes_and_the_next_message),
        TEST(test_random_events_survive_the_round_trip),
        TEST(test_an_event_cut_anywhere_is_refused),
        TEST(test_bytes_after_an_event_are_refused),
        TEST(test_every_flipped_bit_is_refused_or_makes_another_event),
        TEST(test_random_damage_is_refused_or_makes_another_event),
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
        TEST(test_a_codec_does_not_grow_with_use),
        TEST(test_digest_is_fnv_1a_over_eight_big_endian_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
