#include "consumer/api/metrics.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/metrics/metrics.h"
#include "consumer/api/field_status.h"
#include "consumer/api/partition_status.h"
#include "consumer/api/source_status.h"
#include "consumer/api/verified.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/stage_times.h"

/* A metric whose value is a 64-bit member of a status. */
struct status_metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    bool known_only; /* a negative value is not known, and has no sample */
};

static const struct status_metric partition_metrics[] = {
    {"bitdex_consumer_records_total", "counter", "Messages read from the topic.",
     offsetof(struct partition_status, shard.counts.records), false},
    {"bitdex_consumer_bytes_total", "counter", "Bytes of the values of these messages.",
     offsetof(struct partition_status, shard.counts.bytes), false},
    {"bitdex_consumer_events_total", "counter", "Events applied.",
     offsetof(struct partition_status, shard.counts.events), false},
    {"bitdex_consumer_ops_total", "counter", "Ops applied or compacted; a fan-out counts once.",
     offsetof(struct partition_status, shard.counts.ops), false},
    {"bitdex_consumer_ops_compacted_total", "counter",
     "Ops dropped because later ops of the same batch override them.",
     offsetof(struct partition_status, shard.counts.compacted), false},
    {"bitdex_consumer_duplicates_total", "counter", "Events dropped: already applied.",
     offsetof(struct partition_status, shard.counts.duplicates), false},
    {"bitdex_consumer_fenced_total", "counter", "Events dropped: of an older generation.",
     offsetof(struct partition_status, shard.counts.fenced), false},
    {"bitdex_consumer_stale_total", "counter", "Parts of loads dropped: older than the shard.",
     offsetof(struct partition_status, shard.counts.stale), false},
    {"bitdex_consumer_foreign_total", "counter", "Events dropped: of a second source.",
     offsetof(struct partition_status, shard.counts.foreign), false},
    {"bitdex_consumer_rejected_total", "counter", "Rejected events of the producer.",
     offsetof(struct partition_status, shard.counts.rejected), false},
    {"bitdex_consumer_dead_letters_total", "counter", "Dead letters written.",
     offsetof(struct partition_status, shard.dead_letters), false},
    {"bitdex_consumer_losses", "gauge", "Proved losses: gaps, and numbers that were used twice.",
     offsetof(struct partition_status, shard.sequence.losses), false},
    {"bitdex_consumer_missing_events", "gauge", "Events that never came, by their numbers.",
     offsetof(struct partition_status, shard.sequence.missing), false},
    {"bitdex_consumer_seq", "gauge", "Number of the last event.",
     offsetof(struct partition_status, shard.sequence.seq), false},
    {"bitdex_consumer_offset", "gauge", "Offset of the next message.",
     offsetof(struct partition_status, shard.offset), true},
    {"bitdex_consumer_durable_offset", "gauge", "Next offset after the write-ahead log.",
     offsetof(struct partition_status, shard.durable_offset), true},
    {"bitdex_consumer_committed_offset", "gauge", "Offset of the group, as acknowledged.",
     offsetof(struct partition_status, bounds.committed), true},
    {"bitdex_consumer_cursor_table_offset", "gauge", "Offset in bitdex_cursors.",
     offsetof(struct partition_status, cursor_table_offset), true},
    {"bitdex_dead_letters_open", "gauge",
     "Values that could not be applied, and that no load or refresh has replaced yet.",
     offsetof(struct partition_status, shard.open_letters), false},
    {"bitdex_consumer_unanswered_refreshes", "gauge",
     "Refreshes that the partition has seen and whose answers it has not.",
     offsetof(struct partition_status, shard.sequence.unanswered), false},
    {"bitdex_consumer_owed_refreshes", "gauge",
     "Refreshes that the producer has not answered, by the last watermark.",
     offsetof(struct partition_status, shard.sequence.watermark.owed), false},
    {"bitdex_consumer_queue_messages", "gauge", "Messages fetched and not read yet.",
     offsetof(struct partition_status, bounds.waiting), false},
    {"bitdex_consumer_lag_rows", "gauge", "Messages in the topic that are not applied yet.",
     offsetof(struct partition_status, lag_rows), true},
    {"bitdex_verify_ranges", "gauge", "Ranges that were compared with the source.",
     offsetof(struct partition_status, shard.verdicts.ranges), false},
    {"bitdex_verify_ranges_differing", "gauge", "Ranges in which a field differs from the source.",
     offsetof(struct partition_status, shard.verdicts.differing), false},
    {"bitdex_wal_bytes", "gauge", "Size of the write-ahead log.",
     offsetof(struct partition_status, shard.wal_bytes), false},
    {"bitdex_engine_alive_slots", "gauge", "Entities that are alive.",
     offsetof(struct partition_status, engine.alive_slots), false},
    {"bitdex_engine_memory_bytes", "gauge", "Memory of the engine, estimated.",
     offsetof(struct partition_status, engine.memory_bytes), false},
    {"bitdex_engine_unknown_field_ops_total", "counter", "Ops on fields that the index lacks.",
     offsetof(struct partition_status, engine.unknown_field_ops), false},
};

