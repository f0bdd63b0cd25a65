#include "consumer/partition/worker_status.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "consumer/partition/incomplete.h"

static const char *const area = "worker";

void
worker_status_init(struct worker_status *status, struct shard *shard,
                   const struct replica_pair *replicas, int32_t partition, int64_t owed_limit_s)
{
    CHECK(owed_limit_s >= 0);
    *status = (struct worker_status){
        .shard = shard,
        .replicas = replicas,
        .partition = partition,
        .shown.state = SHARD_RECOVERING,
        .shown.owed_limit_us = owed_limit_s * US_PER_S,
    };
}

void
worker_status_publish(struct worker_status *status)
{
    const struct replica *served = status->replicas->served;
    const struct replica *rebuilt = status->replicas->rebuilt;
    struct shard_status *shown = &status->shown;
    bool is_healthy = shown->state == SHARD_RUNNING || shown->state == SHARD_REBUILDING;
    CHECK(shown->state != SHARD_RECOVERING);
    CHECK(is_healthy == (shown->error[0] == '\0'));
    CHECK(shown->state != SHARD_RUNNING || rebuilt == NULL);
    CHECK(shown->state != SHARD_REBUILDING || rebuilt != NULL);
    shown->sequence = replica_position(served)->sequence;
    if (status->is_other_topic)
        sequence_change_topic(&shown->sequence);
    shown->offset = replica_next_offset(served);
    shown->durable_offset = replica_durable_offset(served);
    shown->wal_bytes = replica_wal_bytes(served);
    shown->verdicts = *replica_verdicts(served);
    shown->open_letters = unanswered_letter_count(replica_record(served));
    shown->rebuild_offset = rebuilt != NULL ? replica_next_offset(rebuilt) : -1;
    shown->losing = (struct field_set){{0}};
    CHECK(shown->durable_offset <= shown->offset);
    CHECK(shown->wal_bytes >= 0);
    shard_publish(status->shard, shown);
    shard_publish_proof(status->shard, replica_proof(served));
}

void
worker_status_lose(struct worker_status *status, const struct sequence *next,
                   const struct config_fields *fields)
{
    struct field_set losing = incomplete_find_complete(&status->shown.sequence, fields);
    const struct field_set kept = incomplete_find_complete(next, fields);
    CHECK(status->shown.state != SHARD_RECOVERING);
    field_set_remove_all(&losing, &kept);
    if (field_set_is_empty(&losing))
        return;
    status->shown.losing = losing;
    shard_publish(status->shard, &status->shown);
}

void
worker_status_set(struct worker_status *status, enum shard_state state, const char *error)
{
    struct shard_status *shown = &status->shown;
    CHECK(state != SHARD_RECOVERING); /* the state of a new worker, and of no other */
    CHECK((error[0] == '\0') == (state == SHARD_RUNNING || state == SHARD_REBUILDING));
    if (shown->state == state && strcmp(shown->error, error) == 0)
        return;
    enum log_level level = error[0] != '\0' ? LOG_WARN : LOG_INFO;
    log_write(level, area, "partition %d: %s%s%s", status->partition, shard_state_name(state),
              error[0] != '\0' ? ": " : "", error);
    shown->state = state;
    snprintf(shown->error, sizeof shown->error, "%s", error);
    worker_status_publish(status);
}

void
worker_status_set_replay(struct worker_status *status, const char *note)
{
    struct shard_status *shown = &status->shown;
    if (strcmp(shown->replay, note) == 0)
        return;
    if (note[0] != '\0')
        log_warn(area, "partition %d: %s", status->partition, note);
    snprintf(shown->replay, sizeof shown->replay, "%s", note);
    worker_status_publish(status);
}

void
worker_status_set_healthy(struct worker_status *status)
{
    bool is_rebuilding = replica_pair_is_rebuilding(status->replicas);
    worker_status_set(status, is_rebuilding ? SHARD_REBUILDING : SHARD_RUNNING, "");
}

bool
worker_status_is_waiting(const struct worker_status *status)
{
    return status->shown.state == SHARD_WAITING;
}

void
worker_status_count(struct worker_status *status, const struct batch_counts *batch)
{
    struct batch_counts *sum = &status->shown.counts;
    CHECK(batch->events + batch->duplicates + batch->fenced + batch->stale + batch->foreign +
              batch->rejected <=
          batch->records);
    sum->records += batch->records;
    sum->bytes += batch->bytes;
    sum->events += batch->events;
    sum->ops += batch->ops;
    sum->compacted += batch->compacted;
    sum->duplicates += batch->duplicates;
    sum->fenced += batch->fenced;
    sum->stale += batch->stale;
    sum->foreign += batch->foreign;
    sum->rejected += batch->rejected;
}
