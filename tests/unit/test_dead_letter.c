/* Dead letters: the bytes of key and value, and the limits. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "consumer/dead_letter/chunk_json.h"
#include "consumer/dead_letter/dead_letter.h"

static const struct dead_letter raw = {
    .group = "g",
    .topic = "t",
    .partition = 3,
    .offset = 17,
    .value = {"foobar", 6},
    .reason = "not an event",
};

static void
check_dead_letter(const struct dead_letter *letter, const char *key, const char *value)
{
    struct dead_letter_list list = {0};
    dead_letter_list_add(&list, &raw); /* the list has two */
    dead_letter_list_add(&list, letter);
    assert_int_equal(list.count, 2);
    const struct dead_letter_span *span = &list.spans[1];
    assert_int_equal(span->key_bytes, strlen(key));
    assert_memory_equal(list.bytes.data + span->begin, key, span->key_bytes);
    assert_int_equal(span->value_bytes, strlen(value));
    assert_memory_equal(list.bytes.data + span->begin + span->key_bytes, value, span->value_bytes);
    dead_letter_list_free(&list);
}

static void
test_a_message_that_is_not_an_event(void **state)
{
    (void)state;
    check_dead_letter(&raw, "g/t/3/17",
                      "{\"group\":\"g\",\"topic\":\"t\",\"partition\":3,\"offset\":17,"
                      "\"reason\":\"not an event\",\"value_bytes\":6,\"value_base64\":\"Zm9vYmFy\","
                      "\"event\":null,\"reasons\":[],\"ops\":[],\"entity_ids\":[]}");
}

static void
test_an_event_with_dropped_ops(void **state)
{
    (void)state;
    const struct event event = {.epoch = 1,
                                .generation = 2,
                                .tick = 3,
                                .seq = 4,
                                .source = TEXT("main"),
                                .row_id = 5,
                                .entity_id = 6};
    const struct op op = {
        .kind = OP_SET, .field = TEXT("a"), .value = {.kind = VALUE_INTEGER, .integer = 7}};
    const struct text reason = TEXT("too large");
    const int64_t entity_id = 9;
    struct dead_letter letter = raw;
    letter.event = &event;
    letter.value = TEXT("fooba");
    letter.reason = "1 of 2 ops";
    letter.ops = &op;
    letter.reasons = &reason;
    letter.op_count = 1;
    letter.entity_ids = &entity_id;
    check_dead_letter(&letter, "g/t/3/17",
                      "{\"group\":\"g\",\"topic\":\"t\",\"partition\":3,\"offset\":17,"
                      "\"reason\":\"1 of 2 ops\",\"value_bytes\":5,\"value_base64\":\"Zm9vYmE=\","
                      "\"event\":{\"source\":\"main\",\"epoch\":1,\"generation\":2,\"tick\":3,"
                      "\"seq\":4,\"row_id\":5,\"entity_id\":6},\"reasons\":[\"too large\"],"
                      "\"ops\":[{\"op\":\"set\",\"field\":\"a\",\"value\":7}],\"entity_ids\":[9]}");
}

static void
test_a_chunk_is_described_by_its_numbers(void **state)
{
    (void)state;
    const struct chunk_column columns[] = {{.count = 3}, {.count = 4}};
    struct chunk chunk = {.purpose = CHUNK_REFRESH,
                          .job = 7,
                          .begin = 8,
                          .end = CHUNK_NO_END,
                          .field_count = 2,
                          .alive_count = 5,
                          .columns = columns,
                          .column_count = 2,
                          .answer_count = 1};
    const struct event event = {.kind = EVENT_CHUNK, .source = TEXT("main"), .chunk = &chunk};
    struct dead_letter letter = raw;
    letter.event = &event;
    letter.value = TEXT("f");
    check_dead_letter(&letter, "g/t/3/17",
                      "{\"group\":\"g\",\"topic\":\"t\",\"partition\":3,\"offset\":17,"
                      "\"reason\":\"not an event\",\"value_bytes\":1,\"value_base64\":\"Zg==\","
                      "\"event\":{\"source\":\"main\",\"epoch\":0,\"generation\":0,\"tick\":0,"
                      "\"seq\":0,\"purpose\":\"refresh\",\"job\":7,\"begin\":8,\"end\":null,"
                      "\"fields\":2,\"values\":7,\"alive\":5,\"answers\":1},\"reasons\":[],"
                      "\"ops\":[],\"entity_ids\":[]}");
}

