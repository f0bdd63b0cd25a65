#include "consumer/api/source_status.h"

#include "common/base/check.h"

static void
source_add_partition(struct source_status *source, const struct partition_status *partition)
{
    const struct sequence *sequence = &partition->shard.sequence;
    const struct sequence_watermark *watermark = &sequence->watermark;
    if (sequence->source[0] != '\0')
        source->name = sequence->source;
    if (source->cursor < 0 || watermark->last_row_id < source->cursor)
        source->cursor = watermark->last_row_id;
    if (watermark->max_row_id > source->max_row_id)
        source->max_row_id = watermark->max_row_id;
    if (partition->lag_rows > 0)
        source->lag_rows += partition->lag_rows;
    source->ops += (int64_t)partition->shard.counts.ops;
    source->wal_bytes += partition->shard.wal_bytes;
}

/* Rows that the source has not sent, by the newest watermark. */
static int64_t
source_backlog_rows(const struct partition_status_list *partitions)
{
    const struct sequence_watermark *newest = NULL;
    for (uint32_t i = 0; i < partitions->count; i++) {
        const struct sequence_watermark *watermark = &partitions->items[i].shard.sequence.watermark;
        if (newest == NULL || watermark->clock_us > newest->clock_us)
            newest = watermark;
    }
    return newest != NULL ? newest->backlog_rows : 0;
}

/* False: no partition has read an event of it yet. */
static bool
source_sum(const struct partition_status_list *partitions, struct source_status *source)
{
    *source = (struct source_status){.name = NULL, .cursor = -1};
    for (uint32_t i = 0; i < partitions->count; i++)
        source_add_partition(source, &partitions->items[i]);
    source->lag_rows += source_backlog_rows(partitions);
    return source->name != NULL;
}

void
source_status_read(struct api_context *api, const struct partition_status_list *partitions,
                   struct source_status_list *sources)
{
    uint32_t count = http_sources_read(api->sources, sources->http);
    CHECK(count <= HTTP_SOURCES_MAX);
    sources->has_numbered = source_sum(partitions, &sources->items[0]);
    sources->count = sources->has_numbered;
    for (uint32_t i = 0; i < count; i++) {
        const struct http_source *source = &sources->http[i];
        CHECK(sources->count < 1 + HTTP_SOURCES_MAX);
        sources->items[sources->count++] = (struct source_status){
            .name = source->source,
            .cursor = source->cursor,
            .max_row_id = source->max_id,
            .lag_rows = source->lag_rows,
            .ops = (int64_t)source->ops,
            .wal_bytes = -1,
        };
    }
    CHECK(sources->count <= 1 + HTTP_SOURCES_MAX);
}
