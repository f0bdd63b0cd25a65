/* Happy path: sent_rows_read() reads the range once and keeps the place of each accepted row.
 * sent_rows_find() reads the event at that place again, which is rare.
 */
#include "producer/sink/sent_rows.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_admin.h"
#include "common/kafka/kafka_reader.h"

enum { READ_WAIT_MS = 200, FIRST_CAPACITY = 1024 };

/* The place of one event. */
struct sent_row {
    int64_t row_id;
    int64_t offset;
    int32_t partition;
};

struct sent_rows {
    struct event_codec *codec;
    struct kafka_reader *reader;
    struct kafka_batch *batch;
    struct arena arena;     /* of the event that is decoded */
    struct sent_row *items; /* when sorted, row ids ascend */
    size_t count;
    size_t capacity;
    bool sorted;
};

static int
compare_rows(const void *a, const void *b)
{
    int64_t one = ((const struct sent_row *)a)->row_id;
    int64_t other = ((const struct sent_row *)b)->row_id;
    return (one > other) - (one < other);
}

/* Sorts by row id, and keeps one place of each row, because a row may have been sent many times. */
static void
sent_rows_sort(struct sent_rows *rows)
{
    size_t kept = 0;
    CHECK(rows->count <= rows->capacity);
    qsort(rows->items, rows->count, sizeof *rows->items, compare_rows);
    for (size_t i = 0; i < rows->count; i++)
        if (kept == 0 || rows->items[kept - 1].row_id != rows->items[i].row_id)
            rows->items[kept++] = rows->items[i];
    CHECK(kept <= rows->count);
    rows->count = kept;
    rows->sorted = true;
}

static void
sent_rows_add(struct sent_rows *rows, int64_t row_id, int32_t partition, int64_t offset)
{
    CHECK(partition >= 0);
    CHECK(offset >= 0);
    if (rows->count == rows->capacity) {
        sent_rows_sort(rows);
        if (rows->count > rows->capacity / 2)
            rows->capacity *= 2;
        rows->items = memory_realloc(rows->items, rows->capacity * sizeof *rows->items);
    }
    CHECK(rows->count < rows->capacity);
    rows->sorted = false;
    rows->items[rows->count++] = (struct sent_row){row_id, offset, partition};
}

static int
sent_rows_take(struct sent_rows *rows, const struct sent_range *range, int32_t partition,
               const struct kafka_record *record, struct error *err)
{
    struct event event;
    CHECK(record->offset <= range->ends[partition]);
    arena_reset(&rows->arena);
    int rc =
        event_decode(rows->codec, record->value, record->value_bytes, &rows->arena, &event, err);
    if (rc == ERR_DATA)
        return 0; /* not an event */
    bool accepted = rc == 0 && event.epoch == range->epoch && event.kind != EVENT_REJECTED &&
                    event_kind_is_numbered(event.kind);
    if (accepted && event.row_id > range->after_row_id)
        sent_rows_add(rows, event.row_id, partition, record->offset);
    return rc;
}

/* Reads the next messages: none while the client works on a passing error. */
static int
sent_rows_next_batch(struct sent_rows *rows, struct error *err)
{
    int rc = kafka_reader_read(rows->reader, READ_WAIT_MS, rows->batch, err);
    if (rc == ERR_DATA) /* retention has just removed the offset */
        return error_wrap(err, ERR_RETRY, "offset removed while it was read");
    if (rc != ERR_RETRY)
        return rc;
    rows->batch->count = 0;
    return 0;
}

static int
sent_rows_read_partition(struct sent_rows *rows, const struct sent_range *range, int32_t partition,
                         int64_t next, int (*turn)(void *, struct error *), void *context,
                         struct error *err)
{
    int64_t end = range->ends[partition];
    CHECK(next >= 0 && end >= -1);
    CHECK(range->offsets[partition] >= -1);
    int rc = next <= end ? kafka_reader_start(rows->reader, partition, next, err) : 0;
    while (rc == 0 && next <= end) {
        rc = turn(context, err);
        if (rc == 0)
            rc = sent_rows_next_batch(rows, err);
        for (uint32_t i = 0; rc == 0 && i < rows->batch->count; i++) {
            const struct kafka_record *record = &rows->batch->records[i];
            if (record->offset <= end)
                rc = sent_rows_take(rows, range, partition, record, err);
            next = record->offset + 1;
        }
    }
    return rc;
}

