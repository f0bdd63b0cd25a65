#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/wal/wal_scan.h"
#include "tests/unit/wal_fixture.h"

enum { SEGMENT_BYTES = 250, FRAMES = 20, SEGMENTS_MAX = FRAMES };

/* What a scan reported. */
struct walk {
    struct memory_files *memory;
    size_t frames;     /* of the model, from the first one */
    size_t frames_max; /* ends the scan at so many frames; 0: never */
    struct wal_segment segments[SEGMENTS_MAX];
    size_t segment_count;
    char problems[4][ERROR_MESSAGE_BYTES];
    size_t problem_count;
    struct buffer unknown; /* names, each with a space after it */
    size_t remove_at;      /* after so many frames ... */
    size_t removed;        /* ... this segment is removed; 0: none */
    int64_t begin_offset;
};

static int
walk_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
           struct error *err)
{
    struct walk *walk = context;
    (void)err;
    assert_true(segment->end_bytes >= HEADER_BYTES && segment->end_bytes < segment->bytes);
    assert_true(frame->first_offset >= segment->next_offset);
    if (walk->problem_count == 0 && walk->begin_offset == 0) /* else frames may be missing */
        model_check(walk->frames, frame);
    walk->frames++;
    if (walk->removed != 0 && walk->frames == walk->remove_at)
        segment_remove(walk->memory, walk->removed);
    return walk->frames == walk->frames_max ? 1 : 0;
}

static int
walk_segment(void *context, const struct wal_segment *segment, struct error *err)
{
    struct walk *walk = context;
    (void)err;
    assert_true(walk->segment_count < SEGMENTS_MAX);
    walk->segments[walk->segment_count++] = *segment;
    return 0;
}

static int
walk_problem(void *context, const struct wal_segment *segment, const struct error *problem)
{
    struct walk *walk = context;
    assert_true(walk->problem_count < 4);
    assert_memory_equal(problem->message, segment->path, strlen(segment->path));
    memcpy(walk->problems[walk->problem_count++], problem->message, sizeof problem->message);
    return 0;
}

static int
walk_unknown(void *context, const char *name, struct error *err)
{
    struct walk *walk = context;
    (void)err;
    buffer_append_format(&walk->unknown, "%s ", name);
    return 0;
}

static int
walk_log(struct memory_files *memory, struct walk *walk, struct error *err)
{
    const struct wal_visitor visitor = {
        .context = walk,
        .unknown = walk_unknown,
        .frame = walk_frame,
        .segment = walk_segment,
        .problem = walk_problem,
    };
    walk->memory = memory;
    const struct wal_place place = {memory_files_vtable(memory), DIRECTORY, text_of(IDENTITY),
                                    walk->begin_offset};
    return wal_scan(&place, &visitor, err);
}

static void
must_walk(struct memory_files *memory, struct walk *walk)
{
    struct error err = {0};
    if (walk_log(memory, walk, &err) != 0)
        fail_msg("%s", err.message);
}

/* The frame that begins the n-th segment. */
static size_t
start_of(struct memory_files *memory, size_t n)
{
    for (size_t k = 0; k < FRAMES; k++)
        if (segment_content(memory, k) != NULL && n-- == 0)
            return k;
    fail_msg("no such segment");
    return 0;
}

static void
test_segments_and_frames_are_reported_in_order(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    struct walk walk = {0};
    must_walk(memory, &walk);
    assert_int_equal(walk.frames, FRAMES);
    assert_true(walk.segment_count > 4);
    assert_int_equal(walk.unknown.bytes, 0);
    size_t frames = 0;
    for (size_t i = 0; i < walk.segment_count; i++) {
        const struct wal_segment *segment = &walk.segments[i];
        assert_int_equal(segment->first_offset, 1000 + 10 * frames);
        frames += (size_t)segment->frames;
        assert_int_equal(segment->next_offset, model_next_offset(frames));
        assert_int_equal(segment->end_bytes, segment->bytes);
        assert_int_equal(segment->is_last, i + 1 == walk.segment_count);
    }
    assert_int_equal(frames, FRAMES);
    memory_files_destroy(memory);
}

/* With any tail, with other files in the directory, and with the lock held. */
static void
test_F40_a_scan_changes_nothing(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(6, ONE_SEGMENT_BYTES);
    struct files *files = memory_files_vtable(memory);
    size_t whole = segment_content(memory, 0)->bytes;
    struct wal *owner = must_open(memory, ONE_SEGMENT_BYTES, 6); /* the lock is held */
    char *leftover = memory_format(DIRECTORY "/%020d.wal.tmp", 5000);
    files->close(files, files->open(files, leftover, FILES_CREATE, NULL));
    for (size_t bytes = HEADER_BYTES; bytes <= whole; bytes++) {
        struct walk walk = {0};
        segment_content(memory, 0)->bytes = bytes;
        must_walk(memory, &walk);
        assert_int_equal(segment_content(memory, 0)->bytes, bytes);
        assert_non_null(memory_files_content(memory, leftover));
        assert_string_equal(buffer_string(&walk.unknown), "00000000000000005000.wal.tmp ");
        buffer_free(&walk.unknown);
        assert_int_equal(walk.segment_count, 1);
        assert_int_equal(walk.segments[0].bytes, bytes);
        int64_t end_bytes = HEADER_BYTES;
        for (size_t k = 0; k < walk.frames; k++)
            end_bytes += model_bytes(k);
        assert_int_equal(walk.segments[0].end_bytes, end_bytes);
        assert_in_range(bytes - (size_t)end_bytes, 0, model_bytes(walk.frames) - 1);
    }
    free(leftover);
    wal_close(owner);
    memory_files_destroy(memory);
}