/* Dashboards of the original system use these names. */
static const struct status_metric source_metrics[] = {
    {"bitdex_sync_cursor_position", "gauge",
     "Outbox id up to which every row was sent and is applied.",
     offsetof(struct source_status, cursor), true},
    {"bitdex_sync_max_id", "gauge", "Greatest id in the outbox.",
     offsetof(struct source_status, max_row_id), true},
    {"bitdex_sync_lag_rows", "gauge", "Rows that are not applied yet.",
     offsetof(struct source_status, lag_rows), true},
    {"bitdex_sync_ops_total", "counter", "Ops applied.", offsetof(struct source_status, ops), true},
    {"bitdex_sync_wal_bytes", "gauge", "Size of the write-ahead logs.",
     offsetof(struct source_status, wal_bytes), true},
};

enum {
    PARTITION_METRICS = sizeof partition_metrics / sizeof partition_metrics[0],
    SOURCE_METRICS = sizeof source_metrics / sizeof source_metrics[0],
};

/* The member of `status`, which has `bytes` bytes. */
static int64_t
metric_value(const struct status_metric *metric, const void *status, size_t bytes)
{
    int64_t value;
    CHECK(metric->offset + sizeof value <= bytes);
    memcpy(&value, (const char *)status + metric->offset, sizeof value);
    return value;
}

static void
write_partition_sample(struct buffer *out, const char *name, int32_t partition, double value)
{
    char text[16];
    CHECK(partition >= 0);
    snprintf(text, sizeof text, "%d", partition);
    const char *const labels[] = {"partition", text, NULL};
    metrics_sample(out, name, labels, value);
}

static void
write_partitions(struct buffer *out, const struct partition_status_list *list)
{
    for (size_t i = 0; i < PARTITION_METRICS; i++) {
        const struct status_metric *metric = &partition_metrics[i];
        metrics_family(out, metric->name, metric->type, metric->help);
        for (uint32_t j = 0; j < list->count; j++) {
            const struct partition_status *status = &list->items[j];
            int64_t value = metric_value(metric, status, sizeof *status);
            if (value >= 0 || !metric->known_only)
                write_partition_sample(out, metric->name, status->partition, (double)value);
        }
    }
}

static void
write_freshness(struct buffer *out, const struct partition_status_list *list)
{
    metrics_family(
        out, "bitdex_freshness_seconds", "gauge",
        "Age of the last applied watermark that owed nothing; grows when any part of the "
        "chain stops.");
    for (uint32_t i = 0; i < list->count; i++)
        if (list->items[i].lag_s >= 0)
            write_partition_sample(out, "bitdex_freshness_seconds", list->items[i].partition,
                                   list->items[i].lag_s);
    metrics_family(out, "bitdex_shard_complete", "gauge",
                   "1: every field of the partition is complete up to its last watermark.");
    for (uint32_t i = 0; i < list->count; i++)
        write_partition_sample(out, "bitdex_shard_complete", list->items[i].partition,
                               list->items[i].complete);
}

static void
write_fields(struct buffer *out, const struct partition_status_list *list,
             const struct config_fields *fields)
{
    metrics_family(out, "bitdex_field_complete", "gauge",
                   "1: the field is complete in every partition of this process.");
    for (uint32_t i = 0; i <= fields->count; i++) {
        uint32_t number = i < fields->count ? i : FIELD_ALIVE;
        const char *const labels[] = {"field", config_fields_name(fields, number), NULL};
        metrics_sample(out, "bitdex_field_complete", labels,
                       field_status_is_complete(list, number));
    }
}

static void
write_sources(struct buffer *out, const struct source_status_list *sources)
{
    for (size_t i = 0; i < SOURCE_METRICS && sources->count > 0; i++) {
        const struct status_metric *metric = &source_metrics[i];
        metrics_family(out, metric->name, metric->type, metric->help);
        for (uint32_t j = 0; j < sources->count; j++) {
            const struct source_status *source = &sources->items[j];
            CHECK(source->name != NULL);
            const char *const labels[] = {"source", source->name, NULL};
            int64_t value = metric_value(metric, source, sizeof *source);
            if (value >= 0)
                metrics_sample(out, metric->name, labels, (double)value);
        }
    }
}

static void
write_cycles(struct buffer *out, const struct source_status_list *sources,
             const struct stage_times *times)
{
    if (!sources->has_numbered)
        return;
    CHECK(sources->count > 0);
    CHECK(sources->items[0].name != NULL);
    const char *const labels[] = {"source", sources->items[0].name, NULL};
    metrics_family(out, "bitdex_sync_cycle_duration_seconds", "histogram",
                   "Time of a batch, from decoding until it is applied.");
    metrics_histogram_sample(out, "bitdex_sync_cycle_duration_seconds", labels, &times->cycle);
}

