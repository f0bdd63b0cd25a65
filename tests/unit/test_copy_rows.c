#include "tests/unit/unit_test.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "producer/source/copy_rows.h"
#include "tests/unit/random_input.h"

enum { MUTATIONS = 200000, NULL_FIELD = -1 };

#define HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"

static void
append_int16(struct buffer *out, int16_t value)
{
    uint16_t raw = htobe16((uint16_t)value);
    buffer_append(out, &raw, sizeof raw);
}

static void
append_int32(struct buffer *out, int32_t value)
{
    uint32_t raw = htobe32((uint32_t)value);
    buffer_append(out, &raw, sizeof raw);
}

static void
append_int64_field(struct buffer *out, int64_t value)
{
    uint64_t raw = htobe64((uint64_t)value);
    append_int32(out, sizeof raw);
    buffer_append(out, &raw, sizeof raw);
}

static void
append_text_field(struct buffer *out, const char *text)
{
    append_int32(out, (int32_t)strlen(text));
    buffer_append_text(out, text);
}

static void
append_header(struct buffer *out)
{
    buffer_append(out, HEADER, sizeof HEADER - 1);
}

static void
append_row(struct buffer *out, int64_t id, int64_t entity_id, int64_t created_at, const char *ops)
{
    append_int16(out, 6);
    append_int64_field(out, id);
    append_int64_field(out, entity_id);
    append_int64_field(out, (int64_t)((uint64_t)id * 2)); /* txid */
    append_int64_field(out, created_at);
    append_text_field(out, ops);
    append_int32(out, NULL_FIELD);
}

static void
append_large_row(struct buffer *out, int64_t id, bool to_all)
{
    append_int16(out, 6);
    append_int64_field(out, id);
    append_int64_field(out, 7);
    append_int64_field(out, -1); /* txid 2^64 - 1 */
    append_int32(out, NULL_FIELD);
    append_int32(out, NULL_FIELD);
    append_int32(out, 1);
    buffer_append(out, to_all ? "\1" : "\0", 1);
}

static void
append_trailer(struct buffer *out)
{
    append_int16(out, -1);
}

static void
make_copy(struct buffer *out)
{
    append_header(out);
    append_row(out, 1, -5, 1000000, "[]");
    append_large_row(out, 2, true);
    append_row(out, INT64_MAX, 8, INT64_MAX, "");
    append_large_row(out, 4, false);
    append_trailer(out);
}

/* The number of rows, or ERR_FATAL. */
static int
read_all(const void *data, size_t bytes, bool *complete)
{
    struct copy_rows rows;
    struct outbox_row row;
    bool found = true;
    int count = 0;
    int rc = copy_rows_begin(&rows, (struct text){data, bytes}, NULL);
    while (rc == 0 && (rc = copy_rows_next(&rows, &row, &found, NULL)) == 0 && found)
        count++;
    *complete = rc == 0 && rows.complete;
    return rc == 0 ? count : rc;
}

static void
next_row(struct copy_rows *rows, struct outbox_row *row)
{
    struct error err = {0};
    bool found;
    assert_int_equal(copy_rows_next(rows, row, &found, &err), 0);
    assert_true(found);
}

static void
test_rows_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct buffer copy = {0};
    struct copy_rows rows;
    struct outbox_row row;
    bool found;
    make_copy(&copy);
    assert_int_equal(
        copy_rows_begin(&rows, (struct text){(const char *)copy.data, copy.bytes}, NULL), 0);
    next_row(&rows, &row);
    assert_int_equal(row.id, 1);
    assert_int_equal(row.entity_id, -5);
    assert_int_equal(row.txid, 2);
    assert_true(row.has_created_at);
    assert_int_equal(row.created_at_us, 946684801000000);
    assert_true(text_is(row.ops, "[]"));
    assert_false(row.has_no_ops);
    next_row(&rows, &row);
    assert_true(row.has_no_ops && row.to_all);
    assert_true(row.txid == UINT64_MAX);
    assert_false(row.has_created_at);
    next_row(&rows, &row);
    assert_int_equal(row.id, INT64_MAX);
    assert_false(row.has_created_at); /* infinity */
    assert_int_equal(row.ops.bytes, 0);
    next_row(&rows, &row);
    assert_true(row.has_no_ops && !row.to_all);
    assert_int_equal(copy_rows_next(&rows, &row, &found, NULL), 0);
    assert_false(found);
    assert_true(rows.complete);
    buffer_free(&copy);
}

