#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/event/event_decode.h"
#include "common/event/event_layout.h"
#include "common/event/event_schema.h"
#include "common/event/event_walker.h"
#include "common/event/event_writer.h"

enum { ITEMS_MAX = 1000 };

struct walker_case {
    const char *schema;
    const char *bytes;
    size_t size;
    const char *refusal; /* part of the message; NULL: accepted */
};

#define BYTES(literal) (literal), sizeof(literal) - 1
#define ARRAY_OF(type) "{\"type\":\"array\",\"items\":" type "}"
#define EMPTY_RECORD "{\"type\":\"record\",\"name\":\"N\",\"fields\":[]}"
#define TWO_SYMBOLS "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"X\",\"Y\"]}"

static void
check_case(const struct walker_case *one)
{
    struct error err = {0};
    avro_schema_t schema;
    struct event_walker *walker;
    assert_int_equal(avro_schema_from_json_length(one->schema, strlen(one->schema), &schema), 0);
    assert_int_equal(event_walker_create(schema, &walker, &err), 0);
    avro_schema_decref(schema);
    struct walk walk;
    walk_begin(&walk, walker, one->bytes, one->size, ITEMS_MAX, &err);
    walk_skip(&walk, walk_root(&walk));
    int rc = walk_end(&walk);
    event_walker_destroy(walker);
    if (one->refusal == NULL) {
        if (rc != 0)
            fail_msg("%s: %s", one->schema, err.message);
        return;
    }
    if (rc != ERR_DATA || strstr(err.message, one->refusal) == NULL)
        fail_msg("%s: wanted \"%s\", got %d \"%s\"", one->schema, one->refusal, rc, err.message);
}

static void
check_cases(const struct walker_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_case(&cases[i]);
}

#define CHECK_CASES(cases) check_cases(cases, sizeof(cases) / sizeof((cases)[0]))

static void
test_numbers_have_one_form_and_fit(void **state)
{
    (void)state;
    static const struct walker_case cases[] = {
        {"\"long\"", BYTES("\x00"), NULL},
        {"\"long\"", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL},
        {"\"long\"", BYTES(""), "byte 0: ends inside a number"},
        {"\"long\"", BYTES("\x80"), "ends inside a number"},
        {"\"long\"", BYTES("\x80\x00"), "longer than necessary"},
        {"\"long\"", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "beyond 64 bits"},
        {"\"long\"", BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "beyond 64 bits"},
        {"\"long\"", BYTES("\x00\x00"), "byte 1: bytes after"},
        {"\"int\"", BYTES("\xff\xff\xff\xff\x0f"), NULL},
        {"\"int\"", BYTES("\x80\x80\x80\x80\x10"), "beyond 32 bits"},
        {"\"double\"", BYTES("12345678"), NULL},
        {"\"double\"", BYTES("1234567"), "ends inside a double"},
        {"\"boolean\"", BYTES("\x01"), NULL},
        {"\"boolean\"", BYTES("\x02"), "boolean other"},
        {"\"boolean\"", BYTES(""), "ends before a boolean"},
    };
    CHECK_CASES(cases);
}

static void
test_strings_end_inside_the_datum_and_are_utf8(void **state)
{
    (void)state;
    static const struct walker_case cases[] = {
        {"\"string\"", BYTES("\x00"), NULL},
        {"\"string\"",
         BYTES("\x06"
               "abc"),
         NULL},
        {"\"string\"",
         BYTES("\x08"
               "abc"),
         "beyond the bytes left"},
        {"\"string\"",
         BYTES("\x01"
               "abc"),
         "beyond the bytes left"},
        {"\"string\"",
         BYTES("\x80\x80\x80\x80\x40"
               "abc"),
         "beyond the bytes left"}, /* 2^33 */
        {"\"string\"", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "beyond the bytes left"},
        {"\"string\"",
         BYTES("\x06"
               "a\0c"),
         "NUL"},
        {"\"string\"",
         BYTES("\x06"
               "a\xff"
               "c"),
         "UTF-8"},
    };
    CHECK_CASES(cases);
}

static void
test_unknown_branches_and_symbols_are_refused(void **state)
{
    (void)state;
    static const struct walker_case cases[] = {
        {"[\"null\",\"boolean\"]", BYTES("\x00"), NULL},
        {"[\"null\",\"boolean\"]", BYTES("\x02\x01"), NULL},
        {"[\"null\",\"boolean\"]", BYTES("\x04"), "unknown union branch"},
        {"[\"null\",\"boolean\"]", BYTES("\x01"), "unknown union branch"},
        {TWO_SYMBOLS, BYTES("\x02"), NULL},
        {TWO_SYMBOLS, BYTES("\x04"), "unknown enum symbol"},
        {TWO_SYMBOLS, BYTES("\x01"), "unknown enum symbol"},
    };
    CHECK_CASES(cases);
}

