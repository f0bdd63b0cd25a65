#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "consumer/wal/wal.h"
#include "consumer/wal/wal_format.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/random_input.h"
#include "tests/unit/wal_fixture.h"

enum { FRAMES_MAX = 200, STORIES = 5000 };

/* `reason`: a part of the message. */
static void
must_refuse(struct memory_files *memory, const char *reason)
{
    struct error err = {0};
    struct wal *wal;
    size_t replayed;
    assert_int_equal(try_open(memory, ONE_SEGMENT_BYTES, &replayed, &wal, &err), ERR_FATAL);
    if (strstr(err.message, reason) == NULL)
        fail_msg("expected \"%s\", got \"%s\"", reason, err.message);
}

/* The log continues after `count` frames and is whole afterwards. */
static void
must_continue(struct memory_files *memory, int64_t segment_bytes, size_t count)
{
    struct wal *wal = must_open(memory, segment_bytes, count);
    must_append(wal, count, count + 2);
    must_sync(wal);
    wal_close(wal);
    memory_files_crash(memory);
    wal_close(must_open(memory, segment_bytes, count + 2));
}

static void
test_an_empty_log_has_no_offset(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 0);
    assert_int_equal(wal_durable_offset(wal), -1);
    assert_int_equal(wal_bytes(wal), 0);
    wal_close(wal);
    must_continue(memory, ONE_SEGMENT_BYTES, 0);
    memory_files_destroy(memory);
}

static void
test_only_sync_moves_the_durable_offset(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 0);
    must_append(wal, 0, 3);
    assert_int_equal(wal_durable_offset(wal), -1);
    must_sync(wal);
    assert_int_equal(wal_durable_offset(wal), model_next_offset(3));
    int64_t calls = memory_files_calls(memory);
    must_sync(wal); /* nothing to do */
    assert_int_equal(memory_files_calls(memory), calls);
    must_append(wal, 3, 4);
    assert_int_equal(memory_files_calls(memory), calls + 1); /* one write */
    assert_int_equal(wal_durable_offset(wal), model_next_offset(3));
    wal_close(wal);
    memory_files_destroy(memory);
}

static void
test_a_full_segment_is_followed_by_another(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(20, 300);
    size_t segments = 0, frames = 0;
    int64_t bytes = 0;
    for (size_t k = 0; k < 20; k++) {
        struct buffer *content = segment_content(memory, k);
        if (content == NULL)
            continue;
        if (++segments > 1)
            assert_true(frames > 300);
        frames = content->bytes;
        bytes += (int64_t)content->bytes;
    }
    assert_true(segments > 4);
    struct wal *wal = must_open(memory, 300, 20);
    assert_int_equal(wal_bytes(wal), bytes);
    wal_close(wal);
    must_continue(memory, 300, 20);
    memory_files_destroy(memory);
}

/* A frame larger than the window of the reader, and larger than the lowered limit. */
static int
check_large(void *context, const struct wal_frame *frame, struct error *err)
{
    (void)err;
    const uint8_t *payload = frame->payload;
    assert_int_equal(frame->payload_bytes, FRAME_BYTES);
    for (size_t i = 0; i < FRAME_BYTES; i++)
        if (payload[i] != (uint8_t)(i * 7))
            fail_msg("byte %zu", i);
    ++*(size_t *)context;
    return 0;
}

static void
test_large_frames_are_replayed_whole(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 0);
    uint8_t *payload = memory_alloc(FRAME_BYTES);
    for (size_t i = 0; i < FRAME_BYTES; i++)
        payload[i] = (uint8_t)(i * 7);
    for (int64_t k = 0; k < 3; k++) {
        struct wal_frame frame = {k, k + 1, NULL, 0, payload, FRAME_BYTES};
        assert_int_equal(wal_append(wal, &frame, NULL), 0);
    }
    wal_close(wal);
    free(payload);
    struct wal_options options = {DIRECTORY, IDENTITY, 1000, 1000, 0, NULL};
    size_t count = 0;
    assert_int_equal(
        wal_open(memory_files_vtable(memory), &options, check_large, &count, &wal, NULL), 0);
    assert_int_equal(count, 3);
    wal_close(wal);
    memory_files_destroy(memory);
}

static int
abort_replay(void *context, const struct wal_frame *frame, struct error *err)
{
    size_t *frames_left = context;
    (void)frame;
    return (*frames_left)-- == 0 ? error_set(err, ERR_DATA, "the reason") : 0;
}

