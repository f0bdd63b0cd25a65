/* Checkpoints on a file system that fails, and that loses what was not synced. */
#include "tests/unit/unit_test.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer/checkpoint/checkpoint_copy.h"

#include "consumer/checkpoint/checkpoint_read.h"
#include "consumer/checkpoint/checkpoint_thin.h"
#include "consumer/checkpoint/checkpoint_write.h"
#include "tests/support/memory_files.h"
#include "tests/support/thread_limit.h"

static const char directory[] = "d/checkpoint";
static const char identity[] = "index: gallery\n";

enum { SMALL_BYTES = 100, LARGE_BYTES = (5 << 20) / 2 };

static struct memory_files *memory;
static struct checkpoint_place place;

static int
set_up(void **state)
{
    (void)state;
    memory = memory_files_create(7);
    place = (struct checkpoint_place){memory_files_vtable(memory), directory, text_of(identity)};
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    memory_files_destroy(memory);
    return 0;
}

/* Byte `i` of the state at `offset`. */
static uint8_t
state_byte(int64_t offset, size_t i)
{
    return (uint8_t)(offset * 31 + (int64_t)(i * i));
}

/* Forks of the system; it refuses them while this is set. */
static bool forks_are_refused;

pid_t
_Fork(void)
{
    static pid_t (*next)(void);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "_Fork");
    errno = ENOMEM;
    return forks_are_refused ? -1 : next();
}

/* Passes the state in pieces of many sizes. */
static void
save_pieces(void *context, struct checkpoint_writer *writer)
{
    const struct text *state = context;
    for (size_t at = 0, piece = 1; at < state->bytes; at += piece, piece = piece * 3 + 1) {
        if (piece > state->bytes - at)
            piece = state->bytes - at;
        checkpoint_write(writer, state->data + at, piece);
    }
}

/* What becomes of the memory afterwards is not written. */
static void
write_pieces(struct checkpoint_writer *writer, int64_t offset, size_t bytes)
{
    char *bytes_of_state = memory_alloc(bytes + 1);
    struct text state = {bytes_of_state, bytes};
    for (size_t i = 0; i < bytes; i++)
        bytes_of_state[i] = (char)state_byte(offset, i);
    checkpoint_take(writer, save_pieces, &state);
    memset(bytes_of_state, 0, bytes + 1);
    free(bytes_of_state);
}

static const struct checkpoint_doomed none;

/* All but the newest two, when `added` is written. */
static struct checkpoint_doomed
doomed_by(int64_t added)
{
    struct checkpoint_doomed doomed = none;
    const struct checkpoint_keep newest = {.keep_us = 0};
    struct checkpoint_point points[CHECKPOINTS_MAX] = {{.next_offset = added}};
    int64_t offsets[CHECKPOINTS_MAX];
    struct error ignored;
    int count = 1, listed = checkpoint_list(&place, offsets, &ignored);
    for (int i = 0; i < listed; i++)
        if (offsets[i] < added)
            points[count++] = (struct checkpoint_point){.next_offset = offsets[i]};
    checkpoint_thin(points, count, &newest, &doomed);
    return doomed;
}

static int
write_state(int64_t offset, size_t bytes, struct error *err)
{
    struct checkpoint_writer *writer;
    int64_t file_bytes;
    const struct checkpoint_doomed doomed = doomed_by(offset);
    int rc = checkpoint_begin(&place, offset, text_of("position"), &doomed, &writer, err);
    if (rc != 0)
        return rc;
    write_pieces(writer, offset, bytes);
    rc = checkpoint_finish(writer, &file_bytes, err);
    if (rc == 0)
        assert_true(file_bytes > (int64_t)bytes);
    return rc;
}

static int
read_state(int64_t offset, size_t bytes, struct error *err)
{
    struct checkpoint_reader reader;
    int rc = checkpoint_open(&place, offset, &reader, err);
    if (rc != 0)
        return rc;
    assert_true(text_is(reader.position, "position"));
    struct text data;
    size_t read = 0;
    while (rc == 0 && read < bytes && (rc = checkpoint_next(&reader, &data, err)) == 0)
        for (size_t i = 0; i < data.bytes; i++)
            assert_int_equal((uint8_t)data.data[i], state_byte(offset, read++));
    if (rc == 0)
        rc = read == bytes ? checkpoint_check_end(&reader, err)
                           : error_set(err, ERR_DATA, "more than was written");
    checkpoint_close(&reader);
    return rc;
}