static void
write_stages(struct buffer *out, const struct stage_times *times)
{
    static const char *const names[STAGES] = {
        [STAGE_READ] = "read",
        [STAGE_DECODE] = "decode",
        [STAGE_DEAD_LETTERS] = "dead_letters",
        [STAGE_WRITE] = "write",
        [STAGE_SYNC] = "sync",
        [STAGE_LOCK] = "lock",
        [STAGE_APPLY] = "apply",
        [STAGE_COMPARE] = "compare",
        [STAGE_CHECKPOINT] = "checkpoint",
        [STAGE_COMMIT] = "commit",
    };
    metrics_family(out, "bitdex_consumer_stage_seconds", "histogram",
                   "Time of each stage of a batch.");
    for (int i = 0; i < STAGES; i++) {
        CHECK(names[i] != NULL);
        const char *const labels[] = {"stage", names[i], NULL};
        metrics_histogram_sample(out, "bitdex_consumer_stage_seconds", labels, &times->stages[i]);
    }
}

static void
write_comparisons(struct buffer *out, const struct partition_status_list *list,
                  const struct stage_times *times)
{
    metrics_family(out, "bitdex_verify_oldest_seconds", "gauge",
                   "Age of the oldest comparison of a range with the source.");
    for (uint32_t i = 0; i < list->count; i++) {
        double age_s = verified_age_s(&list->items[i]);
        if (age_s >= 0)
            write_partition_sample(out, "bitdex_verify_oldest_seconds", list->items[i].partition,
                                   age_s);
    }
    metrics_family(out, "bitdex_verify_sums_total", "counter",
                   "Sums of a range that were compared with the source.");
    metrics_sample(out, "bitdex_verify_sums_total", NULL, (double)atomic_load(&times->sums));
    metrics_family(out, "bitdex_verify_differences_total", "counter",
                   "Values that differ from the source, found by check chunks.");
    metrics_sample(out, "bitdex_verify_differences_total", NULL,
                   (double)atomic_load(&times->differences));
}

static void
write_queries(struct buffer *out, struct api_context *api)
{
    metrics_family(out, "bitdex_query_duration_seconds", "histogram",
                   "Time of each query that was answered.");
    metrics_histogram_sample(out, "bitdex_query_duration_seconds", NULL, &api->query_times);
    metrics_family(out, "bitdex_query_refused_total", "counter", "Queries that were invalid.");
    metrics_sample(out, "bitdex_query_refused_total", NULL,
                   (double)atomic_load(&api->refused_queries));
    metrics_family(out, "bitdex_query_timeout_total", "counter",
                   "Queries ended by consumer.query_timeout_ms.");
    metrics_sample(out, "bitdex_query_timeout_total", NULL,
                   (double)atomic_load(&api->timed_out_queries));
    metrics_family(out, "bitdex_query_waiting", "gauge",
                   "Queries that wait for a transaction or for one tick.");
    metrics_sample(out, "bitdex_query_waiting", NULL, atomic_load(&api->waiting_queries));
    metrics_family(out, "bitdex_query_overload_total", "counter",
                   "Queries refused because consumer.waiting_queries waited.");
    metrics_sample(out, "bitdex_query_overload_total", NULL,
                   (double)atomic_load(&api->overload_queries));
}

static void
write_http(struct buffer *out, const struct api_context *api)
{
    struct http_stats stats;
    http_server_read_stats(api->server, &stats);
    metrics_family(out, "bitdex_http_connections", "gauge", "Open connections.");
    metrics_sample(out, "bitdex_http_connections", NULL, (double)stats.connections);
    metrics_family(out, "bitdex_http_dropped_total", "counter",
                   "Connections without a request that were closed to make room for others.");
    metrics_sample(out, "bitdex_http_dropped_total", NULL, (double)stats.dropped);
    metrics_family(out, "bitdex_http_busy_total", "counter",
                   "Requests that were answered 503 because of too many others.");
    metrics_sample(out, "bitdex_http_busy_total", NULL, (double)stats.refused);
    metrics_family(out, "bitdex_http_bodies_bytes", "gauge",
                   "Memory of request bodies, at most consumer.bodies_bytes.");
    metrics_sample(out, "bitdex_http_bodies_bytes", NULL, (double)stats.bodies_bytes);
}

void
api_answer_metrics(struct api_call *call)
{
    struct api_context *api = call->api;
    struct buffer *out = &call->response->body;
    const struct stage_times *times = assignment_times(api->assignment);
    struct partition_status_list partitions;
    struct source_status_list sources;
    partition_status_read(api, true, &partitions);
    source_status_read(api, &partitions, &sources);
    call->response->content_type = METRICS_CONTENT_TYPE;
    write_freshness(out, &partitions);
    write_fields(out, &partitions, &api->fields);
    write_sources(out, &sources);
    write_cycles(out, &sources, times);
    write_partitions(out, &partitions);
    write_stages(out, times);
    write_comparisons(out, &partitions, times);
    write_queries(out, api);
    write_http(out, api);
    partition_status_free(&partitions);
}