static void
test_F113_a_replay_that_fails_fails_the_open_with_file_and_byte(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct wal_options options = options_of(ONE_SEGMENT_BYTES);
    struct error err = {0};
    struct wal *wal;
    size_t frames_left = 1;
    char *place =
        memory_format("%020d.wal: byte %d: the reason", 1000, HEADER_BYTES + (int)model_bytes(0));
    assert_int_equal(
        wal_open(memory_files_vtable(memory), &options, abort_replay, &frames_left, &wal, &err),
        ERR_DATA);
    assert_non_null(strstr(err.message, place));
    free(place);
    must_continue(memory, ONE_SEGMENT_BYTES, 3);
    memory_files_destroy(memory);
}

/* How many of the frames end at or before `bytes` of a log in one segment. */
static size_t
frames_within(size_t count, size_t bytes)
{
    int64_t end = HEADER_BYTES;
    for (size_t k = 0; k < count; k++) {
        end += model_bytes(k);
        if (end > (int64_t)bytes)
            return k;
    }
    return count;
}

static void
test_F40_a_tail_torn_at_any_byte_is_cut(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(6, ONE_SEGMENT_BYTES);
    size_t whole = segment_content(memory, 0)->bytes;
    memory_files_destroy(memory);
    for (size_t bytes = HEADER_BYTES; bytes < whole; bytes++) {
        memory = make_log(6, ONE_SEGMENT_BYTES);
        segment_content(memory, 0)->bytes = bytes;
        must_continue(memory, ONE_SEGMENT_BYTES, frames_within(6, bytes));
        memory_files_destroy(memory);
    }
}

/* The header is durable before the file has its name, so no crash leaves such a file. */
static void
test_F40_a_header_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < HEADER_BYTES; bytes++) {
        struct memory_files *memory = make_log(1, ONE_SEGMENT_BYTES);
        segment_content(memory, 0)->bytes = bytes;
        must_refuse(memory, "ends inside the header");
        assert_int_equal(segment_content(memory, 0)->bytes, bytes);
        memory_files_destroy(memory);
    }
}

static void
test_F40_a_tail_of_zeros_is_cut(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(4, ONE_SEGMENT_BYTES);
    size_t whole = segment_content(memory, 0)->bytes;
    memory_files_destroy(memory);
    for (size_t bytes = HEADER_BYTES; bytes <= whole; bytes++) {
        for (size_t zeros = 1; zeros < 5000; zeros = zeros * 3 + 5) {
            memory = make_log(4, ONE_SEGMENT_BYTES);
            struct buffer *content = segment_content(memory, 0);
            content->bytes = bytes;
            memset(buffer_reserve(content, zeros), 0, zeros);
            content->bytes += zeros;
            /* A frame that ended with zeros may be whole again. */
            size_t replayed;
            struct wal *wal;
            struct error err = {0};
            assert_int_equal(try_open(memory, ONE_SEGMENT_BYTES, &replayed, &wal, &err), 0);
            wal_close(wal);
            assert_in_range(replayed, frames_within(4, bytes), frames_within(4, bytes + 7));
            must_continue(memory, ONE_SEGMENT_BYTES, replayed);
            memory_files_destroy(memory);
        }
    }
}

/* Opens a log of `count` frames with one byte changed: only the last frame may be lost. */
static void
check_flip(size_t count, size_t segment, size_t byte, uint8_t mask)
{
    struct memory_files *memory = make_log(count, 250);
    struct buffer *content = segment_content(memory, segment);
    content->data[byte] ^= mask;
    size_t bytes = content->bytes, replayed;
    uint8_t *damaged = memory_alloc(bytes);
    memcpy(damaged, content->data, bytes);
    struct error err = {0};
    struct wal *wal;
    int rc = try_open(memory, 250, &replayed, &wal, &err);
    content = segment_content(memory, segment);
    if (rc == 0) {
        if (replayed != count - 1)
            fail_msg("segment %zu, byte %zu ^ %d: %zu frames", segment, byte, mask, replayed);
        wal_close(wal);
        must_continue(memory, 250, replayed);
    } else {
        assert_int_equal(rc, ERR_FATAL);
        assert_non_null(strstr(err.message, ".wal: byte "));
        assert_int_equal(content->bytes, bytes);
        assert_memory_equal(content->data, damaged, bytes);
    }
    free(damaged);
    memory_files_destroy(memory);
}

/* Each bit, and each byte inverted. Either the log is refused and unchanged, or only its last
 * frame, the damaged one, is lost. */