/* One scan after every write of the owner. */
static void
test_F40_a_scan_beside_the_owner_sees_all_whole_frames(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, SEGMENT_BYTES, 0);
    for (size_t k = 0; k < FRAMES; k++) {
        must_append(wal, k, k + 1);
        struct walk walk = {0};
        must_walk(memory, &walk);
        assert_int_equal(walk.frames, k + 1);
    }
    wal_close(wal);
    memory_files_destroy(memory);
}

static void
test_a_segment_that_is_removed_meanwhile_is_skipped(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t segments = 0;
    for (size_t k = 0; k < FRAMES; k++)
        segments += segment_content(memory, k) != NULL;
    size_t last = start_of(memory, segments - 1);
    struct walk walk = {.remove_at = 1, .removed = last};
    must_walk(memory, &walk);
    assert_int_equal(walk.frames, last);
    assert_int_equal(walk.problem_count, 0);
    assert_int_equal(walk.segment_count, segments - 1);
    memory_files_destroy(memory);
}

static void
test_F40_every_segment_with_a_problem_is_reported(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t second = start_of(memory, 1), third = start_of(memory, 2), fourth = start_of(memory, 3);
    size_t fifth = start_of(memory, 4);
    segment_content(memory, second)->data[HEADER_BYTES + 5] ^= 1;
    segment_content(memory, fourth)->data[1] ^= 1;
    struct walk walk = {0};
    must_walk(memory, &walk);
    assert_int_equal(walk.problem_count, 2);
    char *place =
        memory_format("%020zu.wal: byte %d: a damaged frame", 1000 + 10 * second, HEADER_BYTES);
    assert_non_null(strstr(walk.problems[0], place));
    assert_non_null(strstr(walk.problems[1], "byte 0: the file is not a segment"));
    assert_non_null(strstr(walk.problems[1], "or delete " DIRECTORY " to rebuild from the topic"));
    assert_int_equal(walk.frames, second + (fourth - third) + (FRAMES - fifth));
    free(place);
    memory_files_destroy(memory);
}

static void
test_F40_every_missing_segment_is_reported(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t second = start_of(memory, 1), fifth = start_of(memory, 4);
    segment_remove(memory, start_of(memory, 3));
    segment_remove(memory, 0);
    struct walk walk = {0};
    must_walk(memory, &walk);
    assert_int_equal(walk.problem_count, 2);
    for (size_t i = 0; i < 2; i++) {
        char *place = memory_format("%020zu.wal: byte 24: the previous segment is missing",
                                    1000 + 10 * (i == 0 ? second : fifth));
        assert_non_null(strstr(walk.problems[i], place));
        free(place);
    }
    memory_files_destroy(memory);
}

static void
test_segments_missing_below_the_begin_offset_are_no_problem(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t fifth = start_of(memory, 4);
    segment_remove(memory, start_of(memory, 3));
    segment_remove(memory, 0);
    struct walk walk = {.begin_offset = model_next_offset(fifth)};
    must_walk(memory, &walk);
    assert_int_equal(walk.problem_count, 0);
    walk = (struct walk){.begin_offset = model_next_offset(fifth) - 1};
    must_walk(memory, &walk);
    assert_int_equal(walk.problem_count, 1);
    memory_files_destroy(memory);
}

static void
test_without_a_problem_visitor_the_first_problem_ends_the_scan(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    struct error err = {0};
    const struct wal_visitor visitor = {0};
    struct files *files = memory_files_vtable(memory);
    const struct wal_place place = {.files = files, .directory = DIRECTORY};
    assert_int_equal(wal_scan(&place, &visitor, &err), 0);
    segment_content(memory, start_of(memory, 1))->data[1] ^= 1;
    assert_int_equal(wal_scan(&place, &visitor, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, ".wal: byte 0: the file is not a segment"));
    memory_files_destroy(memory);
}

static void
test_F45_a_scan_without_an_identity_accepts_any(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct files *files = memory_files_vtable(memory);
    const struct wal_visitor visitor = {0};
    struct error err = {0};
    struct wal_place place = {.files = files, .directory = DIRECTORY};
    assert_int_equal(wal_scan(&place, &visitor, &err), 0);
    place.identity = text_of("index: shop");
    assert_int_equal(wal_scan(&place, &visitor, &err), ERR_FATAL);
    assert_non_null(strstr(err.message, "topic: events in the log, absent expected"));
    memory_files_destroy(memory);
}

static void
test_a_visitor_can_end_the_scan(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    struct walk walk = {.frames_max = 7};
    struct error err = {0};
    assert_int_equal(walk_log(memory, &walk, &err), 1);
    assert_int_equal(walk.frames, 7);
    memory_files_destroy(memory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_and_frames_are_reported_in_order),
        cmocka_unit_test(test_F40_a_scan_changes_nothing),
        cmocka_unit_test(test_F40_a_scan_beside_the_owner_sees_all_whole_frames),
        cmocka_unit_test(test_a_segment_that_is_removed_meanwhile_is_skipped),
        cmocka_unit_test(test_F40_every_segment_with_a_problem_is_reported),
        cmocka_unit_test(test_F40_every_missing_segment_is_reported),
        cmocka_unit_test(test_segments_missing_below_the_begin_offset_are_no_problem),
        cmocka_unit_test(test_without_a_problem_visitor_the_first_problem_ends_the_scan),
        cmocka_unit_test(test_F45_a_scan_without_an_identity_accepts_any),
        cmocka_unit_test(test_a_visitor_can_end_the_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
