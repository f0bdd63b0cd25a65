#include "consumer/partition/replica.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/config/config_identity.h"
#include "consumer/partition/replica_state.h"

static void
replica_name_checkpoints(struct replica *replica)
{
    free(replica->checkpoint_directory);
    replica->checkpoint_directory = memory_format("%s/checkpoint", replica->directory);
    replica->place = replica_place(replica, replica->checkpoint_directory);
}

int
replica_create(const struct replica_options *options, struct replica **replica, struct error *err)
{
    struct engine *engine;
    CHECK(options->control != NULL);
    CHECK(options->partition >= 0);
    CHECK(options->partition < options->config->topic.partitions);
    int rc = replica_create_engine(options, NULL, &engine, err);
    if (rc != 0)
        return rc;
    struct replica *made = memory_zalloc(sizeof *made);
    made->options = *options;
    made->directory = memory_strdup(options->directory);
    made->engine = engine;
    made->unsaved_offset = -1;
    made->next_offset = -1;
    position_order_init(&made->order);
    config_fields_init(&made->fields, &options->config->index_config);
    position_init(&made->position, &made->fields);
    verdicts_init(&made->verdicts, &made->fields);
    verdicts_summarise(&made->verdicts, &made->summary);
    if (!options->config->kafka.present)
        sequence_init_alone(&made->position.sequence, &made->fields);
    made->record = unanswered_create();
    unanswered_changes_init(&made->changes);
    proof_init(&made->proof);
    buffer_init(&made->encoded);
    buffer_init(&made->identity);
    config_partition_identity(options->config, options->partition, &made->identity);
    buffer_string(&made->identity);
    replica_name_checkpoints(made);
    arena_init(&made->arena);
    *replica = made;
    return 0;
}

void
replica_destroy(struct replica *replica)
{
    struct error ignored;
    if (replica == NULL)
        return;
    replica_checkpoint_end(replica, &ignored);
    wal_close(replica->wal);
    engine_destroy(replica->engine);
    recorded_config_destroy(replica->recorded);
    verdicts_free(&replica->verdicts);
    config_fields_free(&replica->fields);
    unanswered_changes_free(&replica->changes);
    proof_free(&replica->proof);
    unanswered_destroy(replica->record);
    arena_free(&replica->arena);
    buffer_free(&replica->encoded);
    buffer_free(&replica->identity);
    free(replica->checkpoint_directory);
    free(replica->directory);
    free(replica);
}

void
replica_rename(struct replica *replica, const char *directory)
{
    CHECK(replica->wal != NULL);
    CHECK(replica->writer == NULL);
    free(replica->directory);
    replica->directory = memory_strdup(directory);
    replica_name_checkpoints(replica);
    wal_rename(replica->wal, directory);
}

void
replica_serve(struct replica *replica, struct shard *shard)
{
    CHECK(replica->shard == NULL);
    replica->shard = shard;
    shard_serve(shard, replica->engine);
    shard_serve_verdicts(shard, &replica->verdicts);
}

/* --- frames ---------------------------------------------------------------------------------- */

/* Makes the position and `payload` durable as one frame. */
static int
replica_write(struct replica *replica, struct text payload, struct error *err)
{
    int64_t since_us = clock_monotonic_us();
    CHECK(replica->unsaved_offset >= 0);
    CHECK(replica->unsaved_offset < replica->next_offset);
    buffer_clear(&replica->encoded);
    position_encode(&replica->position, &replica->fields, &replica->encoded);
    if (!unanswered_changes_are_none(&replica->changes)) {
        size_t at = position_part_begin(POSITION_UNANSWERED, &replica->encoded);
        unanswered_changes_encode(&replica->changes, &replica->encoded);
        position_part_end(at, &replica->encoded);
    }
    if (replica->proof_changed) {
        size_t at = position_part_begin(POSITION_PROOF, &replica->encoded);
        proof_encode(&replica->proof, &replica->encoded);
        position_part_end(at, &replica->encoded);
    }
    CHECK(payload.bytes <= batch_payload_bytes_max(&replica->options.config->consumer));
    const struct wal_frame frame = {
        .first_offset = replica->unsaved_offset,
        .next_offset = replica->next_offset,
        .position = replica->encoded.data,
        .position_bytes = replica->encoded.bytes,
        .payload = payload.data,
        .payload_bytes = payload.bytes,
    };
    int rc = wal_append(replica->wal, &frame, err);
    if (rc != 0)
        return rc;
    replica->frame_bytes += (int64_t)(frame.position_bytes + frame.payload_bytes);
    replica_observe(replica, STAGE_WRITE, &since_us);
    rc = wal_sync(replica->wal, err);
    if (rc != 0)
        return rc;
    replica_observe(replica, STAGE_SYNC, &since_us);
    CHECK(wal_durable_offset(replica->wal) == replica->next_offset);
    position_order_move(&replica->order, POSITION_DURABLE, replica->next_offset);
    replica->durable_position = replica->position;
    unanswered_changes_begin(&replica->changes, NULL);
    replica->proof_changed = false;
    replica->unsaved_offset = -1;
    return 0;
}