static void
test_F40_no_flipped_bit_is_accepted(void **state)
{
    (void)state;
    enum { COUNT = 9 };
    struct memory_files *memory = make_log(COUNT, 250);
    size_t bytes[COUNT] = {0}, segments = 0;
    for (size_t k = 0; k < COUNT; k++) {
        if (segment_content(memory, k) != NULL) {
            bytes[k] = segment_content(memory, k)->bytes;
            segments++;
        }
    }
    assert_true(segments >= 3);
    memory_files_destroy(memory);
    for (size_t k = 0; k < COUNT; k++) {
        for (size_t byte = 0; byte < bytes[k]; byte++) {
            for (int bit = 0; bit < 8; bit++)
                check_flip(COUNT, k, byte, (uint8_t)(1 << bit));
            check_flip(COUNT, k, byte, 0xff);
        }
    }
}

static void
test_F40_a_segment_truncated_before_others_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(9, 250);
    size_t whole = segment_content(memory, 0)->bytes;
    memory_files_destroy(memory);
    for (size_t bytes = 0; bytes < whole; bytes++) {
        memory = make_log(9, 250);
        segment_content(memory, 0)->bytes = bytes;
        must_refuse(memory, ".wal: byte ");
        memory_files_destroy(memory);
    }
}

static void
test_F40_damage_before_other_segments_is_refused_with_its_place(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(9, 250);
    struct buffer *content = segment_content(memory, 0);
    char *place = memory_format("%020d.wal: byte %d: a damaged frame, followed by later segments",
                                1000, HEADER_BYTES + (int)model_bytes(0));
    content->data[HEADER_BYTES + model_bytes(0) + 40] ^= 1;
    must_refuse(memory, place);
    free(place);
    memory_files_destroy(memory);

    memory = make_log(9, 250);
    content = segment_content(memory, 0);
    place = memory_format("byte %zu: a damaged frame, followed by later segments", content->bytes);
    buffer_append(content, "more", 4);
    must_refuse(memory, place);
    free(place);
    memory_files_destroy(memory);
}

static void
test_F40_a_whole_frame_in_the_wrong_place_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct buffer *content = segment_content(memory, 0), bytes = {0};
    struct model_frame earlier;
    model_make(1, &earlier);
    wal_frame_encode(&earlier.frame, (uint32_t)content->bytes, &bytes);
    buffer_append(content, bytes.data, bytes.bytes);
    must_refuse(memory, "the frame does not continue the previous frame");
    buffer_free(&bytes);
    memory_files_destroy(memory);
}

static int
count_frame(void *context, const struct wal_frame *frame, struct error *err)
{
    (void)frame;
    (void)err;
    ++*(size_t *)context;
    return 0;
}