static struct buffer *
content_of(int64_t offset)
{
    char *path = memory_format("%s/%020lld.checkpoint", directory, (long long)offset);
    struct buffer *content = memory_files_content(memory, path);
    free(path);
    return content;
}

static void
test_what_was_written_is_read_back(void **state)
{
    (void)state;
    struct error err = {0};
    static const size_t sizes[] = {0, 1, SMALL_BYTES, 1 << 20, LARGE_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(write_state((int64_t)i, sizes[i], &err), 0);
        if (read_state((int64_t)i, sizes[i], &err) != 0)
            fail_msg("%s", err.message);
    }
}

static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;
static int (*write_unblocked)(struct files *files, int handle, const void *data, size_t bytes,
                              int64_t offset, struct error *err);

static int
write_when_unlocked(struct files *files, int handle, const void *data, size_t bytes, int64_t offset,
                    struct error *err)
{
    pthread_mutex_lock(&disk);
    pthread_mutex_unlock(&disk);
    return write_unblocked(files, handle, data, bytes, offset, err);
}

static void
test_the_caller_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    struct error err = {0};
    struct checkpoint_writer *writer;
    int64_t bytes;
    write_unblocked = place.files->write_at;
    place.files->write_at = write_when_unlocked;
    assert_int_equal(checkpoint_begin(&place, 1, text_of("position"), &none, &writer, &err), 0);
    pthread_mutex_lock(&disk);
    write_pieces(writer, 1, LARGE_BYTES);
    assert_false(checkpoint_is_done(writer));
    pthread_mutex_unlock(&disk);
    assert_int_equal(checkpoint_finish(writer, &bytes, &err), 0);
    assert_int_equal(read_state(1, LARGE_BYTES, &err), 0);
}

static struct checkpoint_writer *
begin_small(const struct checkpoint_place *at)
{
    struct checkpoint_writer *writer;
    struct error err = {0};
    assert_int_equal(checkpoint_begin(at, 1, text_of("position"), &none, &writer, &err), 0);
    return writer;
}

static void
finish(struct checkpoint_writer *writer)
{
    struct error err = {0};
    int64_t bytes;
    assert_int_equal(checkpoint_finish(writer, &bytes, &err), 0);
}

static void
test_without_a_copy_of_the_process_the_state_is_copied_in_memory(void **state)
{
    (void)state;
    struct error err = {0};
    forks_are_refused = true;
    int rc = write_state(1, LARGE_BYTES, &err);
    forks_are_refused = false;
    assert_int_equal(rc, 0);
    assert_int_equal(read_state(1, LARGE_BYTES, &err), 0);
    assert_false(checkpoint_copy_exists());
}

static void
test_of_two_checkpoints_one_has_the_copy(void **state)
{
    (void)state;
    struct error err = {0};
    struct memory_files *own = memory_files_create(7); /* each writer has a thread */
    struct checkpoint_place other = place;
    other.files = memory_files_vtable(own);
    write_unblocked = place.files->write_at;
    place.files->write_at = write_when_unlocked;
    struct checkpoint_writer *first = begin_small(&place), *second = begin_small(&other);
    pthread_mutex_lock(&disk);
    write_pieces(first, 1, LARGE_BYTES);
    assert_true(checkpoint_copy_exists());
    write_pieces(second, 1, LARGE_BYTES);
    pthread_mutex_unlock(&disk);
    finish(first);
    finish(second);
    assert_false(checkpoint_copy_exists());
    assert_int_equal(read_state(1, LARGE_BYTES, &err), 0);
    place = other;
    assert_int_equal(read_state(1, LARGE_BYTES, &err), 0);
    memory_files_destroy(own);
}

/* In the copy only. */
static void
save_and_be_killed(void *context, struct checkpoint_writer *writer)
{
    checkpoint_write(writer, "begun", 5);
    if (getpid() != *(pid_t *)context)
        raise(SIGKILL);
}

