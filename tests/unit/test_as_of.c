/* An index as of a moment: the search in the topic and the end of the log, against the truth of
 * random histories; and the frozen files of a log that its owner changes meanwhile. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/config/config_identity.h"
#include "consumer/checkpoint/checkpoint_write.h"
#include "consumer/partition/as_of.h"
#include "consumer/partition/as_of_cut.h"
#include "consumer/partition/position.h"
#include "consumer/wal/wal.h"
#include "tests/support/memory_files.h"
#include "tests/unit/random_input.h"

/* --- the search ------------------------------------------------------------------------------ */

enum { WATERMARKS_MAX = 300 };

/* The watermarks of a topic. */
struct marks {
    int64_t low;
    int64_t high;
    int64_t offsets[WATERMARKS_MAX];
    int64_t clocks[WATERMARKS_MAX];
    int count;
};

/* Windows of very different sizes; clocks may be equal. */
static void
make_marks(struct marks *marks)
{
    int64_t offset = marks->low = (int64_t)random_below(1000), clock_us = 1000;
    marks->count = (int)random_below(WATERMARKS_MAX);
    for (int i = 0; i < marks->count; i++) {
        offset += (int64_t)random_below(UINT64_C(1) << random_below(18));
        clock_us += (int64_t)random_below(3);
        marks->offsets[i] = offset++;
        marks->clocks[i] = clock_us;
    }
    marks->high = offset + (int64_t)random_below(100);
}

/* Returns the number of ranges that were read. */
static int
search_in(const struct marks *marks, struct as_of_search *search, int64_t time_us)
{
    int64_t from, to;
    int probes = 0, last = -1;
    as_of_search_begin(search, time_us, marks->low, marks->high);
    for (; as_of_search_next(search, &from, &to); probes++) {
        int i = 0;
        while (i < marks->count && marks->offsets[i] < from)
            i++;
        bool is_found = i < marks->count && marks->offsets[i] < to;
        probes -= is_found && i == last + 1 && probes > 0; /* it is read on from there */
        last = is_found ? i : -2;
        as_of_search_take(search, is_found ? marks->offsets[i] : AS_OF_NONE,
                          is_found ? marks->clocks[i] : AS_OF_NONE);
    }
    return probes;
}

static void
test_random_searches_end_after_the_last_watermark_of_the_moment(void **state)
{
    (void)state;
    random_seed();
    for (int round = 0; round < 2000; round++) {
        struct marks marks;
        struct as_of_search search;
        make_marks(&marks);
        int64_t time_us = 990 + (int64_t)random_below(WATERMARKS_MAX * 2);
        int probes = search_in(&marks, &search, time_us);
        int64_t stop = AS_OF_NONE, clock_us = AS_OF_NONE;
        bool has_later = false;
        for (int i = 0; i < marks.count; i++) {
            has_later = has_later || marks.clocks[i] > time_us;
            if (marks.clocks[i] > time_us)
                continue;
            stop = marks.offsets[i] + 1;
            clock_us = marks.clocks[i];
        }
        assert_int_equal(search.stop, stop);
        assert_int_equal(search.stop_us, clock_us);
        assert_int_equal(search.later_us != AS_OF_NONE, has_later);
        assert_true(!has_later || search.later_us > time_us);
        assert_in_range(probes, 0, 64);
    }
}

static void
test_a_clock_that_went_back_has_several_places(void **state)
{
    (void)state;
    const struct marks marks = {
        .high = 5, .offsets = {0, 1, 2, 3, 4}, .clocks = {10, 20, 12, 22, 30}, .count = 5};
    struct as_of_search search;
    search_in(&marks, &search, 15);
    assert_int_equal(search.stop, 1); /* the first place */
    assert_int_equal(search.later_us, 20);
}

/* --- the end of the log ---------------------------------------------------------------------- */

struct window_event {
    int64_t tick;
    int64_t clock_us; /* of the watermark that ends the window */
};

