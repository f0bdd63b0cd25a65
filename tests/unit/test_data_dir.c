/* The data directory: one process at a time, and an id that never changes. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "consumer/partition/data_dir.h"
#include "tests/support/memory_files.h"

static void
test_the_id_is_a_uuid_and_stays(void **state)
{
    (void)state;
    struct error err = {0};
    struct data_dir first, second;
    struct memory_files *memory = memory_files_create(1);
    struct files *files = memory_files_vtable(memory);
    assert_int_equal(data_dir_open(files, "data", &first, &err), 0);
    assert_int_equal(strlen(first.id), DATA_DIR_ID_BYTES - 1);
    assert_int_equal(strspn(first.id, "0123456789abcdef-"), DATA_DIR_ID_BYTES - 1);
    assert_int_equal(first.id[14], '4');
    data_dir_close(&first);
    memory_files_crash(memory);
    assert_int_equal(data_dir_open(files, "data", &second, &err), 0);
    assert_string_equal(first.id, second.id);
    data_dir_close(&second);
    memory_files_destroy(memory);
}

static void
test_two_directories_have_different_ids(void **state)
{
    (void)state;
    struct error err = {0};
    struct data_dir a, b;
    struct memory_files *memory = memory_files_create(1);
    assert_int_equal(data_dir_open(memory_files_vtable(memory), "a", &a, &err), 0);
    assert_int_equal(data_dir_open(memory_files_vtable(memory), "b", &b, &err), 0);
    assert_string_not_equal(a.id, b.id);
    data_dir_close(&a);
    data_dir_close(&b);
    memory_files_destroy(memory);
}

static void
test_F45_another_partition_count_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct data_dir dir;
    struct memory_files *memory = memory_files_create(1);
    struct files *files = memory_files_vtable(memory);
    assert_int_equal(data_dir_open(files, "data", &dir, &err), 0);
    assert_int_equal(data_dir_fix_partitions(&dir, "data", 12, &err), 0);
    data_dir_close(&dir);
    memory_files_crash(memory);
    assert_int_equal(data_dir_open(files, "data", &dir, &err), 0);
    assert_int_equal(data_dir_fix_partitions(&dir, "data", 1, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, "created with topic.partitions: 12,"));
    assert_int_equal(data_dir_fix_partitions(&dir, "data", 13, &err), ERR_USAGE);
    assert_int_equal(data_dir_fix_partitions(&dir, "data", 12, &err), 0);
    data_dir_close(&dir);
    memory_files_destroy(memory);
}

static void
test_F45_a_second_process_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct data_dir first, second;
    struct memory_files *memory = memory_files_create(1);
    struct files *files = memory_files_vtable(memory);
    assert_int_equal(data_dir_open(files, "data", &first, &err), 0);
    assert_int_equal(data_dir_open(files, "data", &second, &err), ERR_USAGE);
    data_dir_close(&first);
    memory_files_destroy(memory);
}

static void
test_a_crash_at_any_call_leaves_a_directory_that_opens(void **state)
{
    (void)state;
    for (int64_t call = 1;; call++) {
        struct error err = {0};
        struct data_dir dir;
        struct memory_files *memory = memory_files_create((uint64_t)call);
        struct files *files = memory_files_vtable(memory);
        memory_files_fail(memory, call, MEMORY_DEAD);
        int rc = data_dir_open(files, "data", &dir, &err);
        bool failed = memory_files_failed(memory);
        assert_true(failed == (rc != 0));
        memory_files_crash(memory);
        assert_int_equal(data_dir_open(files, "data", &dir, &err), 0);
        data_dir_close(&dir);
        memory_files_destroy(memory);
        if (!failed)
            break;
        assert_true(call < 100);
    }
}

static void
test_a_damaged_id_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct data_dir dir;
    struct memory_files *memory = memory_files_create(1);
    struct files *files = memory_files_vtable(memory);
    assert_int_equal(data_dir_open(files, "data", &dir, &err), 0);
    data_dir_close(&dir);
    struct buffer *id = memory_files_content(memory, "data/id");
    id->bytes--;
    assert_int_equal(data_dir_open(files, "data", &dir, &err), ERR_FATAL);
    id->bytes++;
    id->data[20] = '\0';
    assert_int_equal(data_dir_open(files, "data", &dir, &err), ERR_FATAL);
    memory_files_destroy(memory);
}

static void
test_partitions_are_found_by_the_names_of_their_directories(void **state)
{
    (void)state;
    static const char *const names[] = {"t-10", "t-2",  "t-0",   "t-02", "t--1",         "t-",
                                        "u-3",  "t-3x", "t.a-4", "t",    "t-4294967296", "t-x-5"};
    struct error err = {0};
    struct buffer found = {0};
    struct memory_files *memory = memory_files_create(1);
    struct files *files = memory_files_vtable(memory);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = memory_format("data/%s", names[i]);
        assert_int_equal(files->make_directory(files, path, &err), 0);
        free(path);
    }
    assert_int_equal(data_dir_list_partitions(files, "data", "t", &found, &err), 0);
    const int32_t wanted[] = {0, 2, 10};
    assert_int_equal(found.bytes, sizeof wanted);
    assert_memory_equal(found.data, wanted, sizeof wanted);
    char *path = data_dir_partition_path("data", "t", 10);
    assert_string_equal(path, "data/t-10");
    free(path);
    buffer_free(&found);
    memory_files_destroy(memory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_id_is_a_uuid_and_stays),
        cmocka_unit_test(test_two_directories_have_different_ids),
        cmocka_unit_test(test_F45_another_partition_count_is_refused),
        cmocka_unit_test(test_F45_a_second_process_is_refused),
        cmocka_unit_test(test_a_crash_at_any_call_leaves_a_directory_that_opens),
        cmocka_unit_test(test_a_damaged_id_is_refused),
        cmocka_unit_test(test_partitions_are_found_by_the_names_of_their_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