/* The next frame may have lower offsets: a replay from the beginning. */
static void
test_a_segment_whose_only_frame_was_cut_is_forgotten(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(1, ONE_SEGMENT_BYTES);
    segment_content(memory, 0)->bytes -= 1;
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 0);
    assert_int_equal(wal_bytes(wal), 0);
    struct wal_frame frame = {.first_offset = 5, .next_offset = 6};
    assert_int_equal(wal_append(wal, &frame, NULL), 0);
    must_sync(wal);
    wal_close(wal);
    memory_files_crash(memory);
    struct wal_options options = options_of(ONE_SEGMENT_BYTES);
    struct error err = {0};
    size_t count = 0;
    if (wal_open(memory_files_vtable(memory), &options, count_frame, &count, &wal, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(count, 1);
    assert_int_equal(wal_durable_offset(wal), 6);
    wal_close(wal);
    memory_files_destroy(memory);
}

static void
test_F40_a_missing_segment_is_refused(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    size_t starts[COUNT], segments = 0;
    struct memory_files *memory = make_log(COUNT, 250);
    for (size_t k = 0; k < COUNT; k++)
        if (segment_content(memory, k) != NULL)
            starts[segments++] = k;
    memory_files_destroy(memory);
    for (size_t i = 0; i + 1 < segments; i++) {
        memory = make_log(COUNT, 250);
        segment_remove(memory, starts[i]);
        must_refuse(memory, "byte 24: the previous segment is missing");
        memory_files_destroy(memory);
    }
    /* Removing the last one leaves no trace: see Limits in wal.h. */
    memory = make_log(COUNT, 250);
    segment_remove(memory, starts[segments - 1]);
    must_continue(memory, 250, starts[segments - 1]);
    memory_files_destroy(memory);
}

/* --- begin_offset and trim ------------------------------------------------------------------- */

enum { LONG = 20, LONG_SEGMENT_BYTES = 250 };

static size_t
count_segments(struct memory_files *memory)
{
    size_t segments = 0;
    for (size_t k = 0; k < FRAMES_MAX; k++)
        segments += segment_content(memory, k) != NULL;
    return segments;
}

static struct wal *
must_open_after(struct memory_files *memory, size_t begin, size_t count)
{
    struct error err = {0};
    struct wal *wal;
    size_t replayed;
    if (try_open_after(memory, LONG_SEGMENT_BYTES, begin, &replayed, &wal, &err) != 0)
        fail_msg("%s", err.message);
    assert_int_equal(replayed, count);
    assert_int_equal(wal_durable_offset(wal), model_next_offset(count));
    return wal;
}

static void
must_refuse_after(struct memory_files *memory, size_t begin, const char *reason)
{
    struct error err = {0};
    struct wal *wal;
    size_t replayed;
    assert_int_equal(try_open_after(memory, LONG_SEGMENT_BYTES, begin, &replayed, &wal, &err),
                     ERR_FATAL);
    if (strstr(err.message, reason) == NULL)
        fail_msg("expected \"%s\", got \"%s\"", reason, err.message);
}

static void
test_only_frames_after_the_begin_offset_are_replayed(void **state)
{
    (void)state;
    for (size_t begin = 0; begin <= LONG; begin++) {
        struct memory_files *memory = make_log(LONG, LONG_SEGMENT_BYTES);
        struct wal *wal = must_open_after(memory, begin, LONG);
        must_append(wal, LONG, LONG + 1);
        must_sync(wal);
        wal_close(wal);
        wal_close(must_open(memory, LONG_SEGMENT_BYTES, LONG + 1)); /* nothing was removed */
        memory_files_destroy(memory);
    }
}

static void
test_L5_a_trimmed_log_reaches_back_to_the_offset_and_keeps_its_last_segment(void **state)
{
    (void)state;
    for (size_t held = 1; held <= LONG; held++) {
        struct memory_files *memory = make_log(LONG, LONG_SEGMENT_BYTES);
        size_t segments = count_segments(memory);
        struct wal *wal = must_open(memory, LONG_SEGMENT_BYTES, LONG);
        int64_t bytes = wal_bytes(wal);
        struct error err = {0};
        assert_int_equal(wal_trim(wal, model_next_offset(held), &err), 0);
        size_t left = count_segments(memory);
        assert_true(left > 0);
        assert_true(held < LONG || left == 1);
        assert_true((left < segments) == (wal_bytes(wal) < bytes));
        must_append(wal, LONG, LONG + 1);
        must_sync(wal);
        bytes = wal_bytes(wal);
        wal_close(wal);
        memory_files_crash(memory);
        wal = must_open_after(memory, held, LONG + 1);
        assert_int_equal(wal_bytes(wal), bytes);
        wal_close(wal);
        if (left < segments)
            must_refuse_after(memory, 0, "byte 24: the previous segment is missing");
        memory_files_destroy(memory);
    }
}

/* Sets `there` to the segments that exist after a power failure at the `call`-th call of a trim;
 * false: the trim makes fewer calls. */
static bool
trim_and_crash(uint64_t seed, int64_t call, bool there[LONG])
{
    struct memory_files *memory = memory_files_create(seed);
    struct wal *wal = must_open(memory, LONG_SEGMENT_BYTES, 0);
    struct error err = {0};
    must_append(wal, 0, LONG);
    must_sync(wal);
    memory_files_fail(memory, call, MEMORY_DEAD);
    wal_trim(wal, model_next_offset(LONG), &err);
    bool failed = memory_files_failed(memory);
    wal_close(wal);
    memory_files_crash(memory);
    for (size_t k = 0; k < LONG; k++)
        there[k] = segment_content(memory, k) != NULL;
    memory_files_destroy(memory);
    return failed;
}

static void
test_F39_a_crash_inside_a_trim_leaves_no_hole(void **state)
{
    (void)state;
    bool begins[LONG], there[LONG];
    trim_and_crash(0, 1, begins); /* nothing was removed */
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (int64_t call = 1; trim_and_crash(seed, call, there); call++) {
            bool found = false;
            for (size_t k = 0; k < LONG; k++) {
                found |= there[k];
                assert_int_equal(there[k], found && begins[k]);
            }
        }
    }
}

/* The frames that were cut are read from the topic again. A state older than `begin` would miss
 * them and is refused. */
static void
test_F40_a_log_that_ends_before_the_begin_offset_continues_there(void **state)
{
    (void)state;
    for (size_t end = 0; end < 8; end++) {
        struct memory_files *memory = make_log(end, LONG_SEGMENT_BYTES);
        size_t begin = 10, replayed;
        struct error err = {0};
        struct wal *wal;
        assert_int_equal(try_open_after(memory, LONG_SEGMENT_BYTES, begin, &replayed, &wal, &err),
                         0);
        assert_int_equal(wal_durable_offset(wal), model_next_offset(begin));
        must_append(wal, begin, LONG);
        must_sync(wal);
        wal_close(wal);
        memory_files_crash(memory);
        wal_close(must_open_after(memory, begin, LONG));
        must_refuse_after(memory, end > 0 ? end : 1, "the previous segment is missing");
        must_refuse_after(memory, 0, "the previous segment is missing");
        memory_files_destroy(memory);
    }
}