static void
test_array_blocks_have_the_size_that_they_state(void **state)
{
    (void)state;
    static const struct walker_case cases[] = {
        {ARRAY_OF("\"long\""), BYTES("\x00"), NULL},
        {ARRAY_OF("\"long\""), BYTES("\x04\x02\x02\x02\x02\x00"), NULL},
        {ARRAY_OF("\"long\""), BYTES("\x03\x04\x02\x02\x00"), NULL},
        {ARRAY_OF("\"long\""), BYTES("\x03\x06\x02\x02\x00"), "wrong size"},
        {ARRAY_OF("\"long\""), BYTES("\x03\x02\x02\x02\x00"), "wrong size"},
        {ARRAY_OF("\"long\""), BYTES("\x03\x03\x02\x02\x00"), "size beyond the bytes left"},
        {ARRAY_OF("\"long\""), BYTES("\x03\x0a\x02\x02\x00"), "size beyond the bytes left"},
        {ARRAY_OF("\"long\""), BYTES("\x04\x02\x02"), "ends inside a number"},
        {ARRAY_OF("\"long\""), BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"),
         "beyond 63 bits"},
        {ARRAY_OF("\"long\""), BYTES("\x80\x80\x80\x80\x02\x00"), "more items than bytes left"},
        {ARRAY_OF("\"double\""),
         BYTES("\x04"
               "123456781234567"),
         "more items than bytes left"},
    };
    CHECK_CASES(cases);
}

static void
test_items_without_bytes_are_limited_in_number(void **state)
{
    (void)state;
    static const struct walker_case cases[] = {
        {ARRAY_OF("\"null\""), BYTES("\xd0\x0f\x00"), NULL}, /* 1000 */
        {ARRAY_OF("\"null\""), BYTES("\xd2\x0f\x00"), "more array items"},
        {ARRAY_OF("\"null\""), BYTES("\xd0\x0f\x02\x00"), "more array items"},
        {ARRAY_OF("\"null\""), BYTES("\x80\x80\x80\x80\x02\x00"), "more array items"}, /* 2^28 */
        {ARRAY_OF(EMPTY_RECORD), BYTES("\x80\x80\x80\x80\x02\x00"), "more array items"},
        {ARRAY_OF(EMPTY_RECORD), BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00"),
         "more array items"},
    };
    CHECK_CASES(cases);
}

/* Numbers of every length are read by walk_longs() as by walk_skip(), also where the bytes end. */
static void
test_many_numbers_at_once(void **state)
{
    (void)state;
    static const char schema_text[] = ARRAY_OF("\"long\"");
    struct error err = {0};
    struct buffer bytes;
    struct event_walker *walker;
    avro_schema_t schema;
    int64_t numbers[64 * 2 * 2];
    int64_t read[64 * 2 * 2];
    size_t count = 0;
    for (int bits = 0; bits < 64; bits++)
        for (int sign = 0; sign < 2; sign++, count += 2) {
            numbers[count] = (int64_t)((UINT64_C(1) << bits) - (uint64_t)sign);
            numbers[count + 1] = sign == 0 ? -1 : (int64_t)(~UINT64_C(0) << bits);
        }
    buffer_init(&bytes);
    write_longs(&bytes, numbers, (uint32_t)count);
    assert_int_equal(avro_schema_from_json_length(schema_text, strlen(schema_text), &schema), 0);
    assert_int_equal(event_walker_create(schema, &walker, &err), 0);
    for (size_t size = 0; size <= bytes.bytes; size++) {
        uint8_t *copy = memory_alloc(size + 1);
        struct walk walk;
        memcpy(copy, bytes.data, size);
        walk_begin(&walk, walker, copy, size, ITEMS_MAX, &err);
        struct walk_array array = walk_array(walk_root(&walk));
        uint64_t items = walk_block(&walk, &array);
        if (items > 0) {
            assert_int_equal(items, count);
            walk_longs(&walk, array.item, read, count);
            walk_block(&walk, &array);
        }
        assert_int_equal(walk_end(&walk), size == bytes.bytes ? 0 : ERR_DATA);
        free(copy);
    }
    assert_memory_equal(read, numbers, count * sizeof *read);
    event_walker_destroy(walker);
    avro_schema_decref(schema);
    buffer_free(&bytes);
}

static void
test_unsupported_schemas_do_not_compile(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":[\"null\",\"R\"]}"
        "]}",
        "{\"type\":\"map\",\"values\":\"long\"}",
        "\"bytes\"",
        "\"float\"",
    };
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct error err = {0};
        avro_schema_t schema;
        struct event_walker *walker;
        assert_int_equal(avro_schema_from_json_length(schemas[i], strlen(schemas[i]), &schema), 0);
        assert_int_equal(event_walker_create(schema, &walker, &err), ERR_FATAL);
        avro_schema_decref(schema);
    }
}

