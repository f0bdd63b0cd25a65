#include "producer/load/csv_parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

enum { CAPACITY = 8 };

/* Writes a line as its values in brackets, ~ for null; an invalid line as its reason. */
static void
show(struct buffer *out, const struct csv_line *line, const struct csv_value *values)
{
    if (line->reason != NULL) {
        buffer_append_format(out, "!%s", line->reason);
        return;
    }
    for (uint32_t i = 0; i < line->count && i < CAPACITY; i++) {
        if (values[i].is_null)
            buffer_append_text(out, "[~]");
        else
            buffer_append_format(out, "[%.*s]", TEXT_ARGS(values[i].text));
    }
}

/* All lines of `input`, with their numbers. */
static void
show_all(struct buffer *out, const char *input, size_t bytes)
{
    char *copy = memory_alloc(bytes + 1);
    memcpy(copy, input, bytes);
    uint32_t number = 1;
    for (size_t at = 0; at < bytes;) {
        struct csv_value values[CAPACITY];
        struct csv_line line;
        assert_int_equal(csv_parse_line(copy + at, bytes - at, true, values, CAPACITY, &line),
                         CSV_LINE);
        assert_true(line.bytes > 0 && line.bytes <= bytes - at);
        buffer_append_format(out, "%u:", number);
        show(out, &line, values);
        buffer_append_text(out, " ");
        number += line.breaks;
        at += line.bytes;
    }
    free(copy);
}

static void
test_lines_are_read_as_rfc_4180_says(void **state)
{
    (void)state;
    static const struct {
        const char *input;
        const char *lines;
    } cases[] = {
        {"a,b\nc,d\n", "1:[a][b] 2:[c][d] "},
        {"a,b\r\nc,d", "1:[a][b] 2:[c][d] "},
        {",\n", "1:[~][~] "},
        {"a,", "1:[a][~] "},
        {"\n\r\na\n\n", "1: 2: 3:[a] 4: "},
        {"\"\",\n", "1:[][~] "},
        {"\"a,b\",\"c\nd\"\n\"e\r\n\"\nf\n", "1:[a,b][c\nd] 3:[e\r\n] 5:[f] "},
        {"\"a\"\"b\",\"\"\"\",\"\"\"\"\"\"\n", "1:[a\"b][\"][\"\"] "},
        {" a , \"b\n", "1:!a quote inside of a value without quotes "},
        {" a ,b \n", "1:[ a ][b ] "},
        {"\"a\"b,c\nd\n", "1:!text after a closing quote 2:[d] "},
        {"\"a\" \nd\n", "1:!text after a closing quote 2:[d] "},
        {"a\"b\nd\n", "1:!a quote inside of a value without quotes 2:[d] "},
        {"x,\"a\nb\nc\n", "1:!a quote that is not closed 2:[b] 3:[c] "},
        {"a\rb\r\r\n", "1:[a\rb\r] "},
        {"\"a\"\r\n\"b\"\r", "1:[a] 2:[b] "},
        {"1,2,3,4,5,6,7,8,9,\"10\n\"\n", "1:[1][2][3][4][5][6][7][8] "},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out;
        buffer_init(&out);
        show_all(&out, cases[i].input, strlen(cases[i].input));
        assert_string_equal(buffer_string(&out), cases[i].lines);
        buffer_free(&out);
    }
}

static void
test_all_values_are_counted_and_few_are_kept(void **state)
{
    (void)state;
    char input[] = "1,2,3,4,5,6,7,8,9,\"10\n\"\nx";
    struct csv_value values[CAPACITY];
    struct csv_line line;
    csv_parse_line(input, sizeof input - 1, true, values, CAPACITY, &line);
    assert_int_equal(line.count, 10);
    assert_int_equal(line.breaks, 2);
    assert_int_equal(line.bytes, sizeof input - 2);
}

/* --- random files: written from values, and read as they were written */

static void
write_value(struct buffer *file, struct buffer *expected, bool *is_empty)
{
    static const char *const pieces[] = {"a", "7", ",", "\"", "\n", "\r\n", " ", "é", "\r", ""};
    struct buffer value;
    buffer_init(&value);
    bool is_quoted = random_below(2) == 0;
    for (uint64_t i = random_below(4); i > 0; i--)
        buffer_append_text(&value, pieces[random_below(is_quoted ? COUNT_OF(pieces) : 2)]);
    if (is_quoted)
        buffer_append_text(file, "\"");
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.data[i] == '"')
            buffer_append_text(file, "\"");
        buffer_append(file, &value.data[i], 1);
    }
    if (is_quoted)
        buffer_append_text(file, "\"");
    *is_empty = !is_quoted && value.bytes == 0;
    if (*is_empty)
        buffer_append_text(expected, "[~]");
    else
        buffer_append_format(expected, "[%.*s]", (int)value.bytes, (const char *)value.data);
    buffer_free(&value);
}

