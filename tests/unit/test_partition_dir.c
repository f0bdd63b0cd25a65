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
test_a_new_partition_has_no_rebuild(void **state)
{
    (void)state;
    struct partition_dir dir;
    open_dir(&dir);
    assert_false(dir.is_rebuilding);
    assert_false(dir.accepts_loss);
    partition_dir_close(&dir);
}

static void
begin_rebuild(struct partition_dir *dir)
{
    open_dir(dir);
    make_log(dir->wal, "1");
    assert_int_equal(partition_dir_begin_rebuild(dir, NULL), 0);
    assert_true(dir->is_rebuilding);
    make_log(dir->rebuilt, "2");
}

static void
test_a_rebuild_keeps_the_serving_log_until_the_swap(void **state)
{
    (void)state;
    struct partition_dir dir;
    begin_rebuild(&dir);
    partition_dir_close(&dir);
    open_dir(&dir);
    assert_true(dir.is_rebuilding);
    assert_int_equal(log_of("wal"), '1');
    assert_int_equal(log_of("wal.new"), '2');
    assert_int_equal(partition_dir_accept_loss(&dir, NULL), 0);
    assert_int_equal(partition_dir_swap(&dir, NULL), 0);
    assert_false(dir.is_rebuilding);
    assert_false(dir.accepts_loss);
    assert_int_equal(log_of("wal"), '2');
    assert_int_equal(log_of("wal.gone"), '1');
    assert_int_equal(partition_dir_sweep(&dir, NULL), 0);
    assert_int_equal(log_of("wal.new"), 0);
    assert_int_equal(log_of("wal.gone"), 0);
    partition_dir_close(&dir);
}

static void
test_F107_a_rebuild_that_is_given_up_leaves_the_serving_log(void **state)
{
    (void)state;
    struct partition_dir dir;
    begin_rebuild(&dir);
    assert_int_equal(partition_dir_accept_loss(&dir, NULL), 0);
    assert_int_equal(partition_dir_end_rebuild(&dir, NULL), 0);
    assert_false(dir.is_rebuilding);
    assert_false(dir.accepts_loss);
    assert_int_equal(log_of("wal"), '1');
    assert_int_equal(log_of("wal.new"), 0);
    partition_dir_close(&dir);
}

static void
test_a_second_rebuild_begins_empty_and_accepts_no_loss(void **state)
{
    (void)state;
    struct partition_dir dir;
    begin_rebuild(&dir);
    assert_int_equal(partition_dir_accept_loss(&dir, NULL), 0);
    assert_int_equal(partition_dir_begin_rebuild(&dir, NULL), 0);
    assert_int_equal(log_of("wal"), '1');
    assert_int_equal(log_of("wal.new"), '-');
    assert_true(dir.is_rebuilding);
    assert_false(dir.accepts_loss);
    partition_dir_close(&dir);
}

static void
test_accepted_loss_survives_a_restart(void **state)
{
    (void)state;
    struct partition_dir dir;
    begin_rebuild(&dir);
    assert_int_equal(partition_dir_accept_loss(&dir, NULL), 0);
    partition_dir_close(&dir);
    open_dir(&dir);
    assert_true(dir.accepts_loss);
    partition_dir_close(&dir);
}

/* As a version before 0.2 leaves it, at each of its steps. */
static void
test_the_directories_of_an_older_version_are_renamed(void **state)
{
    (void)state;
    for (int has_rebuilt = 0; has_rebuilt <= 1; has_rebuilt++) {
        struct partition_dir dir;
        void *directory;
        set_up(&directory);
        char *old = path_of("wal.old");
        char *wal = path_of("wal");
        make_log(old, "1");
        if (has_rebuilt)
            make_log(wal, "2");
        for (int calls = 0; calls < ENOUGH; calls++) {
            char *path = memory_format("%s/p", home);
            left = calls;
            int rc = partition_dir_open(&dir, &dying, path, &(struct error){0});
            free(path);
            if (rc == 0)
                calls = ENOUGH;
            else
                partition_dir_close(&dir);
        }
        assert_int_equal(dir.is_rebuilding, has_rebuilt);
        assert_int_equal(log_of("wal"), '1');
        assert_int_equal(log_of("wal.new"), has_rebuilt ? '2' : 0);
        assert_int_equal(log_of("wal.old"), 0);
        partition_dir_close(&dir);
        free(old);
        free(wal);
        temporary_directory_teardown(&directory);
    }
}

enum ending { GIVEN_UP, SWAPPED, ENDINGS };

/* All steps of a rebuild; `*begun` and `*swapped`: how far they came. */
static bool
make_steps(struct partition_dir *dir, enum ending ending, bool *begun, bool *swapped)
{
    struct error err = {0};
    *begun = partition_dir_begin_rebuild(dir, &err) == 0;
    if (!*begun)
        return false;
    make_log(dir->rebuilt, "2");
    if (partition_dir_accept_loss(dir, &err) != 0)
        return false;
    if (ending == GIVEN_UP)
        return partition_dir_end_rebuild(dir, &err) == 0;
    *swapped = true; /* perhaps */
    return partition_dir_swap(dir, &err) == 0 && partition_dir_sweep(dir, &err) == 0;
}

/* After a crash at any call, the step has happened or not, and the serving log is whole. */
static void
test_F39_a_crash_at_any_call_leaves_the_state_before_or_after_the_step(void **state)
{
    (void)state;
    for (int turn = 0, calls = 0; turn < ENDINGS; calls++) {
        struct partition_dir dir;
        bool begun = false, swapped = false;
        void *directory;
        set_up(&directory);
        open_dir(&dir);
        make_log(dir.wal, "1");
        left = calls;
        bool finished = make_steps(&dir, (enum ending)turn, &begun, &swapped);
        partition_dir_close(&dir);
        left = ENOUGH;
        open_dir(&dir);
        assert_true(log_of("wal") == '1' || (log_of("wal") == '2' && swapped));
        assert_true(!dir.is_rebuilding || log_of("wal") == '1');
        assert_true(dir.is_rebuilding || !dir.accepts_loss);
        assert_int_equal(log_of("wal.gone"), 0);
        assert_true(!finished || log_of("wal") == (turn == SWAPPED ? '2' : '1'));
        partition_dir_close(&dir);
        temporary_directory_teardown(&directory);
        if (finished) {
            turn++;
            calls = -1;
        }
    }
}

#define DIR_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, temporary_directory_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(test_a_new_partition_has_no_rebuild),
        DIR_TEST(test_a_rebuild_keeps_the_serving_log_until_the_swap),
        DIR_TEST(test_F107_a_rebuild_that_is_given_up_leaves_the_serving_log),
        DIR_TEST(test_a_second_rebuild_begins_empty_and_accepts_no_loss),
        DIR_TEST(test_accepted_loss_survives_a_restart),
        cmocka_unit_test(test_the_directories_of_an_older_version_are_renamed),
        cmocka_unit_test(test_F39_a_crash_at_any_call_leaves_the_state_before_or_after_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
