#include <inttypes.h>

#include "consumer/api/api_internal.h"

static void
lag_write_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

/* A number that is negative while it is not known. */
static void
lag_write_known(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    if (number >= 0)
        json_integer(json, number);
    else
        json_null(json);
}

static void
lag_write_source(struct json_writer *json, const struct source_status *source)
{
    json_object_begin(json);
    json_key(json, "source");
    json_string(json, source->name);
    lag_write_known(json, "cursor", source->cursor);
    lag_write_known(json, "max_id", source->max_row_id);
    lag_write_known(json, "lag_rows", source->lag_rows);
    json_object_end(json);
}

static void
lag_write_sequence(struct json_writer *json, const struct sequence *sequence)
{
    lag_write_number(json, "epoch", sequence->epoch);
    lag_write_number(json, "generation", sequence->generation);
    lag_write_number(json, "tick", sequence->tick);
    lag_write_number(json, "seq", sequence->seq);
    lag_write_number(json, "last_row_id", sequence->row_id);
    lag_write_number(json, "losses", sequence->losses);
    lag_write_number(json, "missing", sequence->missing);
    lag_write_known(json, "missing_first", sequence->gap_first > 0 ? sequence->gap_first : -1);
    lag_write_known(json, "missing_last", sequence->gap_first > 0 ? sequence->gap_last : -1);
}

static void
lag_write_partition(struct json_writer *json, const struct partition_status *look)
{
    const struct shard_status *status = &look->status;
    json_object_begin(json);
    lag_write_number(json, "partition", look->partition);
    json_key(json, "state");
    json_string(json, shard_state_name(status->state));
    json_key(json, "trouble");
    json_string(json, status->trouble);
    json_key(json, "complete");
    json_boolean(json, look->complete);
    json_key(json, "reason");
    json_string(json, look->reason);
    lag_write_known(json, "offset", status->offset);
    lag_write_known(json, "durable_offset", status->durable_offset);
    lag_write_known(json, "committed_offset", look->bounds.committed);
    lag_write_known(json, "mirrored_offset", look->mirrored_offset);
    lag_write_known(json, "rebuild_offset", status->rebuild_offset);
    lag_write_known(json, "high_offset", look->bounds.high);
    lag_write_known(json, "lag_rows", look->lag_rows);
    json_key(json, "lag_seconds");
    if (look->lag_s >= 0)
        json_float(json, look->lag_s);
    else
        json_null(json);
    lag_write_sequence(json, &status->sequence);
    lag_write_number(json, "dead_letters", (int64_t)status->letters);
    lag_write_number(json, "wal_bytes", status->wal_bytes);
    json_object_end(json);
}

void
api_answer_sync_lag(struct api_call *call)
{
    struct partition_status_list looks;
    struct source_status_list sources;
    struct json_writer json;
    partition_status_read(call->api, false, &looks);
    partition_status_sources(call->api, &looks, &sources);
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, "sources");
    json_array_begin(&json);
    for (uint32_t i = 0; i < sources.count; i++)
        lag_write_source(&json, &sources.items[i]);
    json_array_end(&json);
    json_key(&json, "broker_trouble");
    json_string(&json, looks.trouble);
    json_key(&json, "cursor_table_error");
    json_string(&json, looks.cursor_table_error);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (uint32_t i = 0; i < looks.count; i++)
        lag_write_partition(&json, &looks.items[i]);
    json_array_end(&json);
    json_object_end(&json);
    partition_status_free(&looks);
}

/* The page for people: one line for each partition. */
void
api_answer_page(struct api_call *call)
{
    struct buffer *out = &call->response->body;
    const struct config *config = call->api->config;
    struct partition_status_list looks;
    partition_status_read(call->api, false, &looks);
    call->response->content_type = "text/plain; charset=utf-8";
    if (config->kafka.present)
        buffer_append_format(out, "bitdex-consumer: index %s, topic %s, group %s\n", config->index,
                             config->topic.name, config->consumer.group);
    else
        buffer_append_format(out, "bitdex-consumer: index %s, stand-alone\n", config->index);
    buffer_append_format(out, "%u of %d partitions are here\n\n", looks.count,
                         config->topic.partitions);
    if (looks.trouble[0] != '\0')
        buffer_append_format(out, "Kafka: %s\n\n", looks.trouble);
    if (looks.cursor_table_error[0] != '\0')
        buffer_append_format(out, "bitdex_cursors: %s\n\n", looks.cursor_table_error);
    for (uint32_t i = 0; i < looks.count; i++) {
        const struct partition_status *look = &looks.items[i];
        buffer_append_format(out, "partition %-4d %-10s offset %" PRId64 " seq %" PRId64,
                             look->partition, shard_state_name(look->status.state),
                             look->status.offset, look->status.sequence.seq);
        if (look->lag_s >= 0)
            buffer_append_format(out, " %.1f s behind", look->lag_s);
        buffer_append_format(out, " %s%s\n",
                             look->complete ? "complete" : "INCOMPLETE: ", look->reason);
    }
    buffer_append_text(out, "\n/api/internal/sync-lag /api/health /api/ready /metrics\n");
    partition_status_free(&looks);
}