static void
write_line(struct buffer *file, struct buffer *expected, uint32_t *number)
{
    size_t begin = file->bytes;
    uint64_t count = 1 + random_below(CAPACITY - 1);
    bool is_empty = false;
    struct buffer values;
    buffer_init(&values);
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(file, ",");
        write_value(file, &values, &is_empty);
    }
    buffer_append_format(expected, "%u:", *number);
    if (count > 1 || !is_empty)
        buffer_append(expected, values.data, values.bytes);
    buffer_append_text(expected, " ");
    buffer_append_text(file, random_below(2) == 0 ? "\n" : "\r\n");
    for (size_t i = begin; i < file->bytes; i++)
        *number += file->data[i] == '\n';
    buffer_free(&values);
}

static void
test_what_was_written_is_read(void **state)
{
    (void)state;
    random_seed();
    for (int round = 0; round < 500; round++) {
        struct buffer file;
        struct buffer expected;
        struct buffer got;
        uint32_t number = 1;
        buffer_init(&file);
        buffer_init(&expected);
        buffer_init(&got);
        for (uint64_t lines = 1 + random_below(10); lines > 0; lines--)
            write_line(&file, &expected, &number);
        show_all(&got, (const char *)file.data, file.bytes);
        assert_string_equal(buffer_string(&got), buffer_string(&expected));
        buffer_free(&file);
        buffer_free(&expected);
        buffer_free(&got);
    }
}

/* A line is the same whatever follows it, and a shorter input is incomplete or invalid too. */
static void
check_prefixes(const char *input, size_t bytes)
{
    struct csv_value values[CAPACITY];
    struct csv_line whole;
    char *copy = memory_alloc(bytes + 1);
    memcpy(copy, input, bytes);
    enum csv_result result = csv_parse_line(copy, bytes, false, values, CAPACITY, &whole);
    if (result == CSV_INCOMPLETE)
        assert_memory_equal(copy, input, bytes);
    for (size_t i = 1; i < bytes; i++) {
        struct csv_line line;
        memcpy(copy, input, i);
        enum csv_result shorter = csv_parse_line(copy, i, false, values, CAPACITY, &line);
        if (shorter == CSV_INCOMPLETE) {
            assert_memory_equal(copy, input, i);
            assert_true(result == CSV_INCOMPLETE || i < whole.bytes || whole.reason != NULL);
            continue;
        }
        assert_int_equal(result, CSV_LINE);
        assert_int_equal(line.bytes, whole.bytes);
        assert_int_equal(line.count, whole.count);
    }
    free(copy);
}

static bool
is_read(struct text input)
{
    struct buffer out;
    buffer_init(&out);
    if (input.bytes == 0)
        return false;
    show_all(&out, input.data, input.bytes);
    check_prefixes(input.data, input.bytes);
    bool is_valid = strchr(buffer_string(&out), '!') == NULL;
    buffer_free(&out);
    return is_valid;
}

static void
test_any_bytes_are_lines(void **state)
{
    (void)state;
    static const char *const goods[] = {"1,\"a\"\"b\",,x\r\n2,\"\",\"c\nd\",y\n", "\"\"\n,\n7\n"};
    static const char *const pieces[] = {"\"", "\"\"", ",", "\n", "\r", "\r\n", "a", "\",\""};
    random_inputs(goods, COUNT_OF(goods), pieces, COUNT_OF(pieces), is_read);
}

static void
test_integers_are_decimal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_integer;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+17", true, 17},
        {"007", true, 7},
        {"3.0", true, 3},
        {"-3.000", true, -3},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"3.5", false, 0},
        {"3.", false, 0},
        {".0", false, 0},
        {"1e3", false, 0},
        {"0x10", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"-", false, 0},
        {"", false, 0},
        {"1,000", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 0;
        bool is_integer = csv_parse_integer(text_of(cases[i].text), &value);
        if (is_integer != cases[i].is_integer || (is_integer && value != cases[i].value))
            fail_msg("%s: %d, %" PRId64, cases[i].text, is_integer, value);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_read_as_rfc_4180_says),
        cmocka_unit_test(test_all_values_are_counted_and_few_are_kept),
        cmocka_unit_test(test_what_was_written_is_read),
        cmocka_unit_test(test_any_bytes_are_lines),
        cmocka_unit_test(test_integers_are_decimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
