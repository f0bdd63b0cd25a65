#include "consumer/api/partition_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/api/as_of.h"
#include "consumer/group/assignment.h"
#include "consumer/group/cursor_table.h"
#include "consumer/partition/sequence.h"
#include "consumer/partition/worker.h"

/* Offsets that retention has removed are not lag. */
static int64_t
status_lag_rows(int64_t offset, const struct feed_bounds *bounds)
{
    if (bounds->high < 0 || bounds->low < 0)
        return -1;
    int64_t from = offset > bounds->low ? offset : bounds->low;
    return bounds->high > from ? bounds->high - from : 0;
}

static void
status_take_proof(void *context, const struct proof *proof)
{
    struct freshness *freshness = context;
    *freshness = proof->freshness;
}

/* As of a moment: by then. */
static double
status_lag_s(const struct freshness *freshness, int64_t moment_us)
{
    int64_t lag_us = freshness_age_us(freshness, clock_monotonic_us(), clock_realtime_us());
    if (moment_us != 0 && freshness->clock_us > 0)
        lag_us = moment_us > freshness->clock_us ? moment_us - freshness->clock_us : 0;
    return lag_us >= 0 ? (double)lag_us / US_PER_S : -1;
}

static bool
status_serves(const struct field_set *complete, const struct config_fields *fields)
{
    CHECK(fields->count > 0);
    for (uint32_t i = 0; i < fields->count; i++)
        if (field_set_has(complete, i))
            return field_set_has(complete, FIELD_ALIVE);
    return false;
}

void
partition_status_judge(struct partition_status *status, const struct config_fields *fields)
{
    status->complete =
        shard_complete(&status->shard, fields, status->reason, sizeof status->reason);
    CHECK(status->complete == (status->reason[0] == '\0'));
    status->complete_fields = shard_find_complete(&status->shard, fields);
    status->serves = status_serves(&status->complete_fields, fields);
    CHECK(status->serves || !status->complete);
}

/* Of an index as of a moment that is still read up to it. */
static void
status_await(struct partition_status *status)
{
    snprintf(status->reason, sizeof status->reason, "not there yet: offset %" PRId64 " of %" PRId64,
             status->shard.offset, status->bounds.high);
    status->complete = status->serves = false;
}

static void
status_read_partition(struct api_context *api, int32_t partition, bool with_engine,
                      struct partition_status *status)
{
    struct worker *worker = assignment_worker(api->assignment, partition);
    struct cursor_table *table = assignment_cursor_table(api->assignment);
    CHECK(0 <= partition && partition < api->config->topic.partitions);
    CHECK(worker != NULL);
    struct shard *shard = worker_shard(worker);
    status->partition = partition;
    shard_read_status(shard, &status->shard);
    CHECK(sequence_is_consistent(&status->shard.sequence));
    if (with_engine)
        shard_read_stats(shard, &status->engine);
    worker_bounds(worker, &status->bounds);
    status->cursor_table_offset = cursor_table_offset(table, partition);
    status->lag_rows = status_lag_rows(status->shard.offset, &status->bounds);
    shard_read_proof(shard, status_take_proof, &status->freshness);
    status->lag_s = status_lag_s(&status->freshness, as_of_us(api));
    int64_t heartbeat_us = worker_heartbeat_us(worker); /* before the clock is read */
    status->heartbeat_age_us = clock_monotonic_us() - heartbeat_us;
    partition_status_judge(status, &api->fields);
    if (!worker_has_arrived(worker))
        status_await(status);
}

void
partition_status_read(struct api_context *api, bool with_engine, struct partition_status_list *list)
{
    int32_t partitions = api->config->topic.partitions;
    list->items = memory_zalloc((size_t)partitions * sizeof *list->items);
    list->count = 0;
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < partitions; i++) {
        CHECK(list->count <= (uint32_t)i);
        if (assignment_worker(api->assignment, i) != NULL)
            status_read_partition(api, i, with_engine, &list->items[list->count++]);
    }
    assignment_broker_error(api->assignment, list->broker_error, sizeof list->broker_error);
    cursor_table_error(assignment_cursor_table(api->assignment), list->cursor_table_error,
                       sizeof list->cursor_table_error);
    assignment_leave(api->assignment);
}

void
partition_status_free(struct partition_status_list *list)
{
    free(list->items);
    *list = (struct partition_status_list){0};
}
