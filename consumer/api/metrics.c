#include <stdio.h>
#include <string.h>

#include "consumer/api/api_internal.h"

/* A 64-bit member of a look or a source. */
struct look_metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    bool known_only; /* negative means not known: no sample */
};

static const struct look_metric look_metrics[] = {
    {"bitdex_consumer_records_total", "counter", "Messages read from the topic.",
     offsetof(struct partition_status, status.counts.records), false},
    {"bitdex_consumer_bytes_total", "counter", "The same in bytes of values.",
     offsetof(struct partition_status, status.counts.bytes), false},
    {"bitdex_consumer_events_total", "counter", "Events applied.",
     offsetof(struct partition_status, status.counts.events), false},
    {"bitdex_consumer_ops_total", "counter", "Ops applied or overridden; a fan-out counts once.",
     offsetof(struct partition_status, status.counts.ops), false},
    {"bitdex_consumer_ops_compacted_total", "counter",
     "Ops that later ones of the same batch have overridden.",
     offsetof(struct partition_status, status.counts.compacted), false},
    {"bitdex_consumer_duplicates_total", "counter", "Events dropped: applied before.",
     offsetof(struct partition_status, status.counts.duplicates), false},
    {"bitdex_consumer_fenced_total", "counter", "Events dropped: of an older generation.",
     offsetof(struct partition_status, status.counts.fenced), false},
    {"bitdex_consumer_foreign_total", "counter", "Events dropped: of a second source.",
     offsetof(struct partition_status, status.counts.foreign), false},
    {"bitdex_consumer_rejected_total", "counter", "Rows that the producer has rejected.",
     offsetof(struct partition_status, status.counts.rejected), false},
    {"bitdex_consumer_dead_letters_total", "counter", "Dead letters written.",
     offsetof(struct partition_status, status.letters), false},
    {"bitdex_consumer_losses", "gauge", "Losses that were proved: gaps, numbers used twice.",
     offsetof(struct partition_status, status.sequence.losses), false},
    {"bitdex_consumer_missing_events", "gauge", "Numbers that never came.",
     offsetof(struct partition_status, status.sequence.missing), false},
    {"bitdex_consumer_seq", "gauge", "Number of the last event.",
     offsetof(struct partition_status, status.sequence.seq), false},
    {"bitdex_consumer_offset", "gauge", "Offset of the next message.",
     offsetof(struct partition_status, status.offset), true},
    {"bitdex_consumer_durable_offset", "gauge", "The same in the write-ahead log.",
     offsetof(struct partition_status, status.durable_offset), true},
    {"bitdex_consumer_committed_offset", "gauge", "The group's offset, as acknowledged.",
     offsetof(struct partition_status, bounds.committed), true},
    {"bitdex_consumer_mirrored_offset", "gauge", "The offset that bitdex_cursors has.",
     offsetof(struct partition_status, mirrored_offset), true},
    {"bitdex_consumer_queue_messages", "gauge", "Messages that were fetched and not read yet.",
     offsetof(struct partition_status, bounds.waiting), false},
    {"bitdex_consumer_lag_rows", "gauge", "Messages in the topic that are not applied yet.",
     offsetof(struct partition_status, lag_rows), true},
    {"bitdex_wal_bytes", "gauge", "Size of the write-ahead log.",
     offsetof(struct partition_status, status.wal_bytes), false},
    {"bitdex_engine_alive_slots", "gauge", "Entities that exist.",
     offsetof(struct partition_status, engine.alive_slots), false},
    {"bitdex_engine_memory_bytes", "gauge", "Memory of the engine, estimated.",
     offsetof(struct partition_status, engine.memory_bytes), false},
    {"bitdex_engine_unknown_field_ops_total", "counter", "Ops on fields that the index lacks.",
     offsetof(struct partition_status, engine.unknown_field_ops), false},
};

enum { LOOK_METRICS = sizeof look_metrics / sizeof look_metrics[0] };

static void
metrics_partition_sample(struct buffer *out, const char *name, int32_t partition, double value)
{
    char text[16];
    snprintf(text, sizeof text, "%d", partition);
    const char *const labels[] = {"partition", text, NULL};
    metrics_sample(out, name, labels, value);
}

static void
metrics_write_looks(struct buffer *out, const struct partition_status_list *looks)
{
    for (size_t i = 0; i < LOOK_METRICS; i++) {
        const struct look_metric *metric = &look_metrics[i];
        metrics_family(out, metric->name, metric->type, metric->help);
        for (uint32_t j = 0; j < looks->count; j++) {
            const struct partition_status *look = &looks->items[j];
            int64_t number;
            memcpy(&number, (const char *)look + metric->offset, sizeof number);
            if (number >= 0 || !metric->known_only)
                metrics_partition_sample(out, metric->name, look->partition, (double)number);
        }
    }
}