static void
test_F40_damage_in_a_skipped_segment_is_found_when_it_is_needed(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(LONG, LONG_SEGMENT_BYTES);
    segment_content(memory, 0)->data[HEADER_BYTES + 3] ^= 1;
    wal_close(must_open_after(memory, LONG - 2, LONG));
    must_refuse_after(memory, 1, "a damaged frame");
    memory_files_destroy(memory);
}

static void
test_a_frame_across_the_begin_offset_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct wal_options options = options_of(ONE_SEGMENT_BYTES);
    struct error err = {0};
    struct wal *wal;
    size_t count = 0;
    options.begin_offset = model_next_offset(2) - 1;
    assert_int_equal(
        wal_open(memory_files_vtable(memory), &options, replay_model, &count, &wal, &err),
        ERR_FATAL);
    assert_non_null(strstr(err.message, "the frame of offsets 1010 to 1019 crosses offset"));
    memory_files_destroy(memory);
}

/* Adds a segment that begins at `first_offset` and names the end of frame 0, with `frame` in it. */
static void
add_segment(struct memory_files *memory, int64_t first_offset, const struct wal_frame *frame)
{
    struct files *files = memory_files_vtable(memory);
    const struct wal_header header = {text_of(IDENTITY), first_offset, model_next_offset(1)};
    struct buffer content = {0}, bytes = {0};
    wal_header_encode(&header, &content);
    if (frame != NULL)
        wal_frame_encode(frame, 0, &bytes);
    buffer_append(&content, bytes.data, bytes.bytes);
    char *path = wal_path(DIRECTORY, first_offset);
    assert_int_equal(files_replace(files, path, content.data, content.bytes, NULL), 0);
    free(path);
    buffer_free(&content);
    buffer_free(&bytes);
}

/* Below the begin offset segments may be missing, but frames still do not overlap. */
static void
test_F40_a_segment_that_overlaps_the_previous_one_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(5, ONE_SEGMENT_BYTES);
    const struct wal_frame frame = {.first_offset = 1035, .next_offset = 1045};
    add_segment(memory, 1035, &frame);
    must_refuse_after(memory, 2, "the frame does not continue the previous frame");
    memory_files_destroy(memory);
}

static void
test_F40_a_segment_without_frames_before_others_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(1, ONE_SEGMENT_BYTES);
    add_segment(memory, 5000, NULL);
    add_segment(memory, 6000, NULL);
    must_refuse_after(memory, 1, "a segment without frames, followed by later segments");
    must_refuse_after(memory, 100, "a segment without frames, followed by later segments");
    memory_files_destroy(memory);
}

static void
test_F40_a_renamed_segment_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct files *files = memory_files_vtable(memory);
    char *from = segment_path(0), *to = segment_path(1);
    assert_int_equal(files->rename(files, from, to, NULL), 0);
    must_refuse(memory, "byte 16: the offset in the header is not the one in the file's name");
    free(from);
    free(to);
    memory_files_destroy(memory);
}

static void
test_F40_a_directory_for_a_segment_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct files *files = memory_files_vtable(memory);
    char *path = segment_path(3);
    assert_int_equal(files->make_directory(files, path, NULL), 0);
    must_refuse(memory, path);
    free(path);
    memory_files_destroy(memory);
}

static void
test_unknown_files_are_ignored_and_leftovers_removed(void **state)
{
    (void)state;
    static const char *const names[] = {"notes.txt",
                                        "1000.wal",
                                        "00000000000000001000.wal.tmp",
                                        "00000000000000001000.wal.tmpx",
                                        "99999999999999999999.wal",
                                        "-0000000000000000001.wal"};
    enum { NAMES = sizeof names / sizeof names[0], LEFTOVER = 2 };
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct files *files = memory_files_vtable(memory);
    for (size_t i = 0; i < NAMES; i++) {
        char *path = memory_format(DIRECTORY "/%s", names[i]);
        files->close(files, files->open(files, path, FILES_CREATE, NULL));
        free(path);
    }
    must_continue(memory, ONE_SEGMENT_BYTES, 3);
    for (size_t i = 0; i < NAMES; i++) {
        char *path = memory_format(DIRECTORY "/%s", names[i]);
        assert_int_equal(memory_files_content(memory, path) == NULL, i == LEFTOVER);
        free(path);
    }
    memory_files_destroy(memory);
}

