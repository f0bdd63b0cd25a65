#include "tests/unit/unit_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/files/files.h"
#include "tests/support/memory_files.h"
#include "tests/support/temporary_directory.h"

enum { CRASHES = 200 };

static void
test_what_is_written_is_read_back(void **state)
{
    struct files *files = files_posix();
    struct error err = {0};
    char *path = memory_format("%s/file", (char *)*state);
    char bytes[8];
    int handle = files->open(files, path, FILES_CREATE, &err);
    assert_true(handle >= 0);
    assert_int_equal(files->write_at(files, handle, "abcdef", 6, 0, &err), 0);
    assert_int_equal(files->write_at(files, handle, "XY", 2, 2, &err), 0);
    assert_int_equal(files->sync(files, handle, &err), 0);
    assert_int_equal(files->size(files, handle, &err), 6);
    files->close(files, handle);

    handle = files->open(files, path, FILES_READWRITE, &err);
    assert_int_equal(files->truncate(files, handle, 5, &err), 0);
    assert_int_equal(files->read_at(files, handle, bytes, sizeof bytes, 1, &err), 4);
    assert_memory_equal(bytes, "bXYe", 4);
    assert_int_equal(files->read_at(files, handle, bytes, sizeof bytes, 9, &err), 0);
    files->close(files, handle);
    free(path);
}

