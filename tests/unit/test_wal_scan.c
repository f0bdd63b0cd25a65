#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/wal/wal_scan.h"
#include "tests/unit/wal_fixture.h"

enum { SEGMENT_BYTES = 250, FRAMES = 20, SEGMENTS_MAX = FRAMES };

/* What a scan told. */
struct partition_status {
    struct memory_files *memory;
    size_t frames; /* of the model, from its first on */
    size_t enough; /* ends the scan at so many frames; 0: never */
    struct wal_segment segments[SEGMENTS_MAX];
    size_t segment_count;
    char problems[4][ERROR_MESSAGE_BYTES];
    size_t problem_count;
    struct buffer strangers; /* each with a space behind */
    size_t remove_at;        /* so many frames */
    size_t removed;          /* the segment that is removed then; 0: none */
    int64_t begin_offset;
};

static int
look_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
           struct error *err)
{
    struct partition_status *look = context;
    (void)err;
    assert_true(segment->end_bytes >= HEADER_BYTES && segment->end_bytes < segment->bytes);
    assert_true(frame->first_offset >= segment->next_offset);
    if (look->problem_count == 0 && look->begin_offset == 0) /* else frames may be missing */
        model_check(look->frames, frame);
    look->frames++;
    if (look->removed != 0 && look->frames == look->remove_at)
        segment_remove(look->memory, look->removed);
    return look->frames == look->enough ? 1 : 0;
}

static int
look_segment(void *context, const struct wal_segment *segment, struct error *err)
{
    struct partition_status *look = context;
    (void)err;
    assert_true(look->segment_count < SEGMENTS_MAX);
    look->segments[look->segment_count++] = *segment;
    return 0;
}

static int
look_problem(void *context, const struct wal_segment *segment, const struct error *problem)
{
    struct partition_status *look = context;
    assert_true(look->problem_count < 4);
    assert_memory_equal(problem->message, segment->path, strlen(segment->path));
    memcpy(look->problems[look->problem_count++], problem->message, sizeof problem->message);
    return 0;
}

static int
look_stranger(void *context, const char *name, struct error *err)
{
    struct partition_status *look = context;
    (void)err;
    buffer_append_format(&look->strangers, "%s ", name);
    return 0;
}

static int
look_at(struct memory_files *memory, struct partition_status *look, struct error *err)
{
    const struct wal_visitor visitor = {
        .context = look,
        .stranger = look_stranger,
        .frame = look_frame,
        .segment = look_segment,
        .problem = look_problem,
    };
    look->memory = memory;
    return wal_scan(memory_files_vtable(memory), DIRECTORY, text_of(IDENTITY), look->begin_offset,
                    &visitor, err);
}

static void
must_look(struct memory_files *memory, struct partition_status *look)
{
    struct error err = {0};
    if (look_at(memory, look, &err) != 0)
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
test_segments_and_frames_are_told_in_their_order(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    struct partition_status look = {0};
    must_look(memory, &look);
    assert_int_equal(look.frames, FRAMES);
    assert_true(look.segment_count > 4);
    assert_int_equal(look.strangers.bytes, 0);
    size_t frames = 0;
    for (size_t i = 0; i < look.segment_count; i++) {
        const struct wal_segment *segment = &look.segments[i];
        assert_int_equal(segment->first_offset, 1000 + 10 * frames);
        frames += (size_t)segment->frames;
        assert_int_equal(segment->next_offset, model_next_offset(frames));
        assert_int_equal(segment->end_bytes, segment->bytes);
        assert_int_equal(segment->is_last, i + 1 == look.segment_count);
    }
    assert_int_equal(frames, FRAMES);
    memory_files_destroy(memory);
}

/* Whatever the tail, whatever else stands there, and whoever holds the lock. */
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
        struct partition_status look = {0};
        segment_content(memory, 0)->bytes = bytes;
        must_look(memory, &look);
        assert_int_equal(segment_content(memory, 0)->bytes, bytes);
        assert_non_null(memory_files_content(memory, leftover));
        assert_string_equal(buffer_string(&look.strangers), "00000000000000005000.wal.tmp ");
        buffer_free(&look.strangers);
        assert_int_equal(look.segment_count, 1);
        assert_int_equal(look.segments[0].bytes, bytes);
        int64_t end_bytes = HEADER_BYTES;
        for (size_t k = 0; k < look.frames; k++)
            end_bytes += model_bytes(k);
        assert_int_equal(look.segments[0].end_bytes, end_bytes);
        assert_in_range(bytes - (size_t)end_bytes, 0, model_bytes(look.frames) - 1);
    }
    free(leftover);
    wal_close(owner);
    memory_files_destroy(memory);
}

/* A look at the log after every write of its owner. */
static void
test_F40_a_scan_sees_what_is_whole_beside_the_owner(void **state)
{
    (void)state;
    struct memory_files *memory = memory_files_create(0);
    struct wal *wal = must_open(memory, SEGMENT_BYTES, 0);
    for (size_t k = 0; k < FRAMES; k++) {
        must_append(wal, k, k + 1);
        struct partition_status look = {0};
        must_look(memory, &look);
        assert_int_equal(look.frames, k + 1);
    }
    wal_close(wal);
    memory_files_destroy(memory);
}