static void
check_time(int64_t postgres_us, bool kept)
{
    struct buffer copy = {0};
    struct copy_rows rows;
    struct outbox_row row;
    append_header(&copy);
    append_row(&copy, 1, 2, postgres_us, "[]");
    assert_int_equal(
        copy_rows_begin(&rows, (struct text){(const char *)copy.data, copy.bytes}, NULL), 0);
    next_row(&rows, &row);
    assert_int_equal(row.has_created_at, kept);
    buffer_free(&copy);
}

static void
test_a_time_outside_the_years_1_to_9999_is_left_out(void **state)
{
    (void)state;
    check_time(0, true);
    check_time(INT64_C(-63082281600000000), true); /* 0001-01-01 */
    check_time(INT64_C(-63082281600000001), false);
    check_time(INT64_C(252455615999999999), true); /* the end of 9999-12-31 */
    check_time(INT64_C(252455616000000000), false);
    check_time(INT64_MAX - 1, false);
    check_time(INT64_MIN, false); /* -infinity */
    check_time(INT64_MAX, false);
}

static void
test_a_copy_may_end_between_rows_but_not_inside_one(void **state)
{
    (void)state;
    struct buffer copy = {0};
    bool complete;
    int whole = 0;
    make_copy(&copy);
    for (size_t bytes = 0; bytes < copy.bytes; bytes++) {
        uint8_t *cut = memory_alloc(bytes + 1); /* so that a sanitizer finds a read after it */
        memcpy(cut, copy.data, bytes);
        cut = memory_realloc(cut, bytes > 0 ? bytes : 1);
        whole += read_all(cut, bytes, &complete) >= 0;
        assert_false(complete);
        free(cut);
    }
    assert_int_equal(whole, 5); /* after the header and after each row */
    assert_int_equal(read_all(copy.data, copy.bytes, &complete), 4);
    assert_true(complete);
    buffer_free(&copy);
}

static void
test_bytes_after_the_trailer_are_refused(void **state)
{
    (void)state;
    struct buffer copy = {0};
    bool complete;
    make_copy(&copy);
    append_row(&copy, 9, 9, 9, "[]");
    assert_int_equal(read_all(copy.data, copy.bytes, &complete), ERR_FATAL);
    buffer_free(&copy);
}

static void
test_random_bytes_are_not_read_out_of_bounds(void **state)
{
    (void)state;
    struct buffer copy = {0};
    bool complete;
    random_seed();
    make_copy(&copy);
    uint8_t *bytes = memory_alloc(copy.bytes);
    for (int i = 0; i < MUTATIONS; i++) {
        memcpy(bytes, copy.data, copy.bytes);
        for (uint64_t j = random_below(3) + 1; j > 0; j--)
            bytes[random_below(copy.bytes)] = (uint8_t)random_next();
        int rc = read_all(bytes, copy.bytes, &complete);
        assert_true(rc == ERR_FATAL || (rc >= 0 && rc <= 4));
    }
    free(bytes);
    buffer_free(&copy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_read_as_they_were_written),
        cmocka_unit_test(test_a_time_outside_the_years_1_to_9999_is_left_out),
        cmocka_unit_test(test_a_copy_may_end_between_rows_but_not_inside_one),
        cmocka_unit_test(test_bytes_after_the_trailer_are_refused),
        cmocka_unit_test(test_random_bytes_are_not_read_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
