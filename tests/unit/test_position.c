/* The position's bytes: golden, round trip, and every damage refused. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "consumer/partition/position.h"

static const struct position example = {
    .replay = 15,
    .sequence =
        {
            .epoch = 1,
            .generation = 2,
            .tick = 3,
            .seq = 0x0102030405060708,
            .digest = 0xcbf29ce484222325,
            .digest_known = true,
            .row_id = 6,
            .reason = SEQUENCE_GAP,
            .losses = 7,
            .missing = 8,
            .gap_first = 9,
            .gap_last = 10,
            .watermark = {.tick = 11,
                          .clock_us = 12,
                          .last_row_id = 13,
                          .max_row_id = 14,
                          .backlog_rows = -1},
            .source = "main",
            .topic_id = "6f1c",
        },
};

#define ZERO7 "\0\0\0\0\0\0\0"

static const char golden[] =
    "\x02\x05\x01"
    "\x01" ZERO7 "\x02" ZERO7 "\x03" ZERO7 "\x08\x07\x06\x05\x04\x03\x02\x01"
    "\x25\x23\x22\x84\xe4\x9c\xf2\xcb"
    "\x06" ZERO7 "\x07" ZERO7 "\x08" ZERO7 "\x09" ZERO7 "\x0a" ZERO7 "\x0b" ZERO7 "\x0c" ZERO7
    "\x0d" ZERO7 "\x0e" ZERO7 "\xff\xff\xff\xff\xff\xff\xff\xff"
    "\x0f" ZERO7 "\x04main"
    "\x04"
    "6f1c";

enum { GOLDEN_BYTES = sizeof golden - 1 };

static void
test_the_format_does_not_change(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out);
    position_encode(&example, &out);
    assert_int_equal(out.bytes, GOLDEN_BYTES);
    assert_memory_equal(out.data, golden, GOLDEN_BYTES);
    buffer_free(&out);
}

static void
test_a_written_position_is_read_back(void **state)
{
    (void)state;
    struct error err = {0};
    struct position position;
    struct buffer out;
    buffer_init(&out);
    assert_int_equal(position_decode(golden, GOLDEN_BYTES, &position, &err), 0);
    assert_string_equal(position.sequence.source, "main");
    assert_string_equal(position.sequence.topic_id, "6f1c");
    assert_int_equal(position.sequence.watermark.backlog_rows, -1);
    position_encode(&position, &out);
    assert_int_equal(out.bytes, GOLDEN_BYTES);
    assert_memory_equal(out.data, golden, GOLDEN_BYTES);
    buffer_free(&out);
}

static void
test_a_position_that_is_cut_or_too_long_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct position position;
    for (size_t bytes = 0; bytes < GOLDEN_BYTES; bytes++)
        assert_int_equal(position_decode(golden, bytes, &position, &err), ERR_DATA);
    assert_int_equal(position_decode(golden, GOLDEN_BYTES + 1, &position, &err), ERR_DATA);
}

static void
test_unknown_versions_reasons_flags_and_lengths_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        char byte;
    } cases[] = {{0, 0}, {0, 3}, {1, SEQUENCE_REASONS}, {2, 2}, {131, (char)SEQUENCE_NAME_BYTES}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct position position;
        char bytes[GOLDEN_BYTES];
        memcpy(bytes, golden, sizeof bytes);
        bytes[cases[i].at] = cases[i].byte;
        assert_int_equal(position_decode(bytes, sizeof bytes, &position, &err), ERR_DATA);
    }
}

static void
test_numbers_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    enum { HEAD_BYTES = 3, EPOCH = 0, SEQ = 3, LOSSES = 6, MISSING = 7, GAP_LAST = 9, REPLAY = 15 };
    static const struct {
        int number;
        uint8_t byte; /* of each of its bytes */
    } cases[] = {{EPOCH, 0xff}, {EPOCH, 0},    {SEQ, 0xff},   {LOSSES, 0},
                 {MISSING, 0},  {GAP_LAST, 0}, {REPLAY, 0xff}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error err = {0};
        struct position position;
        char bytes[GOLDEN_BYTES];
        memcpy(bytes, golden, sizeof bytes);
        memset(bytes + HEAD_BYTES + 8 * cases[i].number, cases[i].byte, 8);
        assert_int_equal(position_decode(bytes, sizeof bytes, &position, &err), ERR_DATA);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_format_does_not_change),
        cmocka_unit_test(test_a_written_position_is_read_back),
        cmocka_unit_test(test_a_position_that_is_cut_or_too_long_is_refused),
        cmocka_unit_test(test_unknown_versions_reasons_flags_and_lengths_are_refused),
        cmocka_unit_test(test_numbers_that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