/* Frames of a log whose windows end at random clocks; some watermarks owe answers. */
static void
check_random_log(void)
{
    struct window_event events[200];
    struct as_of_cut cut;
    struct sequence sequence = {.tick = 0};
    int64_t clock_us = 100, least = -1, previous = -1, previous_us = -1;
    int64_t time_us = 90 + (int64_t)random_below(150), count = 0;
    bool is_over = false;
    as_of_cut_begin(&cut, time_us);
    for (int64_t tick = 1; count < 190; tick++) {
        int64_t rows = (int64_t)random_below(6);
        clock_us += (int64_t)random_below(8);
        for (int64_t i = 0; i <= rows; i++) {
            events[count++] = (struct window_event){tick, clock_us};
            sequence.tick = tick;
            if (i == rows) {
                sequence.watermark.owed = random_below(4) == 0;
                sequence.watermark.newest_us = clock_us;
                if (sequence.watermark.owed == 0)
                    sequence.watermark.tick = tick;
            }
            if (is_over || random_below(3) == 0) /* no frame ends here */
                continue;
            if (previous_us > 0 && sequence.watermark.newest_us > previous_us &&
                sequence.watermark.newest_us <= time_us)
                least = previous;
            if (i == rows && sequence.watermark.owed == 0 && clock_us <= time_us)
                least = count;
            previous = count;
            previous_us = sequence.watermark.newest_us;
            is_over = !as_of_cut_take(&cut, count, &sequence);
            assert_int_equal(is_over, sequence.watermark.newest_us > time_us);
        }
    }
    assert_true(cut.offset >= least);
    for (int64_t i = 0; i < cut.offset; i++)
        if (events[i].clock_us > time_us)
            fail_msg("event %lld of a window that ends at %lld is in the log of %lld", (long long)i,
                     (long long)events[i].clock_us, (long long)time_us);
}

static void
test_random_logs_end_before_what_is_later(void **state)
{
    (void)state;
    random_seed();
    for (int round = 0; round < 2000; round++)
        check_random_log();
}

/* --- frozen files ---------------------------------------------------------------------------- */

static const struct config_filter_field filters[] = {{.name = "level", .type = FIELD_SINGLE_VALUE}};

struct store {
    struct config config;
    struct config_fields fields;
    struct memory_files *memory;
    struct files *files;
    struct buffer identity;
    struct wal *wal;
    struct frozen_files *frozen;
    int64_t replayed; /* the end of the last frame of the view */
};

static int
ignore_frame(void *context, const struct wal_frame *frame, struct error *err)
{
    (void)err;
    struct store *store = context;
    store->replayed = frame->next_offset;
    return 0;
}

static int
open_wal(struct store *store, struct files *files, const char *directory, int64_t begin,
         struct wal **wal)
{
    struct error err = {0};
    const struct wal_options options = {
        .directory = directory,
        .identity = (const char *)store->identity.data,
        .segment_bytes = 1000,
        .frame_bytes = 1 << 20,
        .begin_offset = begin,
    };
    int rc = wal_open(files, &options, ignore_frame, store, wal, &err);
    if (rc != 0)
        fail_msg("%s", err.message);
    return rc;
}

static int
set_up(void **state)
{
    struct store *store = memory_zalloc(sizeof *store);
    store->config = (struct config){
        .index = "gallery",
        .kafka = {.present = true},
        .topic = {.name = "t", .partitions = 1, .max_slots = 1000},
        .consumer = {.data_dir = "d", .group = "g"},
        .index_config = {.filter_fields = filters, .filter_field_count = 1},
    };
    config_fields_init(&store->fields, &store->config.index_config);
    config_partition_identity(&store->config, 0, &store->identity);
    buffer_string(&store->identity);
    store->memory = memory_files_create(3);
    store->files = memory_files_vtable(store->memory);
    store->frozen = frozen_files_create(store->files);
    open_wal(store, store->files, "d/t-0/wal", 0, &store->wal);
    *state = store;
    return 0;
}

static int
tear_down(void **state)
{
    struct store *store = *state;
    frozen_files_destroy(store->frozen);
    wal_close(store->wal);
    buffer_free(&store->identity);
    config_fields_free(&store->fields);
    memory_files_destroy(store->memory);
    free(store);
    return 0;
}

/* The position after window `tick`, which ends at second `tick`. */
static void
encode_position(struct store *store, int64_t tick, struct buffer *out)
{
    struct position position;
    position_init(&position, &store->fields);
    position.sequence.tick = position.sequence.watermark.tick = tick;
    position.sequence.watermark.newest_us = tick * US_PER_S;
    position_encode(&position, &store->fields, out);
}

/* A frame of ten offsets, which is one window. */
static void
write_window(struct store *store, int64_t tick)
{
    struct error err = {0};
    struct buffer bytes = {0};
    encode_position(store, tick, &bytes);
    const struct wal_frame frame = {.first_offset = 10 * (tick - 1),
                                    .next_offset = 10 * tick,
                                    .position = bytes.data,
                                    .position_bytes = bytes.bytes};
    assert_int_equal(wal_append(store->wal, &frame, &err), 0);
    assert_int_equal(wal_sync(store->wal, &err), 0);
    buffer_free(&bytes);
}