static void
test_text_is_shortest_form_utf8_without_nul(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool valid;
    } cases[] = {
        {BYTES(""), true},
        {BYTES("plain text of more than eight"), true},
        {BYTES("\x01\x7f\x01\x7f\x01\x7f\x01\x7f"), true},
        {BYTES("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"), true},
        {BYTES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), true},
        {BYTES("12345678\0"), false},
        {BYTES("1234\0"
               "678"),
         false},
        {BYTES("1234567\x80"), false},
        {BYTES("\xc0\x80"), false},
        {BYTES("\xc1\xbf"), false},
        {BYTES("\xc2"), false},
        {BYTES("\xc2\x41"), false},
        {BYTES("\xe0\x9f\xbf"), false},
        {BYTES("\xed\xa0\x80"), false},
        {BYTES("\xe2\x82"), false},
        {BYTES("\xe2\x82\x41"), false},
        {BYTES("\xf0\x8f\xbf\xbf"), false},
        {BYTES("\xf4\x90\x80\x80"), false},
        {BYTES("\xf5\x80\x80\x80"), false},
        {BYTES("\xf0\x90\x80"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (utf8_valid(cases[i].bytes, cases[i].size) != cases[i].valid)
            fail_msg("case %zu", i);
    assert_true(utf8_valid(NULL, 0));
}

static void
test_each_byte_of_a_text_of_any_length_counts(void **state)
{
    (void)state;
    enum { LENGTH_MAX = 20 };
    char text[LENGTH_MAX];
    for (size_t length = 1; length <= LENGTH_MAX; length++) {
        for (size_t at = 0; at < length; at++) {
            memset(text, 'x', sizeof text);
            assert_true(utf8_valid(text, length));
            text[at] = '\0';
            assert_false(utf8_valid(text, length));
            text[at] = '\x80';
            assert_false(utf8_valid(text, length));
        }
    }
}

/* The current schema with another field before `at`. */
static char *
schema_with(const char *schema, const char *at, const char *field)
{
    const char *place = strstr(schema, at);
    assert_non_null(place);
    return memory_format("%.*s%s, %s", (int)(place - schema), schema, field, place);
}

static void
test_fields_of_a_later_schema_are_skipped(void **state)
{
    static const char datum[] = "\x02\x04" /* later: ["x", "y"]; in a block */
                                "\x02x\x02y\x00"
                                "\x02\x04\x06\x08\x02s\x00"     /* epoch 1 .. seq 4, "s" */
                                "\x00\x0a\x01\x0c\x02\x06\x00"; /* row 5, later, entity 6 */
    (void)state;
    struct error err = {0};
    struct arena arena;
    struct layout layout;
    struct event_walker *walker;
    struct event event;
    avro_schema_t schema;
    arena_init(&arena);
    char *once = schema_with(event_schemas[0].json, "{\n      \"name\": \"epoch\"",
                             "{\"name\": \"later\", \"type\": [\"null\", {\"type\": "
                             "\"array\", \"items\": \"string\"}]}");
    char *twice = schema_with(once, "{\"name\": \"entity_id\"",
                              "{\"name\": \"later_too\", \"type\": \"boolean\"}");
    assert_int_equal(avro_schema_from_json_length(twice, strlen(twice), &schema), 0);
    assert_int_equal(layout_resolve(schema, &layout, &err), 0);
    assert_int_equal(event_walker_create(schema, &walker, &err), 0);
    struct text text = {datum, sizeof datum - 1};
    assert_int_equal(event_decode_datum(&layout, walker, text, &arena, &event, &err), 0);
    assert_true(event.epoch == 1 && event.generation == 2 && event.tick == 3 && event.seq == 4);
    assert_true(text_is(event.source, "s") && event.row_id == 5 && event.entity_id == 6);
    assert_int_equal(event.ops.count, 1);
    assert_int_equal(event.ops.items[0].kind, OP_ALIVE);
    event_walker_destroy(walker);
    avro_schema_decref(schema);
    arena_free(&arena);
    free(once);
    free(twice);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_have_one_form_and_fit),
        cmocka_unit_test(test_strings_end_inside_the_datum_and_are_utf8),
        cmocka_unit_test(test_unknown_branches_and_symbols_are_refused),
        cmocka_unit_test(test_array_blocks_have_the_size_that_they_state),
        cmocka_unit_test(test_items_without_bytes_are_limited_in_number),
        cmocka_unit_test(test_many_numbers_at_once),
        cmocka_unit_test(test_unsupported_schemas_do_not_compile),
        cmocka_unit_test(test_fields_of_a_later_schema_are_skipped),
        cmocka_unit_test(test_text_is_shortest_form_utf8_without_nul),
        cmocka_unit_test(test_each_byte_of_a_text_of_any_length_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