static void
test_errors_name_path_and_reason(void **state)
{
    struct files *files = files_posix();
    struct error err = {0};
    char *path = memory_format("%s/file", (char *)*state);
    assert_int_equal(files->open(files, path, FILES_READ, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(files->open(files, *state, FILES_READ, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "not a regular file"));
    int handle = files->open(files, path, FILES_CREATE, &err);
    assert_true(handle >= 0);
    assert_int_equal(files->open(files, path, FILES_CREATE, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "File exists"));
    files->close(files, handle);
    handle = files->open(files, path, FILES_READ, &err);
    assert_int_equal(files->write_at(files, handle, "x", 1, 0, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, path)); /* the handle's */
    assert_int_equal(files->make_directory(files, path, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, path));
    files->close(files, handle);
    free(path);
}

/* The kernel writes up to the limit and reports the reason only at the next call. */
static void
test_F41_a_short_write_is_an_error(void **state)
{
    struct files *files = files_posix();
    struct error err = {0};
    struct rlimit old, small;
    char *path = memory_format("%s/file", (char *)*state);
    char bytes[64] = {0};
    int handle = files->open(files, path, FILES_CREATE, &err);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){40, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = files->write_at(files, handle, bytes, sizeof bytes, 0, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, ERR_FATAL);
    assert_non_null(strstr(err.message, "File too large"));
    assert_int_equal(files->size(files, handle, &err), 40);
    files->close(files, handle);
    free(path);
}

static int
join_name(void *context, const char *name)
{
    buffer_append_format(context, "%s ", name);
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void
test_directories_are_made_listed_and_emptied(void **state)
{
    struct files *files = files_posix();
    struct error err = {0};
    struct buffer names = {0};
    char *path = memory_format("%s/a/b/c", (char *)*state);
    char *from = memory_format("%s/B", path);
    char *to = memory_format("%s/a", path);
    char *stop = memory_format("%s/stop", path);
    assert_int_equal(files->make_directory(files, path, &err), 0);
    assert_int_equal(files->make_directory(files, path, &err), 0);
    assert_int_equal(files_replace(files, to, "old", 3, &err), 0);
    assert_int_equal(files_replace(files, from, "new", 3, &err), 0);
    assert_int_equal(files->list(files, path, join_name, &names, &err), 0);
    assert_string_equal(buffer_string(&names), "B a ");
    assert_int_equal(files->rename(files, from, to, &err), 0);
    assert_int_equal(files->unlink(files, from, &err), 0); /* it does not exist any more */
    assert_int_equal(files->sync_directory(files, path, &err), 0);
    buffer_clear(&names);
    assert_int_equal(files->list(files, path, join_name, &names, &err), 0);
    assert_string_equal(buffer_string(&names), "a ");
    assert_int_equal(files->rename(files, from, to, &err), ERR_FATAL);
    assert_int_equal(files->unlink(files, to, &err), 0);
    assert_int_equal(files_replace(files, stop, "", 0, &err), 0);
    assert_int_equal(files->list(files, path, join_name, &names, &err), 7);
    buffer_free(&names);
    free(from);
    free(stop);
    free(to);
    free(path);
}

static void
test_F45_a_lock_has_one_holder_and_ends_with_it(void **state)
{
    struct files *files = files_posix();
    struct error err = {0};
    char *path = memory_format("%s/lock", (char *)*state);
    assert_int_equal(files_check_unlocked(files, path, &err), 0);
    assert_int_equal(access(path, F_OK), -1); /* to ask creates nothing */
    int handle = files->lock(files, path, &err);
    assert_true(handle >= 0);
    assert_int_equal(files->lock(files, path, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(files_check_unlocked(files, path, &err), ERR_USAGE);
    files->close(files, handle);
    assert_int_equal(files_check_unlocked(files, path, &err), 0);
    handle = files->lock(files, path, &err);
    assert_true(handle >= 0);
    files->close(files, handle);
    free(path);
}

/* The holder was killed just after it had made a copy of its process, which does not close its
 * files at once. */
static void
test_F45_the_lock_of_a_copy_is_waited_for(void **state)
{
    struct files *files = files_posix();
    struct error err = {0};
    char *path = memory_format("%s/lock", (char *)*state);
    int handle = files->lock(files, path, &err);
    assert_true(handle >= 0);
    pid_t copy = fork();
    if (copy == 0) {
        clock_sleep_ms(100);
        _exit(0);
    }
    assert_true(copy > 0);
    files->close(files, handle);
    handle = files->lock(files, path, &err);
    assert_true(handle >= 0);
    files->close(files, handle);
    assert_int_equal(waitpid(copy, NULL, 0), copy);
    free(path);
}

static bool
content_is(struct memory_files *memory, const char *text)
{
    struct buffer *content = memory_files_content(memory, "d/file");
    return content != NULL && content->bytes == strlen(text) &&
           memcmp(content->data, text, content->bytes) == 0;
}

/* Each call fails in turn, then the power fails: the file has the old content or the new one, and
 * the new one if files_replace() had succeeded. */
static void
test_F41_replace_is_atomic(void **state)
{
    (void)state;
    static const enum memory_fault faults[] = {MEMORY_EIO, MEMORY_ENOSPC, MEMORY_DEAD};
    for (uint64_t seed = 0; seed < CRASHES; seed++) {
        for (int call = 1; call <= 8; call++) {
            struct memory_files *memory = memory_files_create(seed);
            struct files *files = memory_files_vtable(memory);
            struct error err = {0};
            assert_int_equal(files->make_directory(files, "d", &err), 0);
            assert_int_equal(files_replace(files, "d/file", "old content", 11, &err), 0);
            memory_files_fail(memory, call, faults[seed % 3]);
            int rc = files_replace(files, "d/file", "new", 3, &err);
            if (memory_files_failed(memory))
                assert_int_equal(rc, ERR_FATAL);
            memory_files_crash(memory);
            if (!content_is(memory, "new") && (rc == 0 || !content_is(memory, "old content")))
                fail_msg("seed %d, call %d", (int)seed, call);
            assert_int_equal(files_replace(files, "d/file", "newest", 6, &err), 0);
            memory_files_crash(memory);
            assert_true(content_is(memory, "newest"));
            memory_files_destroy(memory);
        }
    }
}

int
main(void)
{
#define ON_DISK(test) \
    cmocka_unit_test_setup_teardown(test, temporary_directory_setup, temporary_directory_teardown)
    const struct CMUnitTest tests[] = {
        ON_DISK(test_what_is_written_is_read_back),
        ON_DISK(test_errors_name_path_and_reason),
        ON_DISK(test_F41_a_short_write_is_an_error),
        ON_DISK(test_directories_are_made_listed_and_emptied),
        ON_DISK(test_F45_a_lock_has_one_holder_and_ends_with_it),
        ON_DISK(test_F45_the_lock_of_a_copy_is_waited_for),
        cmocka_unit_test(test_F41_replace_is_atomic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