static void
save_nothing(void *context, struct checkpoint_writer *writer)
{
    (void)context;
    (void)writer;
}

static void
write_checkpoint(struct store *store, int64_t tick)
{
    struct error err = {0};
    struct buffer bytes = {0};
    struct checkpoint_writer *writer;
    int64_t file_bytes;
    const struct checkpoint_doomed none = {.count = 0};
    const struct checkpoint_place place = {store->files, "d/t-0/wal/checkpoint",
                                           text_of((const char *)store->identity.data)};
    encode_position(store, tick, &bytes);
    const struct text encoded = {(const char *)bytes.data, bytes.bytes};
    assert_int_equal(checkpoint_begin(&place, 10 * tick, encoded, &none, &writer, &err), 0);
    checkpoint_take(writer, save_nothing, NULL);
    assert_int_equal(checkpoint_finish(writer, &file_bytes, &err), 0);
    buffer_free(&bytes);
}

/* Windows 1 to 20, with checkpoints after 5, 10 and 15; the log begins at the first of these. */
static void
write_log(struct store *store)
{
    struct error err = {0};
    for (int64_t tick = 1; tick <= 20; tick++) {
        write_window(store, tick);
        if (tick % 5 == 0 && tick < 20)
            write_checkpoint(store, tick);
    }
    assert_int_equal(wal_trim(store->wal, 50, &err), 0);
}

/* The topic has everything from `low` on. */
static int
try_freeze(struct store *store, int64_t low, int64_t time_us, struct as_of_place *place,
           struct error *err)
{
    struct as_of_search search = {
        .time_us = time_us, .stop = AS_OF_NONE, .stop_us = AS_OF_NONE, .later_us = AS_OF_NONE};
    for (int64_t tick = 1; tick <= 20; tick++) {
        int64_t stop = 10 * tick;
        if (stop <= low)
            continue;
        if (tick * US_PER_S <= time_us) {
            search.stop = stop;
            search.stop_us = tick * US_PER_S;
        } else if (search.later_us == AS_OF_NONE) {
            search.later_us = tick * US_PER_S;
        }
    }
    const struct as_of_wanted wanted = {&store->config, store->files, 0, low, &search};
    return as_of_freeze(&wanted, store->frozen, place, err);
}

static struct as_of_place
freeze(struct store *store, int64_t low, int64_t time_us)
{
    struct error err = {0};
    struct as_of_place place = {0};
    if (try_freeze(store, low, time_us, &place, &err) != 0)
        fail_msg("%s", err.message);
    return place;
}

/* What a worker makes of the view: a log that begins at that checkpoint and ends there. */
static void
assert_view(struct store *store, int64_t checkpoint, int64_t end)
{
    struct error err = {0};
    struct wal *wal;
    int64_t offsets[CHECKPOINTS_MAX];
    struct files *files = frozen_files_vtable(store->frozen);
    const struct checkpoint_place place = {files, "d/t-0/wal/checkpoint",
                                           text_of((const char *)store->identity.data)};
    assert_int_equal(checkpoint_list(&place, offsets, &err), checkpoint > 0);
    if (checkpoint > 0)
        assert_int_equal(offsets[0], checkpoint);
    store->replayed = -1;
    open_wal(store, files, "d/t-0/wal", checkpoint, &wal);
    assert_int_equal(wal_durable_offset(wal), end);
    const struct wal_frame frame = {.first_offset = end, .next_offset = end + 1};
    assert_int_equal(wal_append(wal, &frame, &err), 0); /* is dropped */
    assert_int_equal(wal_sync(wal, &err), 0);
    wal_close(wal);
}

static void
test_the_newest_checkpoint_before_the_moment_and_the_frames_up_to_it(void **state)
{
    struct store *store = *state;
    write_log(store);
    int64_t calls = memory_files_calls(store->memory);
    struct as_of_place place = freeze(store, 0, 13 * US_PER_S + 1);
    assert_int_equal(place.begin, 130);
    assert_int_equal(place.stop, 130);
    assert_int_equal(place.clock_us, 13 * US_PER_S);
    assert_true(place.is_exact);
    assert_view(store, 100, 130);
    place = freeze(store, 90, 10 * US_PER_S);
    assert_int_equal(place.begin, 100);
    assert_view(store, 100, 100);
    place = freeze(store, 0, 20 * US_PER_S);
    assert_view(store, 150, 200);
    assert_true(memory_files_calls(store->memory) > calls);
}