static void
test_F39_a_copy_that_is_killed_leaves_the_previous_checkpoint(void **state)
{
    (void)state;
    struct error err = {0};
    struct checkpoint_writer *writer;
    int64_t bytes;
    pid_t self = getpid();
    assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
    assert_int_equal(checkpoint_begin(&place, 2, text_of("position"), &none, &writer, &err), 0);
    checkpoint_take(writer, save_and_be_killed, &self);
    assert_int_equal(checkpoint_finish(writer, &bytes, &err), ERR_RETRY);
    assert_non_null(strstr(err.message, "ended by signal 9"));
    assert_int_equal(read_state(2, 5, &err), ERR_DATA);
    assert_int_equal(read_state(1, SMALL_BYTES, &err), 0);
    assert_int_equal(write_state(2, SMALL_BYTES, &err), 0);
    assert_int_equal(read_state(2, SMALL_BYTES, &err), 0);
}

/* The copy would send without end. */
static void
save_for_ever(void *context, struct checkpoint_writer *writer)
{
    static const char data[4096];
    (void)context;
    for (;;)
        checkpoint_write(writer, data, sizeof data);
}

static void
test_F41_a_full_disk_ends_the_copy(void **state)
{
    (void)state;
    struct error err = {0};
    struct checkpoint_writer *writer;
    int64_t bytes;
    memory_files_fail(memory, 5, MEMORY_EIO);
    assert_int_equal(checkpoint_begin(&place, 1, text_of("position"), &none, &writer, &err), 0);
    checkpoint_take(writer, save_for_ever, NULL);
    assert_int_not_equal(checkpoint_finish(writer, &bytes, &err), 0);
    assert_false(checkpoint_copy_exists());
}

static void
test_F113_a_limit_on_threads_fails_the_checkpoint(void **state)
{
    (void)state;
    struct error err = {0};
    struct checkpoint_writer *writer;
    thread_limit_set();
    assert_int_equal(checkpoint_begin(&place, 1, text_of("position"), &none, &writer, &err),
                     ERR_FATAL);
    thread_limit_clear();
    assert_non_null(strstr(err.message, "could not start thread \"checkpoint\""));
    assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
}

static void
test_the_newest_two_are_kept(void **state)
{
    (void)state;
    struct error err = {0};
    int64_t offsets[CHECKPOINTS_MAX];
    assert_int_equal(checkpoint_list(&place, offsets, &err), 0);
    for (int64_t offset = 8; offset < 12; offset++)
        assert_int_equal(write_state(offset, SMALL_BYTES, &err), 0);
    assert_int_equal(checkpoint_list(&place, offsets, &err), CHECKPOINTS_KEPT);
    assert_int_equal(offsets[0], 11);
    assert_int_equal(offsets[1], 10);
    assert_int_equal(checkpoint_remove(&place, 11, &err), 0);
    assert_int_equal(checkpoint_list(&place, offsets, &err), 1);
}

static void
test_other_files_are_not_listed(void **state)
{
    (void)state;
    static const char *const names[] = {
        "new", "5.checkpoint", "00000000000000000005.checkpoint.tmp",
        "99999999999999999999.checkpoint", "-0000000000000000005.checkpoint"};
    struct error err = {0};
    int64_t offsets[CHECKPOINTS_MAX];
    assert_int_equal(write_state(7, SMALL_BYTES, &err), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = memory_format("%s/%s", directory, names[i]);
        place.files->close(place.files, place.files->open(place.files, path, FILES_CREATE, &err));
        free(path);
    }
    assert_int_equal(checkpoint_list(&place, offsets, &err), 1);
    assert_int_equal(offsets[0], 7);
}

