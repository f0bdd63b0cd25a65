/* The position's bytes: golden, round trip, and every damage refused; and those of the versions
 * before. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "consumer/partition/position.h"
#include "tests/unit/random_input.h"

static const struct config_filter_field filters[] = {{.name = "tags", .type = FIELD_MULTI_VALUE},
                                                     {.name = "level", .type = FIELD_SINGLE_VALUE},
                                                     {.name = "kind", .type = FIELD_STRING}};
static const char *const sources[] = {"level"};
static const struct config_sort_field sorts[] = {{"best", 32, COMPUTED_GREATEST, sources, 1}};
static const struct config_index index_config = {.filter_fields = filters,
                                                 .filter_field_count = 3,
                                                 .sort_fields = sorts,
                                                 .sort_field_count = 1,
                                                 .visible_from = NULL};
static struct config_fields fields; /* of it */

/* In the middle of a load of everything; the field tags was added, and a pass over it runs. */
static struct position
example(void)
{
    struct position position;
    position_init(&position, &fields);
    struct sequence *sequence = &position.sequence;
    struct coverage *coverage = &sequence->coverage;
    position.replay = 15;
    sequence->epoch = 1;
    sequence->generation = 2;
    sequence->tick = 3;
    sequence->seq = 0x0102030405060708;
    sequence->digest = 0xcbf29ce484222325;
    sequence->digest_known = true;
    sequence->content_digest = 22;
    sequence->content_known = true;
    sequence->row_id = 6;
    sequence->reason = COVERAGE_GAP;
    sequence->losses = 7;
    sequence->missing = 8;
    sequence->gap_first = 9;
    sequence->gap_last = 10;
    sequence->watermark = (struct sequence_watermark){11, 12, 13, 14, -1, 23, 24, 25};
    sequence->unanswered = 26;
    sequence->fences[0] = (struct sequence_fence){2, 27};
    sequence->fences[1] = (struct sequence_fence){1, 28};
    sequence->start = 29;
    sequence->skip_first = 30;
    sequence->skip_next = 31;
    sequence->last_message = 32;
    sequence->topic_id_is_older = true;
    memcpy(sequence->source, "main", sizeof "main");
    memcpy(sequence->topic_id, "6f1c", sizeof "6f1c");
    memcpy(coverage->voided_reason, "ddl", sizeof "ddl");
    coverage->next_offset = 16;
    coverage->voided = 17;
    coverage->job = 18;
    coverage->covered_to = 19;
    coverage->pass_entry = 20;
    coverage->pass_part = 21;
    coverage->source_known = coverage->source_named = coverage->offsets_lost = true;
    for (uint32_t i = 1; i < FIELD_NUMBERS; i++) {
        if (!field_set_has(&coverage->written, i))
            continue;
        coverage->reasons[i] = COVERAGE_GAP;
        field_set_add(&coverage->source, i);
        field_set_add(&coverage->job_fields, i);
        field_set_add(&coverage->chain, i);
    }
    coverage->reasons[0] = COVERAGE_FIELD_ADDED;
    field_set_add(&coverage->late, 0);
    field_set_add(&coverage->job_fields, 0);
    field_set_add(&coverage->pass_fields, 0);
    assert_true(sequence_is_consistent(sequence));
    return position;
}

#define ZERO7 "\0\0\0\0\0\0\0"
#define NUMBERS_OF_VERSION_2                                                                   \
    "\x01" ZERO7 "\x02" ZERO7 "\x03" ZERO7 "\x08\x07\x06\x05\x04\x03\x02\x01"                  \
    "\x25\x23\x22\x84\xe4\x9c\xf2\xcb"                                                         \
    "\x06" ZERO7 "\x07" ZERO7 "\x08" ZERO7 "\x09" ZERO7 "\x0a" ZERO7 "\x0b" ZERO7 "\x0c" ZERO7 \
    "\x0d" ZERO7 "\x0e" ZERO7 "\xff\xff\xff\xff\xff\xff\xff\xff"                               \
    "\x0f" ZERO7
#define NAMES  \
    "\x04main" \
    "\x04"     \
    "6f1c"

#define NUMBERS_OF_VERSION_3                                                              \
    NUMBERS_OF_VERSION_2 "\x10" ZERO7 "\x11" ZERO7 "\x12" ZERO7 "\x13" ZERO7 "\x14" ZERO7 \
                         "\x15" ZERO7 "\x16" ZERO7
#define FIELDS \
    "\x03"     \
    "ddl"      \
    "\x05\x0d" \
    "\x01\x00" \
    "\x04tags" \
    "\x0a\x16"