static void
test_a_segment_that_goes_meanwhile_is_none(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t segments = 0;
    for (size_t k = 0; k < FRAMES; k++)
        segments += segment_content(memory, k) != NULL;
    size_t last = start_of(memory, segments - 1);
    struct partition_status look = {.remove_at = 1, .removed = last};
    must_look(memory, &look);
    assert_int_equal(look.frames, last);
    assert_int_equal(look.problem_count, 0);
    assert_int_equal(look.segment_count, segments - 1);
    memory_files_destroy(memory);
}

static void
test_F40_every_segment_with_a_problem_is_told(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t second = start_of(memory, 1), third = start_of(memory, 2), fourth = start_of(memory, 3);
    size_t fifth = start_of(memory, 4);
    segment_content(memory, second)->data[HEADER_BYTES + 5] ^= 1;
    segment_content(memory, fourth)->data[1] ^= 1;
    struct partition_status look = {0};
    must_look(memory, &look);
    assert_int_equal(look.problem_count, 2);
    char *place =
        memory_format("%020zu.wal: byte %d: a damaged frame", 1000 + 10 * second, HEADER_BYTES);
    assert_non_null(strstr(look.problems[0], place));
    assert_non_null(strstr(look.problems[1], "byte 0: not a segment"));
    assert_non_null(strstr(look.problems[1], "or delete " DIRECTORY " to rebuild"));
    assert_int_equal(look.frames, second + (fourth - third) + (FRAMES - fifth));
    free(place);
    memory_files_destroy(memory);
}

static void
test_F40_every_missing_segment_is_told(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t second = start_of(memory, 1), fifth = start_of(memory, 4);
    segment_remove(memory, start_of(memory, 3));
    segment_remove(memory, 0);
    struct partition_status look = {0};
    must_look(memory, &look);
    assert_int_equal(look.problem_count, 2);
    for (size_t i = 0; i < 2; i++) {
        char *place = memory_format("%020zu.wal: byte 24: the segment before this one is missing",
                                    1000 + 10 * (i == 0 ? second : fifth));
        assert_non_null(strstr(look.problems[i], place));
        free(place);
    }
    memory_files_destroy(memory);
}

/* Whatever is missing, as long as it lies below. */
static void
test_what_is_missing_before_the_begin_offset_is_no_problem(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    size_t fifth = start_of(memory, 4);
    segment_remove(memory, start_of(memory, 3));
    segment_remove(memory, 0);
    struct partition_status look = {.begin_offset = model_next_offset(fifth)};
    must_look(memory, &look);
    assert_int_equal(look.problem_count, 0);
    look = (struct partition_status){.begin_offset = model_next_offset(fifth) - 1};
    must_look(memory, &look);
    assert_int_equal(look.problem_count, 1);
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
    assert_int_equal(wal_scan(files, DIRECTORY, (struct text){NULL, 0}, 0, &visitor, &err), 0);
    segment_content(memory, start_of(memory, 1))->data[1] ^= 1;
    assert_int_equal(wal_scan(files, DIRECTORY, (struct text){NULL, 0}, 0, &visitor, &err),
                     ERR_FATAL);
    assert_non_null(strstr(err.message, ".wal: byte 0: not a segment"));
    memory_files_destroy(memory);
}

static void
test_F45_whose_log_it_is_may_be_left_open(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(3, ONE_SEGMENT_BYTES);
    struct files *files = memory_files_vtable(memory);
    const struct wal_visitor visitor = {0};
    struct error err = {0};
    assert_int_equal(wal_scan(files, DIRECTORY, (struct text){NULL, 0}, 0, &visitor, &err), 0);
    assert_int_equal(wal_scan(files, DIRECTORY, text_of("index: shop"), 0, &visitor, &err),
                     ERR_FATAL);
    assert_non_null(strstr(err.message, "topic: events there, absent here"));
    memory_files_destroy(memory);
}

static void
test_a_visitor_that_has_enough_ends_the_scan(void **state)
{
    (void)state;
    struct memory_files *memory = make_log(FRAMES, SEGMENT_BYTES);
    struct partition_status look = {.enough = 7};
    struct error err = {0};
    assert_int_equal(look_at(memory, &look, &err), 1);
    assert_int_equal(look.frames, 7);
    memory_files_destroy(memory);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_and_frames_are_told_in_their_order),
        cmocka_unit_test(test_F40_a_scan_changes_nothing),
        cmocka_unit_test(test_F40_a_scan_sees_what_is_whole_beside_the_owner),
        cmocka_unit_test(test_a_segment_that_goes_meanwhile_is_none),
        cmocka_unit_test(test_F40_every_segment_with_a_problem_is_told),
        cmocka_unit_test(test_F40_every_missing_segment_is_told),
        cmocka_unit_test(test_what_is_missing_before_the_begin_offset_is_no_problem),
        cmocka_unit_test(test_without_a_problem_visitor_the_first_problem_ends_the_scan),
        cmocka_unit_test(test_F45_whose_log_it_is_may_be_left_open),
        cmocka_unit_test(test_a_visitor_that_has_enough_ends_the_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