/* Frames 0 and 1 are synced, frames 2 to 4 are not: any of 2 to 4 may be missing after a crash. */
static void
test_F40_a_hole_in_what_was_never_synced_is_a_torn_tail(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(2, ONE_SEGMENT_BYTES);
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 2);
    size_t third = segment_content(memory, 0)->bytes;
    must_append(wal, 2, 5);
    wal_close(wal);
    segment_content(memory, 0)->data[third + 40] ^= 1;
    must_continue(memory, ONE_SEGMENT_BYTES, 2);
    memory_files_destroy(memory);
}

static void
test_F40_a_hole_in_what_was_synced_is_damage(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(2, ONE_SEGMENT_BYTES);
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 2);
    size_t third = segment_content(memory, 0)->bytes;
    must_append(wal, 2, 4);
    must_sync(wal);
    must_append(wal, 4, 5);
    wal_close(wal);
    char *place = memory_format("byte %zu: a damaged frame, followed by valid frames", third);
    segment_content(memory, 0)->data[third + 40] ^= 1;
    must_refuse(memory, place);
    free(place);
    memory_files_destroy(memory);
}

static void
test_F45_a_second_process_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, ONE_SEGMENT_BYTES, 0);
    struct error err = {0};
    struct wal *second;
    size_t count;
    assert_int_equal(try_open(memory, ONE_SEGMENT_BYTES, &count, &second, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, DIRECTORY));
    must_append(wal, 0, 1); /* the first is unaffected */
    wal_close(wal);
    wal_close(must_open(memory, ONE_SEGMENT_BYTES, 1));
    memory_files_destroy(memory);
}

static void
test_F45_another_identity_is_refused_with_the_difference_and_the_repair(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct wal_options options = options_of(ONE_SEGMENT_BYTES);
    struct error err = {0};
    struct wal *wal;
    size_t count = 0;
    options.identity = "index: shop\ntopic: events\npartition: 0 of 8\nfields: price, tag";
    assert_int_equal(
        wal_open(memory_files_vtable(memory), &options, replay_model, &count, &wal, &err),
        ERR_FATAL);
    assert_int_equal(count, 0);
    assert_string_equal(err.message,
                        "cannot open the write-ahead log in " DIRECTORY ": " DIRECTORY
                        "/00000000000000001000.wal: belongs to another index, topic or "
                        "partition: partition: 0 of 4 in the log, 0 of 8 expected; "
                        "use another data_dir, or delete " DIRECTORY
                        " to rebuild from the topic, if the index has one");
    must_continue(memory, ONE_SEGMENT_BYTES, 3);
    memory_files_destroy(memory);
}

static void
test_another_version_is_refused(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(1, ONE_SEGMENT_BYTES);
    segment_content(memory, 0)->data[8] = WAL_VERSION + 1;
    must_refuse(memory, "byte 8: version 2, this program supports only 1; restore the file"
                        ", or delete");
    memory_files_destroy(memory);
}

/* Whoever changes a byte here changes the format, and increases WAL_VERSION. */
static void
test_the_format_is_these_bytes(void **state)
{
    (void)state;
    static const uint8_t header_bytes[] = {
        0x62, 0x69, 0x74, 0x64, 0x78, 0x57, 0x41, 0x4c, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x6e, 0x61, 0x6d, 0x65, 0xcd, 0xb7, 0x44, 0x64,
    };
    static const uint8_t frame_bytes[] = {
        0x81, 0x4a, 0xaa, 0x35, 0x03, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x60, 0x00,
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x01, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x70, 0x6f, 0x73, 0x64, 0x61, 0x00, 0x00, 0x00,
    };
    struct wal_header header = {{"name", 4}, 256, 255};
    struct wal_frame frame = {256, 265, "pos", 3, "da", 2};
    struct buffer out = {0};
    wal_header_encode(&header, &out);
    assert_int_equal(out.bytes, sizeof header_bytes);
    assert_memory_equal(out.data, header_bytes, sizeof header_bytes);
    wal_frame_encode(&frame, 0x60, &out);
    assert_int_equal(out.bytes, sizeof frame_bytes);
    assert_memory_equal(out.data, frame_bytes, sizeof frame_bytes);
    buffer_free(&out);
}

/* A log and the frames that were appended to it and reported as durable. */
struct story {
    struct memory_files *memory;
    uint64_t random;
    int64_t segment_bytes;
    size_t appended;
    size_t durable;
    uint64_t trims_in_8;
    size_t held; /* frames that a checkpoint holds, so that the log may be trimmed to them */
};