#define NUMBERS_OF_VERSION_4 \
    NUMBERS_OF_VERSION_3 "\x17" ZERO7 "\x18" ZERO7 "\x19" ZERO7 "\x1a" ZERO7
#define ZERO8 ZERO7 "\0"

#define NUMBERS_OF_VERSION_5                                    \
    NUMBERS_OF_VERSION_4 "\x02" ZERO7 "\x1b" ZERO7 "\x01" ZERO7 \
                         "\x1c" ZERO7 ZERO8 ZERO8 ZERO8 ZERO8 "\x1d" ZERO7

static const char golden[] =
    "\x06\x05\x3f" NUMBERS_OF_VERSION_5 "\x1e" ZERO7 "\x1f" ZERO7 "\x20" ZERO7 NAMES FIELDS;
static const char golden_5[] = "\x05\x05\x1f" NUMBERS_OF_VERSION_5 NAMES FIELDS;
static const char golden_4[] = "\x04\x05\x1f" NUMBERS_OF_VERSION_4 NAMES FIELDS;
static const char golden_3[] = "\x03\x05\x1f" NUMBERS_OF_VERSION_3 NAMES FIELDS;
static const char golden_2[] = "\x02\x05\x01" NUMBERS_OF_VERSION_2 NAMES;

enum {
    GOLDEN_BYTES = sizeof golden - 1,
    GOLDEN_5_BYTES = sizeof golden_5 - 1,
    GOLDEN_4_BYTES = sizeof golden_4 - 1,
    GOLDEN_3_BYTES = sizeof golden_3 - 1,
    GOLDEN_2_BYTES = sizeof golden_2 - 1
};

static int
decode(const char *data, size_t bytes, struct position *position)
{
    struct error err = {0};
    return position_decode((struct text){data, bytes}, &fields, position, NULL, &err);
}

static void
test_the_format_does_not_change(void **state)
{
    (void)state;
    const struct position position = example();
    struct buffer out;
    buffer_init(&out);
    position_encode(&position, &fields, &out);
    assert_int_equal(out.bytes, GOLDEN_BYTES);
    assert_memory_equal(out.data, golden, GOLDEN_BYTES);
    buffer_free(&out);
}

static void
test_a_written_position_is_read_back(void **state)
{
    (void)state;
    const struct position wanted = example();
    struct position position;
    assert_int_equal(decode(golden, GOLDEN_BYTES, &position), 0);
    assert_memory_equal(&position, &wanted, sizeof position);
}

static struct position
example_of_version_5(void)
{
    struct position position = example();
    position.sequence.skip_first = 0;
    position.sequence.skip_next = 0;
    position.sequence.last_message = 0;
    position.sequence.topic_id_is_older = false;
    return position;
}

/* Version 5 did not record what a reset had skipped. */
static void
test_a_position_of_version_5_has_no_skips(void **state)
{
    (void)state;
    const struct position wanted = example_of_version_5();
    struct position position;
    assert_int_equal(decode(golden_5, GOLDEN_5_BYTES, &position), 0);
    assert_memory_equal(&position, &wanted, sizeof position);
    for (size_t bytes = 0; bytes < GOLDEN_5_BYTES; bytes++)
        assert_int_equal(decode(golden_5, bytes, &position), ERR_DATA);
}

/* Version 4 knew of no fences. */
static void
test_a_position_of_version_4_has_no_fences(void **state)
{
    (void)state;
    struct position wanted = example_of_version_5();
    struct position position;
    memset(wanted.sequence.fences, 0, sizeof wanted.sequence.fences);
    wanted.sequence.start = 0;
    assert_int_equal(decode(golden_4, GOLDEN_4_BYTES, &position), 0);
    assert_memory_equal(&position, &wanted, sizeof position);
    for (size_t bytes = 0; bytes < GOLDEN_4_BYTES; bytes++)
        assert_int_equal(decode(golden_4, bytes, &position), ERR_DATA);
}

/* Version 3 knew of no requests. */
static void
test_a_position_of_version_3_has_no_requests(void **state)
{
    (void)state;
    struct position wanted = example_of_version_5();
    struct position position;
    wanted.sequence.unanswered = 0;
    wanted.sequence.watermark.owed = 0;
    wanted.sequence.watermark.owed_since_us = 0;
    memset(wanted.sequence.fences, 0, sizeof wanted.sequence.fences);
    wanted.sequence.start = 0;
    wanted.sequence.watermark.newest_us = wanted.sequence.watermark.clock_us;
    assert_int_equal(decode(golden_3, GOLDEN_3_BYTES, &position), 0);
    assert_memory_equal(&position, &wanted, sizeof position);
    assert_int_equal(decode(golden_3, GOLDEN_3_BYTES + 1, &position), ERR_DATA);
    for (size_t bytes = 0; bytes < GOLDEN_3_BYTES; bytes++)
        assert_int_equal(decode(golden_3, bytes, &position), ERR_DATA);
}

