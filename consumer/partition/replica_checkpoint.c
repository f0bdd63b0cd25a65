#include "consumer/partition/replica_checkpoint.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config_wal.h"
#include "consumer/checkpoint/checkpoint_due.h"
#include "consumer/partition/replica_state.h"

static const char *const area = "replica";

int
replica_find_oldest(const struct replica *replica, int64_t *oldest, int *count, struct error *err)
{
    int64_t offsets[CHECKPOINTS_MAX];
    *count = checkpoint_list(&replica->place, offsets, err);
    *oldest = position_order_offset(&replica->order, POSITION_NEWEST_CHECKPOINT);
    for (int i = 0; i < *count; i++)
        if (offsets[i] > 0 && offsets[i] < *oldest)
            *oldest = offsets[i];
    return *count < 0 ? *count : 0;
}

static void
replica_write_state(void *context, const void *data, size_t bytes)
{
    struct replica *replica = context;
    CHECK(replica->writer != NULL);
    worker_control_heartbeat(replica->options.control); /* it is not interrupted */
    checkpoint_write(replica->writer, data, bytes);
}

/* A checkpoint_save. */
static void
replica_save_state(void *context, struct checkpoint_writer *writer)
{
    struct replica *replica = context;
    const struct image_sink sink = {replica, replica_write_state};
    CHECK(writer == replica->writer);
    engine_save(replica->engine, &sink);
}

/* `doomed` becomes what the checkpoint that is being written replaces. */
static int
replica_add_history(struct replica *replica, struct checkpoint_doomed *doomed, struct error *err)
{
    const struct config_consumer *config = &replica->options.config->consumer;
    const struct history_rule rule = {
        .place = &replica->place,
        .fields = &replica->fields,
        .wal = replica->wal,
        .keep = {.keep_us = (int64_t)config->checkpoint_keep_hours * 3600 * US_PER_S,
                 .reach_bytes = config_wal_checkpoint_bytes(config)},
        .wal_limit_bytes = config->wal_limit_bytes,
        .wal_segment_bytes = config->wal_segment_bytes,
    };
    const struct checkpoint_point added = {
        .next_offset = replica->writer_offset,
        .clock_us = replica->position.sequence.watermark.newest_us,
    };
    return history_add(&replica->history, &rule, &added, doomed, err);
}

static int
replica_take_state(struct replica *replica, struct error *err)
{
    CHECK(replica->writer_offset > 0);
    buffer_clear(&replica->encoded);
    position_encode(&replica->position, &replica->fields, &replica->encoded);
    size_t at = position_part_begin(POSITION_UNANSWERED, &replica->encoded);
    unanswered_encode(replica->record, &replica->encoded);
    position_part_end(at, &replica->encoded);
    at = position_part_begin(POSITION_PROOF, &replica->encoded);
    proof_encode(&replica->proof, &replica->encoded);
    position_part_end(at, &replica->encoded);
    at = position_part_begin(POSITION_VERDICTS, &replica->encoded);
    verdicts_encode(&replica->verdicts, &replica->fields, &replica->encoded);
    position_part_end(at, &replica->encoded);
    const struct text position = {(const char *)replica->encoded.data, replica->encoded.bytes};
    struct checkpoint_doomed doomed;
    int rc = replica_add_history(replica, &doomed, err);
    if (rc == 0)
        rc = checkpoint_begin(&replica->place, replica->writer_offset, position, &doomed,
                              &replica->writer, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot write a checkpoint");
    checkpoint_take(replica->writer, replica_save_state, replica);
    return 0;
}

int
replica_checkpoint_begin(struct replica *replica, struct error *err)
{
    int64_t since_us = clock_monotonic_us();
    int64_t applied = position_order_offset(&replica->order, POSITION_APPLIED);
    replica_check(replica);
    CHECK(replica->writer == NULL);
    CHECK(replica->unsaved_offset < 0);
    CHECK(applied == replica->next_offset);
    replica->frame_bytes = 0; /* also after a failure: the next one is due as much later */
    replica->checkpoint_us = since_us;
    if (applied < 0 || applied <= replica_checkpoint_offset(replica))
        return 0;
    replica->writer_offset = applied;
    replica->writer_begin_us = since_us;
    int rc = replica_take_state(replica, err);
    replica_observe(replica, STAGE_CHECKPOINT, &since_us);
    return rc;
}

bool
replica_checkpoint_is_done(const struct replica *replica)
{
    return replica->writer == NULL || checkpoint_is_done(replica->writer);
}

/* The log has to reach back to the oldest checkpoint, once there are as many as are kept. */
static int
replica_trim(struct replica *replica, struct error *err)
{
    struct position_order *order = &replica->order;
    int64_t oldest;
    int count;
    int rc = replica_find_oldest(replica, &oldest, &count, err);
    if (rc != 0 || oldest < position_order_offset(order, POSITION_OLDEST_CHECKPOINT))
        return rc;
    position_order_move(order, POSITION_OLDEST_CHECKPOINT, oldest);
    if (count < CHECKPOINTS_KEPT)
        return 0;
    rc = wal_trim(replica->wal, oldest, err);
    if (wal_begin_offset(replica->wal) >= 0)
        position_order_move(order, POSITION_WAL_BEGIN, wal_begin_offset(replica->wal));
    return rc;
}

int
replica_checkpoint_end(struct replica *replica, struct error *err)
{
    int64_t bytes;
    if (replica->writer == NULL)
        return 0;
    int rc = checkpoint_finish(replica->writer, &bytes, err);
    replica->writer = NULL;
    if (rc != 0)
        return error_wrap(err, rc, "cannot write a checkpoint");
    replica->checkpoint_bytes = bytes;
    position_order_move(&replica->order, POSITION_NEWEST_CHECKPOINT, replica->writer_offset);
    log_info(area, "%s: checkpoint at offset %" PRId64 ": %" PRId64 " bytes in %.1f s",
             replica->directory, replica->writer_offset, bytes,
             (double)(clock_monotonic_us() - replica->writer_begin_us) / 1e6);
    return replica_trim(replica, err);
}

int64_t
replica_checkpoint_offset(const struct replica *replica)
{
    int64_t offset = position_order_offset(&replica->order, POSITION_NEWEST_CHECKPOINT);
    return offset > 0 ? offset : -1;
}

bool
replica_checkpoint_is_due(const struct replica *replica)
{
    const struct config_consumer *config = &replica->options.config->consumer;
    int64_t interval_s = replica->options.is_as_of ? 0 : config->checkpoint_interval_s;
    const struct checkpoint_interval interval = {
        .bytes = config_wal_checkpoint_bytes(config),
        .interval_us = interval_s * US_PER_S,
    };
    const struct checkpoint_growth growth = {
        .log_bytes = replica->frame_bytes,
        .since_us = clock_monotonic_us() - replica->checkpoint_us,
        .last_bytes = replica->checkpoint_bytes,
    };
    return checkpoint_is_due(&interval, &growth);
}
