/* Which checkpoints a replica keeps: their clocks come from their positions, and a log that is full
 * of history gives them up. */
#include "tests/unit/unit_test.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "consumer/checkpoint/checkpoint_write.h"
#include "consumer/partition/history.h"
#include "tests/support/memory_files.h"

enum { FRAME_BYTES = 1000 };

static const struct config_filter_field filters[] = {{.name = "level", .type = FIELD_SINGLE_VALUE}};
static const struct config_index index_config = {.filter_fields = filters, .filter_field_count = 1};

struct store {
    struct memory_files *memory;
    struct config_fields fields;
    struct checkpoint_place place;
    struct wal *wal;
    struct history history;
    struct history_rule rule;
    struct checkpoint_doomed doomed;
};

static int
replay(void *context, const struct wal_frame *frame, struct error *err)
{
    (void)context;
    (void)frame;
    (void)err;
    return 0;
}

/* A frame is a segment. */
static void
open_wal(struct store *store)
{
    struct error err = {0};
    const struct wal_options options = {
        .directory = "wal", .identity = "", .segment_bytes = 1, .frame_bytes = FRAME_BYTES};
    assert_int_equal(wal_open(store->place.files, &options, replay, NULL, &store->wal, &err), 0);
}

static int
set_up(void **state)
{
    struct store *store = memory_zalloc(sizeof *store);
    store->memory = memory_files_create(1);
    config_fields_init(&store->fields, &index_config);
    store->place = (struct checkpoint_place){memory_files_vtable(store->memory), "wal/checkpoint",
                                             text_of("")};
    open_wal(store);
    store->rule = (struct history_rule){
        .place = &store->place,
        .fields = &store->fields,
        .wal = store->wal,
        .keep = {.keep_us = INT64_C(3600) * US_PER_S},
        .wal_limit_bytes = 1 << 20,
        .wal_segment_bytes = FRAME_BYTES,
    };
    *state = store;
    return 0;
}

static int
tear_down(void **state)
{
    struct store *store = *state;
    wal_close(store->wal);
    config_fields_free(&store->fields);
    memory_files_destroy(store->memory);
    free(store);
    return 0;
}

static void
write_frame(struct store *store, int64_t offset)
{
    static const uint8_t payload[FRAME_BYTES];
    struct error err = {0};
    const struct wal_frame frame = {.first_offset = offset - 1,
                                    .next_offset = offset,
                                    .payload = payload,
                                    .payload_bytes = sizeof payload};
    assert_int_equal(wal_append(store->wal, &frame, &err), 0);
    assert_int_equal(wal_sync(store->wal, &err), 0);
}

static void
save_nothing(void *context, struct checkpoint_writer *writer)
{
    (void)context;
    (void)writer;
}

/* A frame, and a checkpoint after it with a watermark of that minute. */
static void
add(struct store *store, int64_t offset, int64_t minute)
{
    struct error err = {0};
    struct position position;
    struct buffer bytes = {0};
    struct checkpoint_writer *writer;
    int64_t file_bytes;
    write_frame(store, offset);
    position_init(&position, &store->fields);
    position.sequence.watermark.newest_us = (100 + minute) * 60 * US_PER_S;
    position_encode(&position, &store->fields, &bytes);
    const struct checkpoint_point point = {.next_offset = offset,
                                           .clock_us = position.sequence.watermark.newest_us};
    const struct text encoded = {(const char *)bytes.data, bytes.bytes};
    assert_int_equal(history_add(&store->history, &store->rule, &point, &store->doomed, &err), 0);
    assert_int_equal(
        checkpoint_begin(&store->place, offset, encoded, &store->doomed, &writer, &err), 0);
    checkpoint_take(writer, save_nothing, NULL);
    assert_int_equal(checkpoint_finish(writer, &file_bytes, &err), 0);
    buffer_free(&bytes);
}

static void
assert_kept(struct store *store, int count, int64_t oldest)
{
    int64_t offsets[CHECKPOINTS_MAX];
    struct error err = {0};
    assert_int_equal(checkpoint_list(&store->place, offsets, &err), count);
    assert_int_equal(offsets[count - 1], oldest);
}

static void
test_the_clocks_are_in_the_checkpoints(void **state)
{
    struct store *store = *state;
    for (int64_t i = 1; i <= 5; i++)
        add(store, i, 10 * i);
    assert_kept(store, 5, 1);
    store->history = (struct history){.count = 0}; /* a restart */
    add(store, 6, 85);
    assert_kept(store, 5, 2); /* that of minute 20 is more than an hour old, and enough */
    store->rule.keep.keep_us = 0;
    add(store, 7, 86);
    assert_kept(store, 2, 6);
}

static void
test_a_log_of_history_does_not_fill_a_partition(void **state)
{
    struct store *store = *state;
    store->rule.wal_limit_bytes = 9 * FRAME_BYTES;
    for (int64_t i = 1; i <= 9; i++) {
        struct error err = {0};
        add(store, i, i);
        assert_int_equal(
            wal_trim(store->wal, store->history.points[store->history.count - 1].next_offset, &err),
            0);
        assert_true(wal_bytes(store->wal) <= store->rule.wal_limit_bytes);
    }
    assert_kept(store, 5, 5); /* four frames of more than 1000 bytes after it */
}

static void
test_a_newer_file_of_somebody_else_stays(void **state)
{
    struct store *store = *state;
    add(store, 9, 1);
    for (int64_t i = 10; i < 14; i++)
        add(store, i, i);
    store->rule.keep.keep_us = 0;
    store->history = (struct history){.count = 0};
    struct error err = {0};
    const struct checkpoint_point point = {.next_offset = 12};
    assert_int_equal(history_add(&store->history, &store->rule, &point, &store->doomed, &err), 0);
    for (int i = 0; i < store->doomed.count; i++)
        assert_true(store->doomed.offsets[i] < 11);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_clocks_are_in_the_checkpoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_log_of_history_does_not_fill_a_partition, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_newer_file_of_somebody_else_stays, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