static void
replica_apply(struct replica *replica, const struct batch *batch)
{
    int64_t since_us = clock_monotonic_us();
    const struct engine_yield yield = {replica_yield, replica};
    const struct batch_hooks hooks = {.yield = &yield, .verdicts = &replica->verdicts};
    struct engine *engine = replica_write_begin(replica);
    replica_observe(replica, STAGE_LOCK, &since_us);
    unanswered_changes_visit_held(&batch->changes, replica_hold, engine); /* readers come in */
    batch_apply(batch, engine, &hooks);
    unanswered_apply(replica->record, &batch->changes, replica_hold, engine);
    replica_write_end(replica);
    replica_observe(replica, STAGE_APPLY, &since_us);
    if (batch_compared(batch) != NULL) {
        replica_compare(replica, batch_compared(batch));
        replica_observe(replica, STAGE_COMPARE, &since_us);
    }
    position_order_move(&replica->order, POSITION_APPLIED, batch->next_offset);
    replica_check(replica);
}

/* Of a batch without events: its position waits for the next frame. */
static int
replica_take_changes(struct replica *replica, const struct batch *batch, struct error *err)
{
    CHECK(batch->event_count == 0);
    if (unanswered_changes_are_none(&batch->changes))
        return 0;
    struct engine *engine = replica_write_begin(replica);
    unanswered_apply(replica->record, &batch->changes, replica_hold, engine);
    replica_write_end(replica);
    if (unanswered_changes_count(&replica->changes) < CHANGES_WAITING)
        return 0;
    return replica_save(replica, err);
}

int
replica_advance(struct replica *replica, const struct batch *batch, struct error *err)
{
    replica_check(replica);
    CHECK(batch->is_closed);
    sequence_check_growth(&replica->position.sequence, &batch->sequence);
    CHECK(batch->first_offset >= 0);
    CHECK(batch->first_offset >= replica->next_offset);
    CHECK(batch->first_offset < batch->next_offset);
    CHECK((batch->event_count == 0) == (batch->payload.bytes == 0));
    replica->position.sequence = batch->sequence;
    replica->next_offset = batch->next_offset;
    if (replica->unsaved_offset < 0) {
        replica->unsaved_offset = batch->first_offset;
        replica->unsaved_us = clock_monotonic_us();
    }
    unanswered_changes_merge(&replica->changes, &batch->changes);
    proof_copy(&replica->proof, &batch->proof);
    replica->proof_changed |= batch->proof_changed;
    if (batch->event_count == 0)
        return replica_take_changes(replica, batch, err);
    const struct text payload = {(const char *)batch->payload.data, batch->payload.bytes};
    int rc = replica_write(replica, payload, err);
    if (rc == 0)
        replica_apply(replica, batch);
    return rc;
}

void
replica_set_time(struct replica *replica, int64_t now_s)
{
    if (replica->options.config->index_config.visible_from == NULL)
        return;
    struct engine *engine = replica_write_begin(replica);
    engine_advance(engine, now_s);
    replica_write_end(replica);
}

int
replica_save(struct replica *replica, struct error *err)
{
    if (replica->unsaved_offset < 0)
        return 0;
    int rc = replica_write(replica, (struct text){NULL, 0}, err);
    if (rc != 0)
        return rc;
    position_order_move(&replica->order, POSITION_APPLIED, replica->next_offset);
    replica_check(replica);
    return 0;
}

int
replica_skip(struct replica *replica, int64_t offset, struct error *err)
{
    CHECK(replica->next_offset >= 0);
    CHECK(offset > replica->next_offset);
    CHECK(replica->unsaved_offset < 0);
    sequence_skip(&replica->position.sequence, replica->next_offset, offset);
    unanswered_clear(&replica->changes);
    unanswered_apply(replica->record, &replica->changes, replica_hold,
                     replica_write_begin(replica));
    replica_write_end(replica);
    replica->unsaved_offset = replica->next_offset;
    replica->next_offset = offset;
    return replica_save(replica, err);
}

int64_t
replica_unsaved_us(const struct replica *replica)
{
    CHECK(replica->wal != NULL);
    return replica->unsaved_offset < 0 ? -1 : replica->unsaved_us;
}

const struct verdicts_summary *
replica_verdicts(const struct replica *replica)
{
    return &replica->summary;
}

const struct engine *
replica_engine(const struct replica *replica)
{
    return replica->engine;
}

const struct position *
replica_position(const struct replica *replica)
{
    return &replica->position;
}

const struct unanswered *
replica_record(const struct replica *replica)
{
    return replica->record;
}

const struct proof *
replica_proof(const struct replica *replica)
{
    return &replica->proof;
}

void
replica_take_end(struct replica *replica, int64_t first, int64_t high, int64_t begin_us)
{
    CHECK(replica->wal != NULL);
    freshness_take_end(&replica->proof.freshness, first, high, begin_us, clock_monotonic_us());
}

void
replica_set_replay(struct replica *replica, int64_t replay)
{
    CHECK(replica->wal != NULL);
    CHECK(replay >= replica->position.replay);
    replica->position.replay = replay;
    replica->durable_position.replay = replay;
}

int64_t
replica_next_offset(const struct replica *replica)
{
    return replica->next_offset;
}

int64_t
replica_durable_offset(const struct replica *replica)
{
    return position_order_offset(&replica->order, POSITION_DURABLE);
}

int64_t
replica_wal_bytes(const struct replica *replica)
{
    CHECK(replica->wal != NULL);
    return wal_bytes(replica->wal);
}

const struct position *
replica_durable_position(const struct replica *replica)
{
    CHECK(replica->wal != NULL);
    return &replica->durable_position;
}