/* A new segment syncs the previous one, so more may be durable than was synced explicitly. */
static void
story_note_durable(struct story *story, const struct wal *wal)
{
    while (model_next_offset(story->durable) < wal_durable_offset(wal))
        story->durable++;
    assert_int_equal(wal_durable_offset(wal), model_next_offset(story->durable));
}

/* Moves the checkpoint towards the durable offset and trims the log to it. */
static int
story_trim(struct story *story, struct wal *wal, struct error *err)
{
    story->held += memory_files_random(&story->random) % (story->durable - story->held + 1);
    return wal_trim(wal, model_next_offset(story->held), err);
}

/* Opens, appends and syncs until a call fails or the log has `count` frames. */
static int
story_work(struct story *story, size_t count, uint64_t syncs_in_8)
{
    struct error err = {0};
    struct wal *wal;
    size_t replayed;
    int rc =
        try_open_after(story->memory, story->segment_bytes, story->held, &replayed, &wal, &err);
    if (rc != 0)
        return rc;
    assert_in_range(replayed, story->durable, story->appended);
    story->durable = story->appended = replayed;
    while (rc == 0 && story->appended < count) {
        rc = try_append(wal, story->appended++, &err); /* a frame whose append failed may exist */
        if (rc == 0 && memory_files_random(&story->random) % 8 < syncs_in_8) {
            rc = wal_sync(wal, &err);
            if (rc == 0)
                assert_int_equal(wal_durable_offset(wal), model_next_offset(story->appended));
        }
        story_note_durable(story, wal);
        if (rc == 0 && memory_files_random(&story->random) % 8 < story->trims_in_8)
            rc = story_trim(story, wal, &err);
    }
    if (rc != 0) {
        assert_int_equal(try_append(wal, story->appended, &err), ERR_FATAL);
        assert_int_equal(wal_sync(wal, &err), ERR_FATAL);
    }
    wal_close(wal);
    return rc;
}

/* Every call fails in turn, in every way; then the process is killed or the power fails. */
static void
test_F41_a_failed_call_is_final_and_loses_nothing(void **state)
{
    (void)state;
    for (int fault = MEMORY_EIO; fault <= MEMORY_DEAD; fault++) {
        int64_t call = 0;
        for (bool failed = true; failed; call++) {
            struct story story = {memory_files_create((uint64_t)call), 1, 250, 0, 0, 0, 0};
            assert_int_equal(story_work(&story, 3, 8), 0);
            memory_files_fail(story.memory, call + 1, (enum memory_fault)fault);
            int rc = story_work(&story, 12, 4);
            failed = memory_files_failed(story.memory);
            assert_int_equal(rc, failed ? ERR_FATAL : 0);
            if (call % 2 == 0)
                memory_files_crash(story.memory);
            else
                memory_files_kill(story.memory);
            assert_int_equal(story_work(&story, story.appended + 3, 8), 0);
            memory_files_destroy(story.memory);
        }
        assert_true(call > 20);
    }
}

/* Killed after a write, opened again, then a power failure: replayed frames are kept. */
static void
test_F39_what_is_replayed_is_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct story story = {memory_files_create(seed), seed, 250, 0, 0, 0, 0};
        assert_int_equal(story_work(&story, 10, 0), 0);
        memory_files_kill(story.memory);
        wal_close(must_open(story.memory, 250, 10));
        memory_files_crash(story.memory);
        wal_close(must_open(story.memory, 250, 10));
        memory_files_destroy(story.memory);
    }
}

/* One log through many processes, each ended at a random call by a kill or a power failure. */
static void
crash_story(uint64_t seed)
{
    struct story story = {memory_files_create(seed), seed, 0, 0, 0, 0, 0};
    for (int process = 0; process < 12; process++) {
        uint64_t syncs_in_8 = memory_files_random(&story.random) % 9;
        size_t count = story.appended + memory_files_random(&story.random) % 12;
        story.trims_in_8 = memory_files_random(&story.random) % 5;
        story.segment_bytes = 1 + (int64_t)(memory_files_random(&story.random) % 800);
        memory_files_fail(story.memory, 1 + (int64_t)(memory_files_random(&story.random) % 40),
                          MEMORY_DEAD);
        int rc = story_work(&story, count < FRAMES_MAX ? count : FRAMES_MAX, syncs_in_8);
        if (rc != (memory_files_failed(story.memory) ? ERR_FATAL : 0))
            fail_msg("process %d: %d", process, rc);
        if (memory_files_random(&story.random) % 3 == 0)
            memory_files_kill(story.memory);
        else
            memory_files_crash(story.memory);
    }
    if (story_work(&story, story.appended + 1, 8) != 0)
        fail_msg("the log does not open");
    memory_files_destroy(story.memory);
}