static void
metrics_write_freshness(struct buffer *out, const struct partition_status_list *looks)
{
    metrics_family(out, "bitdex_freshness_seconds", "gauge",
                   "Age of the last watermark: grows when anything in the chain stops.");
    for (uint32_t i = 0; i < looks->count; i++)
        if (looks->items[i].lag_s >= 0)
            metrics_partition_sample(out, "bitdex_freshness_seconds", looks->items[i].partition,
                                     looks->items[i].lag_s);
    metrics_family(out, "bitdex_shard_complete", "gauge", "1: nothing is missing, proved.");
    for (uint32_t i = 0; i < looks->count; i++)
        metrics_partition_sample(out, "bitdex_shard_complete", looks->items[i].partition,
                                 looks->items[i].complete);
}

/* A member of a source. The names are those that people have dashboards for. */
static const struct look_metric source_metrics[] = {
    {"bitdex_sync_cursor_position", "gauge", "Outbox id up to which everything sent is applied.",
     offsetof(struct source_status, cursor), true},
    {"bitdex_sync_max_id", "gauge", "Greatest id in the outbox.",
     offsetof(struct source_status, max_row_id), true},
    {"bitdex_sync_lag_rows", "gauge", "Rows that are not applied yet.",
     offsetof(struct source_status, lag_rows), true},
    {"bitdex_sync_ops_total", "counter", "Ops applied.", offsetof(struct source_status, ops), true},
    {"bitdex_sync_wal_bytes", "gauge", "Size of the write-ahead logs.",
     offsetof(struct source_status, wal_bytes), true},
};

enum { SOURCE_METRICS = sizeof source_metrics / sizeof source_metrics[0] };

static void
metrics_write_sources(struct buffer *out, const struct source_status_list *sources,
                      const struct stage_times *times)
{
    for (size_t i = 0; i < SOURCE_METRICS && sources->count > 0; i++) {
        const struct look_metric *metric = &source_metrics[i];
        metrics_family(out, metric->name, metric->type, metric->help);
        for (uint32_t j = 0; j < sources->count; j++) {
            const struct source_status *source = &sources->items[j];
            const char *const labels[] = {"source", source->name, NULL};
            int64_t number;
            memcpy(&number, (const char *)source + metric->offset, sizeof number);
            if (number >= 0)
                metrics_sample(out, metric->name, labels, (double)number);
        }
    }
    if (!sources->has_numbered)
        return;
    const char *const labels[] = {"source", sources->items[0].name, NULL};
    metrics_family(out, "bitdex_sync_cycle_duration_seconds", "histogram",
                   "A batch, from decoding to applied.");
    metrics_histogram_sample(out, "bitdex_sync_cycle_duration_seconds", labels, &times->cycle);
}

static void
metrics_write_stages(struct buffer *out, const struct stage_times *times)
{
    static const char *const names[STAGES] = {
        [STAGE_READ] = "read",       [STAGE_DECODE] = "decode",
        [STAGE_LETTERS] = "letters", [STAGE_WRITE] = "write",
        [STAGE_SYNC] = "sync",       [STAGE_LOCK] = "lock",
        [STAGE_APPLY] = "apply",     [STAGE_CHECKPOINT] = "checkpoint",
        [STAGE_COMMIT] = "commit",
    };
    metrics_family(out, "bitdex_consumer_stage_seconds", "histogram", "The stages of a batch.");
    for (int i = 0; i < STAGES; i++) {
        const char *const labels[] = {"stage", names[i], NULL};
        metrics_histogram_sample(out, "bitdex_consumer_stage_seconds", labels, &times->stages[i]);
    }
}

void
api_answer_metrics(struct api_call *call)
{
    struct api *api = call->api;
    struct buffer *out = &call->response->body;
    const struct stage_times *times = assignment_times(api->assignment);
    struct partition_status_list looks;
    struct source_status_list sources;
    partition_status_read(api, true, &looks);
    partition_status_sources(api, &looks, &sources);
    call->response->content_type = METRICS_CONTENT_TYPE;
    metrics_write_freshness(out, &looks);
    metrics_write_sources(out, &sources, times);
    metrics_write_looks(out, &looks);
    metrics_write_stages(out, times);
    metrics_family(out, "bitdex_query_seconds", "histogram", "Queries answered.");
    metrics_histogram_sample(out, "bitdex_query_seconds", NULL, &api->query_times);
    metrics_family(out, "bitdex_query_failed_total", "counter", "Queries refused.");
    metrics_sample(out, "bitdex_query_failed_total", NULL,
                   (double)atomic_load(&api->failed_queries));
    metrics_family(out, "bitdex_query_timeout_total", "counter",
                   "Queries that consumer.query_timeout_ms has ended.");
    metrics_sample(out, "bitdex_query_timeout_total", NULL,
                   (double)atomic_load(&api->late_queries));
    partition_status_free(&looks);
}