/* The test vectors of RFC 4648. */
static void
test_base64_pads_every_length(void **state)
{
    (void)state;
    static const char *const encoded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="};
    for (size_t i = 0; i < sizeof encoded / sizeof encoded[0]; i++) {
        struct dead_letter letter = raw;
        char value[256];
        letter.value.bytes = i < 4 ? i : 4;
        snprintf(value, sizeof value,
                 "{\"group\":\"g\",\"topic\":\"t\",\"partition\":3,\"offset\":17,\"reason\":\"not "
                 "an event\",\"value_bytes\":%zu,\"value_base64\":\"%s\",\"event\":null,"
                 "\"reasons\":[],\"ops\":[],\"entity_ids\":[]}",
                 letter.value.bytes, encoded[i]);
        check_dead_letter(&letter, "g/t/3/17", value);
    }
}

static void
test_a_dead_letter_of_any_size_fits_into_a_message_of_kafkas_default_size(void **state)
{
    (void)state;
    enum { OPS = 300, STRING_BYTES = 4000, VALUE_BYTES = 4 << 20, MESSAGE_BYTES = 1000000 };
    struct dead_letter_list list = {0};
    struct dead_letter letter = raw;
    struct event event = {0};
    char *zeros = memory_zalloc(VALUE_BYTES);
    char *controls = memory_zalloc(VALUE_BYTES);
    struct op *ops = memory_zalloc(OPS * sizeof *ops);
    struct text *reasons = memory_zalloc(OPS * sizeof *reasons);
    memset(zeros, 'x', VALUE_BYTES);
    memset(controls, 1, VALUE_BYTES); /* JSON takes six bytes for each */
    for (int i = 0; i < OPS; i++) {
        ops[i].field = TEXT("name");
        ops[i].value = (struct value){.kind = VALUE_STRING, .string = {zeros, STRING_BYTES}};
        reasons[i] = (struct text){controls, ERROR_MESSAGE_BYTES - 1};
    }
    event.source = (struct text){controls, VALUE_BYTES};
    letter.event = &event;
    letter.value = (struct text){zeros, VALUE_BYTES};
    letter.ops = ops;
    letter.reasons = reasons;
    letter.op_count = OPS;
    dead_letter_list_add(&list, &letter);
    assert_true(list.spans[0].key_bytes + list.spans[0].value_bytes < MESSAGE_BYTES);
    dead_letter_list_free(&list);
    free(reasons);
    free(ops);
    free(zeros);
    free(controls);
}

static void
test_the_values_of_a_chunk_are_written_with_their_entities(void **state)
{
    (void)state;
    static const uint32_t slots[] = {0, 2};
    static const int64_t integers[] = {7, -1}, bits[] = {1, 0};
    static const double floats[] = {0.5, 2};
    static const struct text strings[] = {TEXT("x"), TEXT("y")};
    static const struct text fields[] = {TEXT("a"), TEXT("b")};
    static const struct chunk_column columns[] = {
        {.field = {"a", 1},
         .kind = CHUNK_INTEGERS,
         .count = 2,
         .slots = slots,
         .integers = integers},
        {.field = {"a", 1}, .kind = CHUNK_FLOATS, .count = 2, .slots = slots, .floats = floats},
        {.field = {"b", 1}, .kind = CHUNK_BOOLEANS, .count = 2, .slots = slots, .integers = bits},
        {.field = {"b", 1},
         .kind = CHUNK_STRINGS,
         .count = 2,
         .slots = slots,
         .integers = bits,
         .strings = strings,
         .string_count = 2},
    };
    const struct chunk chunk = {.has_slots = true,
                                .slots = slots,
                                .slot_count = 2,
                                .fields = fields,
                                .field_count = 2,
                                .states_alive = true,
                                .alive = slots,
                                .alive_count = 1,
                                .columns = columns,
                                .column_count = 4};
    struct buffer out;
    struct json_writer json;
    buffer_init(&out);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    chunk_json_write(&chunk, 1, 4, &json);
    json_object_end(&json);
    assert_string_equal(
        buffer_string(&out),
        "{\"field_names\":[\"a\",\"b\"],\"entities\":[1,9],\"alive_entities\":[1],\"columns\":["
        "{\"field\":\"a\",\"entities\":[1,9],\"values\":[7,-1]},"
        "{\"field\":\"a\",\"entities\":[1,9],\"values\":[0.5,2.0]},"
        "{\"field\":\"b\",\"entities\":[1,9],\"values\":[true,false]},"
        "{\"field\":\"b\",\"entities\":[1,9],\"values\":[\"y\",\"x\"]}]}");
    buffer_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_that_is_not_an_event),
        cmocka_unit_test(test_an_event_with_dropped_ops),
        cmocka_unit_test(test_a_chunk_is_described_by_its_numbers),
        cmocka_unit_test(test_the_values_of_a_chunk_are_written_with_their_entities),
        cmocka_unit_test(test_base64_pads_every_length),
        cmocka_unit_test(test_a_dead_letter_of_any_size_fits_into_a_message_of_kafkas_default_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
