#include "producer/load/row_sorter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "tests/support/memory_files.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

enum { ROWS_MAX = 3000 };

static struct row_sorter *
create(struct memory_files *memory, uint64_t memory_bytes, uint64_t disk_bytes)
{
    const struct row_sorter_options options = {
        .files = memory_files_vtable(memory),
        .directory = "/sort",
        .setting = "producer.load.sort_dir",
        .memory_bytes = memory_bytes,
        .disk_bytes = disk_bytes,
    };
    return row_sorter_create(&options);
}

/* Row `number` of the input; its data tells the number. */
struct expected {
    uint64_t key;
    uint32_t number;
};

static int
compare_expected(const void *left, const void *right)
{
    const struct expected *a = left;
    const struct expected *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void
make_row(struct buffer *row, uint32_t number)
{
    buffer_clear(row);
    buffer_append(row, &number, sizeof number);
    for (uint32_t i = 0; i < number % 37; i++)
        buffer_append_text(row, "x");
}

static int
add_rows(struct row_sorter *sorter, const struct expected *rows, uint32_t count, struct error *err)
{
    struct buffer row;
    int rc = 0;
    buffer_init(&row);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        make_row(&row, rows[i].number);
        rc = row_sorter_add(sorter, rows[i].key, (struct text){(const char *)row.data, row.bytes},
                            err);
    }
    buffer_free(&row);
    return rc == 0 ? row_sorter_finish(sorter, err) : rc;
}

static int
check_rows(struct row_sorter *sorter, const struct expected *rows, uint32_t count,
           struct error *err)
{
    struct buffer wanted;
    buffer_init(&wanted);
    for (uint32_t i = 0; i <= count; i++) {
        uint64_t key;
        struct text row;
        bool is_end;
        int rc = row_sorter_next(sorter, &key, &row, &is_end, err);
        if (rc != 0) {
            buffer_free(&wanted);
            return rc;
        }
        assert_int_equal(is_end, i == count);
        if (is_end)
            break;
        make_row(&wanted, rows[i].number);
        assert_int_equal(key, rows[i].key);
        assert_int_equal(row.bytes, wanted.bytes);
        assert_memory_equal(row.data, wanted.data, row.bytes);
    }
    buffer_free(&wanted);
    return 0;
}

static uint32_t
random_rows(struct expected *rows)
{
    static const uint64_t ranges[] = {1, 10, 1000, UINT64_MAX};
    uint64_t range = ranges[random_below(COUNT_OF(ranges))];
    uint32_t count = (uint32_t)random_below(ROWS_MAX);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (struct expected){random_below(range), i};
    return count;
}

static void
test_rows_are_sorted_and_keep_their_order(void **state)
{
    (void)state;
    struct expected *rows = memory_alloc(ROWS_MAX * sizeof *rows);
    for (uint32_t round = 0; random_round(20); round++) {
        struct memory_files *memory = memory_files_create(random_next());
        struct row_sorter *sorter = create(memory, 1 + random_below(200000), UINT64_MAX / 2);
        struct error err = {0};
        uint32_t count = random_rows(rows);
        assert_int_equal(add_rows(sorter, rows, count, &err), 0);
        qsort(rows, count, sizeof *rows, compare_expected);
        assert_int_equal(check_rows(sorter, rows, count, &err), 0);
        row_sorter_destroy(sorter);
        memory_files_destroy(memory);
    }
    free(rows);
}

static void
test_few_rows_stay_in_memory(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(1);
    struct row_sorter *sorter = create(memory, 1000, 0);
    struct error err = {0};
    struct expected rows[] = {{7, 0}, {3, 1}, {7, 2}};
    assert_int_equal(add_rows(sorter, rows, 3, &err), 0);
    qsort(rows, 3, sizeof *rows, compare_expected);
    assert_int_equal(check_rows(sorter, rows, 3, &err), 0);
    assert_int_equal(memory_files_calls(memory), 0);
    assert_int_equal(row_sorter_disk_bytes(sorter), 0);
    row_sorter_destroy(sorter);
    memory_files_destroy(memory);
}

static void
test_L10_the_disk_is_bounded(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(1);
    struct row_sorter *sorter = create(memory, 300, 1000);
    struct error err = {0};
    struct expected rows[200];
    for (uint32_t i = 0; i < 200; i++)
        rows[i] = (struct expected){i, i};
    assert_int_equal(add_rows(sorter, rows, 200, &err), ERR_USAGE);
    assert_string_equal(err.message, "the rows to be sorted take more than 1000 bytes on disk "
                                     "(producer.load.sort_bytes)");
    assert_true(row_sorter_disk_bytes(sorter) <= 1000);
    row_sorter_destroy(sorter);
    memory_files_destroy(memory);
}

/* Fails call after call, until everything passes. */
static void
test_a_failed_call_is_an_error_that_names_the_directory(void **state)
{
    (void)state;
    struct expected rows[200];
    int rc = 1;
    uint32_t failures = 0;
    for (uint32_t i = 0; i < 200; i++)
        rows[i] = (struct expected){200 - i, i};
    for (int64_t call = 1; rc != 0; call++) {
        struct memory_files *memory = memory_files_create((uint64_t)call);
        struct row_sorter *sorter = create(memory, 1000, 1 << 20);
        struct error err = {0};
        memory_files_fail(memory, call, call % 2 == 0 ? MEMORY_ENOSPC : MEMORY_SHORT_WRITE);
        struct expected sorted[200];
        memcpy(sorted, rows, sizeof rows);
        rc = add_rows(sorter, rows, 200, &err);
        qsort(sorted, 200, sizeof *sorted, compare_expected);
        if (rc != 0 && memory_files_calls(memory) > 0 && strstr(err.message, "read") == NULL)
            assert_non_null(
                strstr(err.message, "cannot sort in \"/sort\" (producer.load.sort_dir"));
        if (rc == 0)
            rc = check_rows(sorter, sorted, 200, &err);
        assert_true(rc == 0 || rc == ERR_FATAL);
        assert_int_equal(rc != 0, memory_files_failed(memory));
        failures += rc != 0;
        row_sorter_destroy(sorter);
        memory_files_destroy(memory);
    }
    assert_true(failures > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_sorted_and_keep_their_order),
        cmocka_unit_test(test_few_rows_stay_in_memory),
        cmocka_unit_test(test_L10_the_disk_is_bounded),
        cmocka_unit_test(test_a_failed_call_is_an_error_that_names_the_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