static int
sent_rows_read_topic(struct sent_rows *rows, const struct config *config,
                     const struct sent_range *range, int (*turn)(void *, struct error *),
                     void *context, struct error *err)
{
    struct kafka_admin *admin;
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    for (int32_t i = 0; rc == 0 && i < config->topic.partitions; i++) {
        int64_t low;
        int64_t high;
        rc = kafka_admin_offsets(admin, config->topic.name, i, &low, &high, err);
        int64_t first = range->offsets[i] + 1;
        if (rc == 0)
            rc = sent_rows_read_partition(rows, range, i, first > low ? first : low, turn, context,
                                          err);
    }
    kafka_admin_destroy(admin);
    return rc;
}

int
sent_rows_read(const struct config *config, const struct sent_range *range,
               int (*turn)(void *context, struct error *err), void *context,
               struct sent_rows **rows, struct error *err)
{
    CHECK(range->epoch >= 1);
    CHECK(range->offsets != NULL && range->ends != NULL);
    CHECK(turn != NULL);
    struct sent_rows *made = memory_zalloc(sizeof *made);
    made->batch = memory_zalloc(sizeof *made->batch);
    made->capacity = FIRST_CAPACITY;
    made->items = memory_alloc(made->capacity * sizeof *made->items);
    int rc = kafka_reader_create(&config->kafka, config->topic.name, &made->reader, err);
    if (rc == 0)
        rc = event_codec_create(&made->codec, err);
    if (rc == 0)
        rc = sent_rows_read_topic(made, config, range, turn, context, err);
    if (rc != 0) {
        sent_rows_free(made);
        return rc < 0 ? error_wrap(err, rc, "could not read the sent rows of topic %s",
                                   config->topic.name)
                      : rc;
    }
    sent_rows_sort(made);
    CHECK(made->count <= made->capacity);
    *rows = made;
    return 0;
}

void
sent_rows_free(struct sent_rows *rows)
{
    if (rows == NULL)
        return;
    kafka_batch_release(rows->batch);
    free(rows->batch);
    kafka_reader_destroy(rows->reader);
    event_codec_destroy(rows->codec);
    arena_free(&rows->arena);
    free(rows->items);
    free(rows);
}

/* Reads the event at a place. */
static int
sent_rows_fetch(struct sent_rows *rows, const struct sent_row *row, struct arena *arena,
                struct event *event, struct error *err)
{
    CHECK(row->partition >= 0 && row->offset >= 0);
    int rc = kafka_reader_start(rows->reader, row->partition, row->offset, err);
    while (rc == 0) {
        rc = sent_rows_next_batch(rows, err);
        if (rc == 0 && rows->batch->count > 0)
            return event_decode(rows->codec, rows->batch->records[0].value,
                                rows->batch->records[0].value_bytes, arena, event, err);
    }
    return rc;
}

int
sent_rows_find(struct sent_rows *rows, int64_t row_id, struct arena *arena, const struct ops **ops,
               struct error *err)
{
    const struct sent_row wanted = {.row_id = row_id};
    const struct sent_row *row;
    struct event *event = arena_alloc(arena, sizeof *event);
    *ops = NULL;
    CHECK(rows->sorted);
    row = bsearch(&wanted, rows->items, rows->count, sizeof wanted, compare_rows);
    if (row == NULL)
        return 0;
    int rc = sent_rows_fetch(rows, row, arena, event, err);
    if (rc == 0 && event->row_id != row_id)
        rc = error_set(err, ERR_RETRY, "another event is there now");
    if (rc != 0)
        return error_wrap(err, rc,
                          "could not read row %" PRId64 " from partition %d at offset %" PRId64,
                          row_id, row->partition, row->offset);
    *ops = &event->ops;
    return 0;
}