/* The log ends where the owner has written to by now; the rest comes from the topic. */
static void
test_the_topic_has_the_rest(void **state)
{
    struct store *store = *state;
    for (int64_t tick = 1; tick <= 3; tick++)
        write_window(store, tick);
    struct as_of_place place = freeze(store, 0, 9 * US_PER_S);
    assert_int_equal(place.begin, 30); /* a log without a checkpoint, whole */
    assert_int_equal(place.stop, 90);
    assert_view(store, 0, 30);
    place = freeze(store, 31, 9 * US_PER_S); /* one message is nowhere */
    assert_int_equal(place.stop, 30);
    assert_false(place.is_exact);
}

static void
test_without_a_checkpoint_before_the_moment_the_topic_is_read(void **state)
{
    struct store *store = *state;
    write_log(store);
    const struct as_of_place place = freeze(store, 0, 4 * US_PER_S);
    assert_int_equal(place.begin, -1);
    assert_int_equal(place.stop, 40);
    assert_true(place.is_exact);
}

/* Retention is shorter than consumer.checkpoint_keep_hours. */
static void
test_without_the_topic_the_log_reaches_as_far_as_it_can(void **state)
{
    struct store *store = *state;
    struct error err = {0};
    struct as_of_place place;
    write_log(store);
    place = freeze(store, 180, 12 * US_PER_S + 1);
    assert_int_equal(place.stop, 120);
    assert_int_equal(place.clock_us, 12 * US_PER_S);
    assert_false(place.is_exact);
    assert_view(store, 100, 120);
    assert_int_equal(try_freeze(store, 180, 4 * US_PER_S, &place, &err), ERR_USAGE);
    assert_non_null(strstr(err.message, "the topic begins with the watermark of 1970-01-01"));
}

/* During a rebuild the log in wal is young, and that of the served replica is in wal.old. */
static void
test_the_log_of_the_served_replica_counts(void **state)
{
    struct store *store = *state;
    struct wal *rebuilt = store->wal;
    write_window(store, 1);
    open_wal(store, store->files, "d/t-0/wal.old", 0, &store->wal);
    for (int64_t tick = 1; tick <= 3; tick++)
        write_window(store, tick);
    const struct as_of_place place = freeze(store, 0, 2 * US_PER_S);
    assert_int_equal(place.begin, 20);
    assert_view(store, 0, 20);
    wal_close(store->wal);
    store->wal = rebuilt;
}

/* Removes the checkpoint and its segment when the n-th file is opened. */
static int (*open_really)(struct files *files, const char *path, enum files_open_mode mode,
                          struct error *err);
static int opens_left;
static struct store *changed;

static int
open_and_change(struct files *files, const char *path, enum files_open_mode mode, struct error *err)
{
    struct error ignored;
    if (opens_left-- == 0) {
        files->unlink(files, "d/t-0/wal/checkpoint/00000000000000000050.checkpoint", &ignored);
        wal_trim(changed->wal, 100, &ignored);
    }
    return open_really(files, path, mode, err);
}

static void
test_files_that_vanish_meanwhile_are_not_missed(void **state)
{
    struct store *store = *state;
    write_log(store);
    changed = store;
    open_really = store->files->open;
    store->files->open = open_and_change;
    for (opens_left = 0; opens_left < 2; opens_left++) {
        int left = opens_left;
        const struct as_of_place place = freeze(store, 0, 7 * US_PER_S);
        assert_int_equal(place.stop, 70);
        assert_true(place.begin == -1 || place.begin == 70);
        opens_left = left;
    }
    store->files->open = open_really;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_searches_end_after_the_last_watermark_of_the_moment),
        cmocka_unit_test(test_a_clock_that_went_back_has_several_places),
        cmocka_unit_test(test_random_logs_end_before_what_is_later),
        cmocka_unit_test_setup_teardown(
            test_the_newest_checkpoint_before_the_moment_and_the_frames_up_to_it, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(test_the_topic_has_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_without_a_checkpoint_before_the_moment_the_topic_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_the_topic_the_log_reaches_as_far_as_it_can,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_log_of_the_served_replica_counts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_files_that_vanish_meanwhile_are_not_missed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