static void
test_F40_no_flipped_bit_is_accepted(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
    struct buffer *content = content_of(1);
    for (size_t bit = 0; bit < content->bytes * 8; bit++) {
        content->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(read_state(1, SMALL_BYTES, &err), ERR_DATA);
        content->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(read_state(1, SMALL_BYTES, &err), 0);
}

static void
test_F40_a_file_cut_at_any_byte_or_too_long_is_found(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
    struct buffer *content = content_of(1);
    size_t whole = content->bytes;
    for (content->bytes = 0; content->bytes < whole; content->bytes++)
        assert_int_equal(read_state(1, SMALL_BYTES, &err), ERR_DATA);
    assert_int_equal(read_state(1, SMALL_BYTES, &err), 0);
    buffer_append(content, "", 1);
    assert_int_equal(read_state(1, SMALL_BYTES, &err), ERR_DATA);
}

static void
test_reading_less_or_more_than_the_state_is_an_error(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
    assert_int_equal(read_state(1, SMALL_BYTES - 1, &err), ERR_DATA);
    assert_int_equal(read_state(1, SMALL_BYTES + 1, &err), ERR_DATA);
}

static void
test_F45_a_checkpoint_of_another_identity_is_not_usable(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
    place.identity = text_of("index: another\n");
    assert_int_equal(read_state(1, SMALL_BYTES, &err), ERR_DATA);
}

static void
test_F41_a_failed_call_leaves_the_previous_checkpoint(void **state)
{
    (void)state;
    bool failed = true;
    for (int64_t call = 1; failed; call++) {
        struct error err = {0};
        set_up(NULL);
        assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
        memory_files_fail(memory, call, (enum memory_fault)(call % 3));
        int rc = write_state(2, SMALL_BYTES, &err);
        failed = memory_files_failed(memory);
        assert_true(failed || rc == 0);
        memory_files_fail(memory, 0, MEMORY_EIO);
        assert_int_equal(read_state(1, SMALL_BYTES, &err), 0);
        assert_int_equal(write_state(3, SMALL_BYTES, &err), 0);
        assert_int_equal(read_state(3, SMALL_BYTES, &err), 0);
        tear_down(NULL);
    }
    set_up(NULL);
}

static void
test_F39_a_crash_at_any_call_leaves_whole_checkpoints(void **state)
{
    (void)state;
    bool failed = true;
    for (int64_t call = 1; failed; call++) {
        struct error err = {0};
        int64_t offsets[CHECKPOINTS_MAX];
        set_up(NULL);
        assert_int_equal(write_state(1, SMALL_BYTES, &err), 0);
        memory_files_fail(memory, call, MEMORY_DEAD);
        int rc = write_state(2, SMALL_BYTES, &err);
        failed = memory_files_failed(memory);
        memory_files_crash(memory);
        int count = checkpoint_list(&place, offsets, &err);
        assert_true(count >= 1);
        assert_true(rc != 0 || offsets[0] == 2);
        for (int i = 0; i < count; i++)
            assert_int_equal(read_state(offsets[i], SMALL_BYTES, &err), 0);
        tear_down(NULL);
    }
    set_up(NULL);
}

static void
test_the_format_is_these_bytes(void **state)
{
    (void)state;
    struct error err = {0};
    place.identity = text_of("id");
    assert_int_equal(write_state(2, 3, &err), 0);
    static const char golden[] = "bitdxCKP\x01\0\0\0\x02\0\0\0\x08\0\0\0"
                                 "\x02\0\0\0\0\0\0\0idposition"
                                 "****\x03\0\0\0****>\x3f"
                                 "B\0\0\0\0****"; /* stars: checksums */
    const struct buffer *content = content_of(2);
    assert_int_equal(content->bytes, sizeof golden - 1);
    for (size_t i = 0; i < content->bytes; i++)
        if (golden[i] != '*')
            assert_int_equal(content->data[i], golden[i]);
}

#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(test_what_was_written_is_read_back),
        PLACE_TEST(test_the_caller_does_not_wait_for_the_disk),
        PLACE_TEST(test_without_a_copy_of_the_process_the_state_is_copied_in_memory),
        PLACE_TEST(test_of_two_checkpoints_one_has_the_copy),
        PLACE_TEST(test_F39_a_copy_that_is_killed_leaves_the_previous_checkpoint),
        PLACE_TEST(test_F41_a_full_disk_ends_the_copy),
        PLACE_TEST(test_F113_a_limit_on_threads_fails_the_checkpoint),
        PLACE_TEST(test_the_newest_two_are_kept),
        PLACE_TEST(test_other_files_are_not_listed),
        PLACE_TEST(test_F40_no_flipped_bit_is_accepted),
        PLACE_TEST(test_F40_a_file_cut_at_any_byte_or_too_long_is_found),
        PLACE_TEST(test_reading_less_or_more_than_the_state_is_an_error),
        PLACE_TEST(test_F45_a_checkpoint_of_another_identity_is_not_usable),
        cmocka_unit_test_teardown(test_F41_a_failed_call_leaves_the_previous_checkpoint, tear_down),
        cmocka_unit_test_teardown(test_F39_a_crash_at_any_call_leaves_whole_checkpoints, tear_down),
        PLACE_TEST(test_the_format_is_these_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
