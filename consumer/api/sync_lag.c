#include "consumer/api/sync_lag.h"

#include "common/base/check.h"
#include "common/json/json_write.h"
#include "consumer/api/field_status.h"
#include "consumer/api/partition_status.h"
#include "consumer/api/source_status.h"
#include "consumer/api/verified.h"
#include "consumer/partition/shard.h"

static void
lag_write_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

/* A negative number is not known: null. */
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
    CHECK(source->name != NULL);
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
    CHECK(sequence->gap_first <= sequence->gap_last);
    lag_write_number(json, "epoch", sequence->epoch);
    lag_write_number(json, "generation", sequence->generation);
    lag_write_number(json, "tick", sequence->tick);
    lag_write_number(json, "seq", sequence->seq);
    lag_write_number(json, "last_row_id", sequence->row_id);
    lag_write_number(json, "losses", sequence->losses);
    lag_write_number(json, "missing", sequence->missing);
    lag_write_known(json, "missing_first", sequence->gap_first > 0 ? sequence->gap_first : -1);
    lag_write_number(json, "unanswered_refreshes", sequence->unanswered);
    lag_write_number(json, "owed_refreshes", sequence->watermark.owed);
    lag_write_known(json, "missing_last", sequence->gap_first > 0 ? sequence->gap_last : -1);
}

static void
lag_write_text(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

static void
lag_write_offsets(struct json_writer *json, const struct partition_status *status)
{
    const struct shard_status *shard = &status->shard;
    lag_write_known(json, "offset", shard->offset);
    lag_write_known(json, "durable_offset", shard->durable_offset);
    lag_write_known(json, "committed_offset", status->bounds.committed);
    lag_write_known(json, "cursor_table_offset", status->cursor_table_offset);
    lag_write_known(json, "rebuild_offset", shard->rebuild_offset);
    lag_write_known(json, "high_offset", status->bounds.high);
    lag_write_known(json, "lag_rows", status->lag_rows);
    json_key(json, "lag_seconds");
    if (status->lag_s >= 0)
        json_float(json, status->lag_s);
    else
        json_null(json);
}

static void
lag_write_verdicts(struct json_writer *json, const struct partition_status *status)
{
    double age_s = verified_age_s(status);
    CHECK(status->shard.verdicts.differing <= status->shard.verdicts.ranges);
    lag_write_number(json, "verify_ranges", status->shard.verdicts.ranges);
    lag_write_number(json, "verify_ranges_differing", status->shard.verdicts.differing);
    json_key(json, "verify_oldest_seconds");
    if (age_s >= 0)
        json_float(json, age_s);
    else
        json_null(json);
}

static void
lag_write_partition(struct json_writer *json, const struct partition_status *status)
{
    const struct shard_status *shard = &status->shard;
    CHECK(status->partition >= 0);
    json_object_begin(json);
    lag_write_number(json, "partition", status->partition);
    lag_write_text(json, "state", shard_state_name(shard->state));
    lag_write_text(json, "error", shard->error);
    lag_write_text(json, "replay", shard->replay);
    json_key(json, "complete");
    json_boolean(json, status->complete);
    lag_write_text(json, "reason", status->reason);
    lag_write_offsets(json, status);
    lag_write_sequence(json, &shard->sequence);
    lag_write_number(json, "dead_letters", (int64_t)shard->dead_letters);
    lag_write_number(json, "dead_letters_open", shard->open_letters);
    lag_write_number(json, "wal_bytes", shard->wal_bytes);
    lag_write_verdicts(json, status);
    json_object_end(json);
}

static void
lag_write_sources(struct json_writer *json, const struct source_status_list *sources)
{
    json_key(json, "sources");
    json_array_begin(json);
    for (uint32_t i = 0; i < sources->count; i++)
        lag_write_source(json, &sources->items[i]);
    json_array_end(json);
}

void
api_answer_sync_lag(struct api_call *call)
{
    struct partition_status_list partitions;
    struct source_status_list sources;
    struct json_writer json;
    partition_status_read(call->api, false, &partitions);
    source_status_read(call->api, &partitions, &sources);
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    lag_write_sources(&json, &sources);
    lag_write_text(&json, "broker_error", partitions.broker_error);
    lag_write_text(&json, "cursor_table_error", partitions.cursor_table_error);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (uint32_t i = 0; i < partitions.count; i++)
        lag_write_partition(&json, &partitions.items[i]);
    json_array_end(&json);
    field_status_write(&partitions, &call->api->fields, &json);
    json_object_end(&json);
    partition_status_free(&partitions);
}
