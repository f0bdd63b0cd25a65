/* The directories of a partition on the real file system, with every call failing once. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "consumer/partition/partition_dir.h"
#include "tests/support/temporary_directory.h"

/* The real file system, except that calls that change names fail from the `left`-th one on. */
static struct files dying;
static int left;

enum { ENOUGH = 1000 };

static int
die(struct error *err)
{
    return left-- > 0 ? 0 : error_set(err, ERR_FATAL, "dead");
}

static int
dying_rename(struct files *files, const char *from, const char *to, struct error *err)
{
    int rc = die(err);
    return rc == 0 ? files_posix()->rename(files, from, to, err) : rc;
}

static int
dying_unlink(struct files *files, const char *path, struct error *err)
{
    int rc = die(err);
    return rc == 0 ? files_posix()->unlink(files, path, err) : rc;
}

static int
dying_remove_directory(struct files *files, const char *path, struct error *err)
{
    int rc = die(err);
    return rc == 0 ? files_posix()->remove_directory(files, path, err) : rc;
}

static int
dying_sync_directory(struct files *files, const char *path, struct error *err)
{
    int rc = die(err);
    return rc == 0 ? files_posix()->sync_directory(files, path, err) : rc;
}

static const char *home;

static int
set_up(void **state)
{
    int rc = temporary_directory_setup(state);
    home = *state;
    dying = *files_posix();
    dying.rename = dying_rename;
    dying.unlink = dying_unlink;
    dying.remove_directory = dying_remove_directory;
    dying.sync_directory = dying_sync_directory;
    left = ENOUGH;
    return rc;
}

static char *
path_of(const char *name)
{
    return memory_format("%s/p/%s", home, name);
}

static void
make_log(const char *directory, const char *content)
{
    char *file = memory_format("%s/segment", directory);
    char *checkpoints = memory_format("%s/checkpoint", directory);
    char *checkpoint = memory_format("%s/1.checkpoint", checkpoints);
    assert_int_equal(files_posix()->make_directory(files_posix(), checkpoints, NULL), 0);
    assert_int_equal(files_replace(files_posix(), file, content, 1, NULL), 0);
    assert_int_equal(files_replace(files_posix(), checkpoint, content, 1, NULL), 0);
    free(checkpoint);
    free(checkpoints);
    free(file);
}

/* The first byte of the log of that name; 0 when it does not exist, '-' when it has no segment. */
static char
log_of(const char *name)
{
    char *directory = path_of(name);
    char *path = memory_format("%s/segment", directory);
    char content = access(directory, F_OK) == 0 ? '-' : 0;
    int file =
        access(path, F_OK) == 0 ? files_posix()->open(files_posix(), path, FILES_READ, NULL) : -1;
    if (file >= 0) {
        assert_int_equal(files_posix()->read_at(files_posix(), file, &content, 1, 0, NULL), 1);
        files_posix()->close(files_posix(), file);
    }
    free(path);
    free(directory);
    return content;
}

static void
open_dir(struct partition_dir *dir)
{
    char *path = memory_format("%s/p", home);
    assert_int_equal(partition_dir_open(dir, &dying, path, NULL), 0);
    free(path);
}

static void
test_a_new_partition_has_no_old_log(void **state)
{
    (void)state;
    struct partition_dir dir;
    open_dir(&dir);
    assert_false(dir.has_old);
    partition_dir_close(&dir);
}

static void
test_a_rebuild_keeps_the_old_log_until_it_is_dropped(void **state)
{
    (void)state;
    struct partition_dir dir;
    open_dir(&dir);
    make_log(dir.wal, "1");
    assert_int_equal(partition_dir_begin_rebuild(&dir, NULL), 0);
    assert_true(dir.has_old);
    assert_int_equal(log_of("wal"), 0);
    assert_int_equal(log_of("wal.old"), '1');
    make_log(dir.wal, "2");
    partition_dir_close(&dir);
    open_dir(&dir);
    assert_true(dir.has_old);
    assert_int_equal(partition_dir_remove_old(&dir, NULL), 0);
    assert_false(dir.has_old);
    assert_int_equal(log_of("wal"), '2');
    assert_int_equal(log_of("wal.old"), 0);
    assert_int_equal(log_of("wal.gone"), 0);
    partition_dir_close(&dir);
}

static void
test_a_second_rebuild_keeps_the_log_before_the_first(void **state)
{
    (void)state;
    struct partition_dir dir;
    open_dir(&dir);
    make_log(dir.wal, "1");
    assert_int_equal(partition_dir_begin_rebuild(&dir, NULL), 0);
    make_log(dir.wal, "2");
    assert_int_equal(partition_dir_begin_rebuild(&dir, NULL), 0);
    assert_int_equal(log_of("wal.old"), '1');
    assert_int_equal(log_of("wal"), 0);
    partition_dir_close(&dir);
}

/* After a crash at any call, the step has happened or not, and the serving log is whole. */
static void
test_F39_a_crash_at_any_call_leaves_the_state_before_or_after_the_step(void **state)
{
    (void)state;
    bool finished = false;
    for (int calls = 0; !finished; calls++) {
        struct partition_dir dir;
        void *directory;
        set_up(&directory);
        open_dir(&dir);
        make_log(dir.wal, "1");
        left = calls;
        struct error err = {0};
        bool begun = partition_dir_begin_rebuild(&dir, &err) == 0;
        if (begun)
            make_log(dir.wal, "2");
        finished = begun && partition_dir_remove_old(&dir, &err) == 0;
        partition_dir_close(&dir);
        left = ENOUGH;
        open_dir(&dir);
        char served = log_of(dir.has_old ? "wal.old" : "wal");
        assert_true(served == '1' || (served == '2' && begun && !dir.has_old));
        assert_int_equal(log_of("wal.gone"), 0);
        partition_dir_close(&dir);
        temporary_directory_teardown(&directory);
    }
}

#define DIR_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, temporary_directory_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(test_a_new_partition_has_no_old_log),
        DIR_TEST(test_a_rebuild_keeps_the_old_log_until_it_is_dropped),
        DIR_TEST(test_a_second_rebuild_keeps_the_log_before_the_first),
        cmocka_unit_test(test_F39_a_crash_at_any_call_leaves_the_state_before_or_after_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