static void
test_F39_F40_F41_crashes_leave_a_prefix_with_all_synced_frames(void **state)
{
    (void)state;
    while (random_round(1)) {
        for (int stories = 0; stories < STORIES; stories++)
            crash_story(random_next());
    }
}

static void
test_the_real_file_system_keeps_a_log(void **state)
{
    char *directory = memory_format("%s/events-0/wal", (char *)*state);
    struct wal_options options = {directory, IDENTITY, 250, FRAME_BYTES, 0, NULL};
    struct error err = {0};
    struct wal *wal, *second;
    for (size_t round = 0; round < 3; round++) {
        size_t count = 0;
        if (wal_open(files_posix(), &options, replay_model, &count, &wal, &err) != 0)
            fail_msg("%s", err.message);
        assert_int_equal(count, round * 5);
        assert_int_equal(wal_open(files_posix(), &options, replay_model, &count, &second, &err),
                         ERR_USAGE);
        assert_non_null(strstr(err.message, directory));
        must_append(wal, round * 5, round * 5 + 5);
        must_sync(wal);
        wal_close(wal);
    }
    free(directory);
}

int
main(void)
{
    log_set_level(LOG_ERROR); /* cuts are reported as warnings, by the thousand */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_log_has_no_offset),
        cmocka_unit_test(test_only_sync_moves_the_durable_offset),
        cmocka_unit_test(test_a_full_segment_is_followed_by_another),
        cmocka_unit_test(test_large_frames_are_replayed_whole),
        cmocka_unit_test(test_F113_a_replay_that_fails_fails_the_open_with_file_and_byte),
        cmocka_unit_test(test_F40_a_tail_torn_at_any_byte_is_cut),
        cmocka_unit_test(test_F40_a_header_cut_at_any_byte_is_refused),
        cmocka_unit_test(test_F40_a_tail_of_zeros_is_cut),
        cmocka_unit_test(test_F40_no_flipped_bit_is_accepted),
        cmocka_unit_test(test_F40_a_segment_truncated_before_others_is_refused),
        cmocka_unit_test(test_F40_damage_before_other_segments_is_refused_with_its_place),
        cmocka_unit_test(test_F40_a_whole_frame_in_the_wrong_place_is_refused),
        cmocka_unit_test(test_a_segment_whose_only_frame_was_cut_is_forgotten),
        cmocka_unit_test(test_F40_a_missing_segment_is_refused),
        cmocka_unit_test(test_only_frames_after_the_begin_offset_are_replayed),
        cmocka_unit_test(
            test_L5_a_trimmed_log_reaches_back_to_the_offset_and_keeps_its_last_segment),
        cmocka_unit_test(test_F39_a_crash_inside_a_trim_leaves_no_hole),
        cmocka_unit_test(test_F40_a_log_that_ends_before_the_begin_offset_continues_there),
        cmocka_unit_test(test_F40_damage_in_a_skipped_segment_is_found_when_it_is_needed),
        cmocka_unit_test(test_a_frame_across_the_begin_offset_is_refused),
        cmocka_unit_test(test_F40_a_segment_that_overlaps_the_previous_one_is_refused),
        cmocka_unit_test(test_F40_a_segment_without_frames_before_others_is_refused),
        cmocka_unit_test(test_F40_a_renamed_segment_is_refused),
        cmocka_unit_test(test_F40_a_directory_for_a_segment_is_refused),
        cmocka_unit_test(test_F40_a_hole_in_what_was_never_synced_is_a_torn_tail),
        cmocka_unit_test(test_F40_a_hole_in_what_was_synced_is_damage),
        cmocka_unit_test(test_unknown_files_are_ignored_and_leftovers_removed),
        cmocka_unit_test(test_F45_a_second_process_is_refused),
        cmocka_unit_test(test_F45_another_identity_is_refused_with_the_difference_and_the_repair),
        cmocka_unit_test(test_another_version_is_refused),
        cmocka_unit_test(test_the_format_is_these_bytes),
        cmocka_unit_test(test_F41_a_failed_call_is_final_and_loses_nothing),
        cmocka_unit_test(test_F39_what_is_replayed_is_durable),
        cmocka_unit_test(test_F39_F40_F41_crashes_leave_a_prefix_with_all_synced_frames),
        cmocka_unit_test_setup_teardown(test_the_real_file_system_keeps_a_log,
                                        temporary_directory_setup, temporary_directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
