#include "consumer/api/api_internal.h"

#include <stdlib.h>

#include "common/base/clock.h"

/* Offsets that retention has removed are no lag. */
static int64_t
look_lag_rows(int64_t offset, const struct feed_bounds *bounds)
{
    if (bounds->high < 0 || bounds->low < 0)
        return -1;
    int64_t from = offset > bounds->low ? offset : bounds->low;
    return bounds->high > from ? bounds->high - from : 0;
}

static double
look_lag_s(const struct sequence *sequence)
{
    if (sequence->watermark.clock_us == 0)
        return -1;
    int64_t lag_us = clock_realtime_us() - sequence->watermark.clock_us;
    return lag_us > 0 ? (double)lag_us / 1e6 : 0;
}

static void
look_take(struct api *api, int32_t partition, bool with_engine, struct partition_status *look)
{
    struct worker *worker = assignment_worker(api->assignment, partition);
    struct shard *shard = worker_shard(worker);
    look->partition = partition;
    shard_read_status(shard, &look->status);
    if (with_engine)
        shard_read_stats(shard, &look->engine);
    worker_bounds(worker, &look->bounds);
    look->mirrored_offset =
        cursor_table_offset(assignment_cursor_table(api->assignment), partition);
    look->lag_rows = look_lag_rows(look->status.offset, &look->bounds);
    look->lag_s = look_lag_s(&look->status.sequence);
    look->silent_us = clock_monotonic_us() - worker_heartbeat_us(worker);
    look->complete = shard_complete(&look->status, look->reason, sizeof look->reason);
}

void
partition_status_read(struct api *api, bool with_engine, struct partition_status_list *looks)
{
    int32_t partitions = api->config->topic.partitions;
    looks->items = memory_zalloc((size_t)partitions * sizeof *looks->items);
    looks->count = 0;
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < partitions; i++)
        if (assignment_worker(api->assignment, i) != NULL)
            look_take(api, i, with_engine, &looks->items[looks->count++]);
    assignment_trouble(api->assignment, looks->trouble, sizeof looks->trouble);
    cursor_table_error(assignment_cursor_table(api->assignment), looks->cursor_table_error,
                       sizeof looks->cursor_table_error);
    assignment_leave(api->assignment);
}

void
partition_status_free(struct partition_status_list *looks)
{
    free(looks->items);
}

/* False: it is not known yet. */
static bool
looks_sum(const struct partition_status_list *looks, struct source_status *source)
{
    *source = (struct source_status){.name = NULL, .cursor = -1};
    int64_t newest_us = -1, backlog_rows = 0;
    for (uint32_t i = 0; i < looks->count; i++) {
        const struct partition_status *look = &looks->items[i];
        const struct sequence *sequence = &look->status.sequence;
        const struct sequence_watermark *watermark = &sequence->watermark;
        if (sequence->source[0] != '\0')
            source->name = sequence->source;
        if (source->cursor < 0 || watermark->last_row_id < source->cursor)
            source->cursor = watermark->last_row_id;
        if (watermark->max_row_id > source->max_row_id)
            source->max_row_id = watermark->max_row_id;
        if (watermark->clock_us > newest_us) {
            backlog_rows = watermark->backlog_rows;
            newest_us = watermark->clock_us;
        }
        if (look->lag_rows > 0)
            source->lag_rows += look->lag_rows;
        source->ops += (int64_t)look->status.counts.ops;
        source->wal_bytes += look->status.wal_bytes;
    }
    source->lag_rows += backlog_rows;
    return source->name != NULL;
}

void
partition_status_sources(struct api *api, const struct partition_status_list *looks,
                         struct source_status_list *sources)
{
    uint32_t posters = http_sources_read(api->posters, sources->posters);
    sources->has_numbered = looks_sum(looks, &sources->items[0]);
    sources->count = sources->has_numbered;
    for (uint32_t i = 0; i < posters; i++) {
        const struct http_source *poster = &sources->posters[i];
        sources->items[sources->count++] = (struct source_status){
            .name = poster->source,
            .cursor = poster->cursor,
            .max_row_id = poster->max_id,
            .lag_rows = poster->lag_rows,
            .ops = (int64_t)poster->ops,
            .wal_bytes = -1,
        };
    }
}