static void
test_parts_are_found_and_damaged_ones_refused(void **state)
{
    (void)state;
    const struct position wanted = example();
    struct position position;
    struct text parts, part;
    struct error err;
    struct buffer out;
    buffer_init(&out);
    position_encode(&wanted, &fields, &out);
    size_t at = position_part_begin(POSITION_UNANSWERED, &out);
    buffer_append(&out, "abc", 3);
    position_part_end(at, &out);
    struct text bytes = {(const char *)out.data, out.bytes};
    assert_int_equal(position_decode(bytes, &fields, &position, &parts, &err), 0);
    assert_true(position_find_part(parts, POSITION_UNANSWERED, &part));
    assert_int_equal(part.bytes, 3);
    assert_memory_equal(part.data, "abc", 3);
    for (bytes.bytes--; bytes.bytes > GOLDEN_BYTES; bytes.bytes--)
        assert_int_equal(position_decode(bytes, &fields, &position, &parts, &err), ERR_DATA);
    assert_int_equal(position_decode(bytes, &fields, &position, &parts, &err), 0);
    assert_false(position_find_part(parts, POSITION_UNANSWERED, &part));
    out.data[GOLDEN_BYTES] = 99; /* a part of a later version */
    bytes.bytes = out.bytes;
    assert_int_equal(position_decode(bytes, &fields, &position, &parts, &err), ERR_DATA);
    buffer_free(&out);
}

/* The one reason of version 2 becomes the reason of every field. */
static void
test_a_position_of_version_2_keeps_what_it_proved(void **state)
{
    (void)state;
    struct position position;
    assert_int_equal(decode(golden_2, GOLDEN_2_BYTES, &position), 0);
    assert_string_equal(position.sequence.source, "main");
    assert_int_equal(position.sequence.watermark.backlog_rows, -1);
    assert_false(sequence_complete(&position.sequence));
    assert_int_equal(position.sequence.coverage.reasons[FIELD_ALIVE], COVERAGE_GAP);
    assert_int_equal(position.sequence.coverage.reasons[2], COVERAGE_GAP);
    assert_true(position.sequence.coverage.offsets_lost);
    char complete[GOLDEN_2_BYTES];
    memcpy(complete, golden_2, sizeof complete);
    complete[1] = COVERAGE_COMPLETE;
    memset(complete + 3 + 6 * 8, 0, 8);  /* losses */
    memset(complete + 3 + 8 * 8, 0, 16); /* the gap */
    assert_int_equal(decode(complete, sizeof complete, &position), 0);
    assert_true(sequence_complete(&position.sequence));
    assert_int_equal(position.sequence.coverage.next_offset, -1);
    assert_int_equal(position.sequence.coverage.voided, -1);
}

/* The order of the fields in the configuration does not matter, and a field that is not there is
 * skipped. */
static void
test_fields_are_read_by_name(void **state)
{
    (void)state;
    static const struct config_filter_field others[] = {
        {.name = "kind", .type = FIELD_STRING}, {.name = "tags", .type = FIELD_MULTI_VALUE}};
    static const struct config_index other_index = {.filter_fields = others,
                                                    .filter_field_count = 2};
    struct config_fields other;
    struct position position;
    struct error err;
    config_fields_init(&other, &other_index);
    const struct text bytes = {golden, GOLDEN_BYTES};
    assert_int_equal(position_decode(bytes, &other, &position, NULL, &err), 0);
    const struct coverage *coverage = &position.sequence.coverage;
    assert_int_equal(coverage->reasons[0], COVERAGE_GAP);
    assert_int_equal(coverage->reasons[1], COVERAGE_FIELD_ADDED);
    assert_true(field_set_has(&coverage->pass_fields, 1));
    assert_false(field_set_has(&coverage->pass_fields, 0));
    config_fields_free(&other);
}

static void
test_a_position_that_is_cut_or_too_long_is_refused(void **state)
{
    (void)state;
    struct position position;
    for (size_t bytes = 0; bytes < GOLDEN_BYTES; bytes++)
        assert_int_equal(decode(golden, bytes, &position), ERR_DATA);
    assert_int_equal(decode(golden, GOLDEN_BYTES + 1, &position), ERR_DATA);
    for (size_t bytes = 0; bytes < GOLDEN_2_BYTES; bytes++)
        assert_int_equal(decode(golden_2, bytes, &position), ERR_DATA);
    assert_int_equal(decode(golden_2, GOLDEN_2_BYTES + 1, &position), ERR_DATA);
}

static void
test_unknown_versions_reasons_flags_and_lengths_are_refused(void **state)
{
    (void)state;
    enum { NAMES_AT = 3 + 39 * 8, FIELDS_AT = NAMES_AT + 5 + 5 + 4 };
    static const struct {
        size_t at;
        char byte;
    } cases[] = {
        {0, 0},
        {0, 7},
        {1, COVERAGE_FIELD_ADDED},
        {2, 64},
        {NAMES_AT, (char)SEQUENCE_NAME_BYTES},
        {FIELDS_AT, COVERAGE_REASONS},
        {FIELDS_AT + 1, 64},
        {FIELDS_AT + 2, 2},
        {FIELDS_AT + 4, 100},
        {FIELDS_AT + 9, COVERAGE_REASONS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct position position;
        char bytes[GOLDEN_BYTES];
        memcpy(bytes, golden, sizeof bytes);
        bytes[cases[i].at] = cases[i].byte;
        assert_int_equal(decode(bytes, sizeof bytes, &position), ERR_DATA);
    }
    char old[GOLDEN_2_BYTES];
    struct position position;
    memcpy(old, golden_2, sizeof old);
    old[2] = 2;
    assert_int_equal(decode(old, sizeof old, &position), ERR_DATA);
}

static void
test_numbers_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    enum {
        HEAD_BYTES = 3,
        EPOCH = 0,
        SEQ = 3,
        LOSSES = 6,
        MISSING = 7,
        GAP_LAST = 9,
        REPLAY = 15,
        JOB = 18,
        COVERED_TO = 19,
        PASS_PART = 21,
        OWED = 23,
        UNANSWERED = 26,
        SKIP_FIRST = 36
    };
    static const struct {
        int number;
        uint8_t byte; /* of each of its bytes */
    } cases[] = {{EPOCH, 0xff},      {EPOCH, 0},        {SEQ, 0xff},    {LOSSES, 0},
                 {MISSING, 0},       {GAP_LAST, 0},     {REPLAY, 0xff}, {JOB, 0},
                 {COVERED_TO, 0xff}, {PASS_PART, 0xff}, {OWED, 0xff},   {UNANSWERED, 0xff},
                 {SKIP_FIRST, 0xff}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct position position;
        char bytes[GOLDEN_BYTES];
        memcpy(bytes, golden, sizeof bytes);
        memset(bytes + HEAD_BYTES + 8 * cases[i].number, cases[i].byte, 8);
        assert_int_equal(decode(bytes, sizeof bytes, &position), ERR_DATA);
    }
}

static bool
is_accepted(struct text input)
{
    struct position position;
    bool accepted = decode(input.data, input.bytes, &position) == 0;
    assert_true(!accepted || sequence_is_consistent(&position.sequence));
    return accepted;
}

static void
test_damaged_bytes_give_a_consistent_position_or_none(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char bytes[GOLDEN_BYTES];
        memcpy(bytes, golden, sizeof bytes);
        for (uint64_t n = 1 + random_below(3); n > 0; n--)
            bytes[random_below(sizeof bytes)] = (char)random_next();
        is_accepted((struct text){bytes, sizeof bytes});
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_format_does_not_change),
        cmocka_unit_test(test_a_written_position_is_read_back),
        cmocka_unit_test(test_a_position_of_version_2_keeps_what_it_proved),
        cmocka_unit_test(test_a_position_of_version_5_has_no_skips),
        cmocka_unit_test(test_a_position_of_version_4_has_no_fences),
        cmocka_unit_test(test_a_position_of_version_3_has_no_requests),
        cmocka_unit_test(test_parts_are_found_and_damaged_ones_refused),
        cmocka_unit_test(test_fields_are_read_by_name),
        cmocka_unit_test(test_a_position_that_is_cut_or_too_long_is_refused),
        cmocka_unit_test(test_unknown_versions_reasons_flags_and_lengths_are_refused),
        cmocka_unit_test(test_numbers_that_contradict_each_other_are_refused),
        cmocka_unit_test(test_damaged_bytes_give_a_consistent_position_or_none),
    };
    random_seed();
    config_fields_init(&fields, &index_config);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    config_fields_free(&fields);
    return failed;
}
