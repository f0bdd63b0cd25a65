/* Happy path: the newest checkpoint is loaded, the frames after it are applied, each under the
 * configuration that it was written with, and the engine is taken over into the present one.
 *
 * Failure: a checkpoint that is not usable is skipped for the one before it; a frame that is not
 * usable ends the process (wal.h says which ends of a log are not frames).
 */
#include "consumer/partition/replica_recovery.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config_identity.h"
#include "consumer/checkpoint/checkpoint_read.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/replica_checkpoint.h"
#include "consumer/partition/replica_state.h"

static const char *const area = "replica";

static bool
replica_may_continue(const struct replica *replica)
{
    worker_control_heartbeat(replica->options.control);
    return !worker_control_is_stopping(replica->options.control);
}

/* --- recovery: configurations ---------------------------------------------------------------- */

static struct text
replica_identity(const struct replica *replica)
{
    return (struct text){(const char *)replica->identity.data, replica->identity.bytes};
}

/* `*recorded` becomes NULL for the present configuration. */
static int
replica_find_config(const struct replica *replica, struct text identity,
                    struct recorded_config **recorded, struct error *err)
{
    *recorded = NULL;
    if (text_equal(identity, replica_identity(replica)))
        return 0;
    return recorded_config_create(replica->options.config, identity, recorded, err);
}

/* Queries read either the engine before or this one. */
static void
replica_take_engine(struct replica *replica, struct engine *engine,
                    struct recorded_config *recorded)
{
    CHECK(replica->wal == NULL); /* only recovery exchanges the engine */
    struct engine *before = replica->engine;
    replica->engine = engine;
    if (replica->shard != NULL)
        shard_serve(replica->shard, engine);
    engine_destroy(before);
    recorded_config_destroy(replica->recorded);
    replica->recorded = recorded;
}

static void
replica_log_change(const struct replica *replica, const struct config_fields *now,
                   const struct field_set *kept)
{
    struct buffer names = {0};
    for (uint32_t i = 0; i < now->count; i++)
        if (!field_set_has(kept, i) && !field_set_has(&now->computed, i))
            buffer_append_format(&names, "%s%s", names.bytes > 0 ? ", " : "", now->names[i]);
    log_info(area, "%s: index_config has changed; fields that begin without values: %s",
             replica->directory, names.bytes > 0 ? buffer_string(&names) : "none");
    buffer_free(&names);
}

/* Closes the letters of fields that the index does not have any more. */
static void
replica_keep_letters(struct replica *replica, const struct config_fields *fields)
{
    uint64_t hashes[CONFIG_FIELDS_MAX];
    CHECK(fields->count <= CONFIG_FIELDS_MAX);
    for (uint32_t i = 0; i < fields->count; i++)
        hashes[i] = unanswered_hash(text_of(fields->names[i]));
    unanswered_keep_fields(replica->record, hashes, fields->count);
}

/* Engine and position become those of another configuration. */
static int
replica_change_config(struct replica *replica, struct recorded_config *recorded, struct error *err)
{
    struct engine *engine;
    struct coverage changed;
    struct position *position = &replica->position;
    int rc = replica_create_engine(&replica->options, recorded, &engine, err);
    if (rc != 0) {
        recorded_config_destroy(recorded);
        return error_wrap(err, ERR_FATAL, "fields of the log");
    }
    struct coverage_change change = {
        .old = replica_fields(replica),
        .now = recorded != NULL ? &recorded->fields : &replica->fields,
        .is_alone = !replica->options.config->kafka.present,
        .has_epoch = position->sequence.epoch > 0,
    };
    struct engine *before = replica_write_begin(replica);
    engine_change(engine, before, &change.kept);
    replica_write_end(replica);
    replica_keep_letters(replica, change.now);
    replica_verdicts_begin(replica);
    verdicts_clear(&replica->verdicts, change.now);
    replica_verdicts_end(replica);
    coverage_change(&position->sequence.coverage, &change, &changed);
    position->sequence.coverage = changed;
    if (recorded == NULL)
        replica_log_change(replica, change.now, &change.kept);
    replica_take_engine(replica, engine, recorded);
    return 0;
}

/* The frames that follow were written under this identity. */
static int
replica_configure(void *context, struct text identity, struct error *err)
{
    struct replica *replica = context;
    struct recorded_config *recorded;
    struct text held =
        replica->recorded != NULL ? replica->recorded->identity : replica_identity(replica);
    if (text_equal(held, identity))
        return 0;
    int rc = replica_find_config(replica, identity, &recorded, err);
    return rc == 0 ? replica_change_config(replica, recorded, err) : rc;
}

/* --- recovery: a checkpoint ------------------------------------------------------------------ */

struct replica_load {
    const struct replica *replica;
    struct checkpoint_reader reader;
    struct recorded_config *recorded; /* of the checkpoint */
    struct position position;
    struct unanswered *record;
    struct proof proof;
    struct verdicts verdicts;
};

static int
replica_read_state(void *context, struct text *data, struct error *err)
{
    struct replica_load *load = context;
    if (!replica_may_continue(load->replica))
        return error_set(err, ERR_RETRY, "asked to stop");
    return checkpoint_next(&load->reader, data, err);
}

/* Decodes a position, and changes `record` as it says. `parts` becomes those of the position. */
static int
replica_read_position(struct text bytes, const struct config_fields *fields,
                      struct position *position, struct unanswered *record, struct text *parts,
                      struct error *err)
{
    struct unanswered_changes changes;
    struct text part;
    int rc = position_decode(bytes, fields, position, parts, err);
    if (rc != 0)
        return rc;
    unanswered_changes_init(&changes);
    if (position_find_part(*parts, POSITION_UNANSWERED, &part))
        rc = unanswered_changes_decode(part, &changes, err);
    if (rc == 0)
        unanswered_apply(record, &changes, NULL, NULL);
    unanswered_changes_free(&changes);
    if (rc == 0 && position->sequence.unanswered != unanswered_count(record))
        rc = error_set(err, ERR_DATA,
                       "a position with %" PRId64 " unanswered requests, whose record has %u",
                       position->sequence.unanswered, unanswered_count(record));
    return rc;
}

/* The proof changes when the position has one. */
static int
replica_read_proof(struct text parts, struct proof *proof, struct error *err)
{
    struct text part;
    if (!position_find_part(parts, POSITION_PROOF, &part))
        return 0;
    return proof_decode(part, clock_monotonic_us(), proof, err);
}

static int
replica_load_engine(struct replica_load *load, struct engine *engine, struct error *err)
{
    const struct image_source source = {load, replica_read_state};
    const struct config_fields *fields =
        load->recorded != NULL ? &load->recorded->fields : &load->replica->fields;
    struct text parts, part;
    int rc = replica_read_position(load->reader.position, fields, &load->position, load->record,
                                   &parts, err);
    verdicts_init(&load->verdicts, fields);
    if (rc == 0)
        rc = replica_read_proof(parts, &load->proof, err);
    if (rc == 0 && position_find_part(parts, POSITION_VERDICTS, &part))
        rc = verdicts_decode(part, fields, &load->verdicts, err);
    if (rc == 0)
        rc = engine_load(engine, &source, err);
    return rc == 0 ? checkpoint_check_end(&load->reader, err) : rc;
}

static void
replica_take_verdicts(struct replica *replica, const struct verdicts *verdicts)
{
    replica_verdicts_begin(replica);
    verdicts_free(&replica->verdicts);
    replica->verdicts = *verdicts;
    replica_verdicts_end(replica);
}

static void
replica_take_record(struct replica *replica, struct unanswered *record)
{
    CHECK(unanswered_changes_are_none(&replica->changes));
    unanswered_destroy(replica->record);
    replica->record = record;
}

/* ERR_DATA: the checkpoint is not usable, and the replica is unchanged. */
static int
replica_load(struct replica *replica, const struct checkpoint_place *place, int64_t offset,
             struct error *err)
{
    struct replica_load load = {.replica = replica};
    struct engine *engine = NULL;
    if (offset <= 0)
        return error_set(err, ERR_DATA, "a checkpoint covers at least one offset");
    int rc = checkpoint_open(place, offset, &load.reader, err);
    if (rc != 0)
        return rc;
    load.record = unanswered_create();
    proof_init(&load.proof);
    rc = replica_find_config(replica, load.reader.identity, &load.recorded, err);
    if (rc == 0)
        rc = replica_create_engine(&replica->options, load.recorded, &engine, err);
    if (rc != 0)
        rc = error_wrap(err, ERR_DATA, "its fields");
    else
        rc = replica_load_engine(&load, engine, err);
    checkpoint_close(&load.reader);
    if (rc != 0) {
        engine_destroy(engine);
        recorded_config_destroy(load.recorded);
        unanswered_destroy(load.record);
        proof_free(&load.proof);
        verdicts_free(&load.verdicts);
        return rc;
    }
    replica->checkpoint_bytes = load.reader.at;
    proof_copy(&replica->proof, &load.proof);
    proof_free(&load.proof);
    replica_take_engine(replica, engine, load.recorded);
    replica_take_record(replica, load.record);
    replica_take_verdicts(replica, &load.verdicts);
    replica->position = load.position;
    replica->next_offset = offset;
    return 0;
}

/* Loads the newest usable checkpoint up to `offset_max`. 1: `*offset` is its offset; 0: no
 * checkpoint is usable. */
static int
replica_load_newest(struct replica *replica, const struct checkpoint_place *place,
                    int64_t offset_max, int64_t *offset, struct error *err)
{
    int64_t offsets[CHECKPOINTS_MAX];
    int count = checkpoint_list(place, offsets, err);
    CHECK(count <= CHECKPOINTS_MAX);
    for (int i = 0; i < count; i++) {
        CHECK(i == 0 || offsets[i] < offsets[i - 1]); /* newest first */
        if (offsets[i] > offset_max)
            continue;
        int rc = replica_load(replica, place, offsets[i], err);
        if (rc == 0) {
            *offset = offsets[i];
            return 1;
        }
        if (rc != ERR_DATA)
            return rc;
        log_warn(area, "%s: the checkpoint at offset %" PRId64 " is not usable and is skipped: %s",
                 place->directory, offsets[i], err->message);
    }
    return count < 0 ? count : 0;
}

/* Removes the checkpoints that were not usable: the loaded one and the log replace them. */
static int
replica_remove_checkpoints_after(struct replica *replica, int64_t offset, struct error *err)
{
    CHECK(offset <= wal_durable_offset(replica->wal) || offset == 0);
    int64_t offsets[CHECKPOINTS_MAX];
    int count = checkpoint_list(&replica->place, offsets, err);
    int rc = count < 0 ? count : 0;
    for (int i = 0; rc == 0 && i < count && offsets[i] > offset; i++)
        rc = checkpoint_remove(&replica->place, offsets[i], err);
    return rc;
}

/* One of the replica's own checkpoints, else one of the seed's. `*offset` is 0 without any. */
static int
replica_load_checkpoint(struct replica *replica, const struct replica_seed *seed, int64_t *offset,
                        struct error *err)
{
    *offset = 0;
    int rc = replica_load_newest(replica, &replica->place, INT64_MAX, offset, err);
    position_order_follow(&replica->order, POSITION_NEWEST_CHECKPOINT,
                          rc > 0 ? *offset : POSITION_NONE);
    if (rc != 0 || seed->directory == NULL)
        return rc < 0 ? rc : 0;
    char *directory = memory_format("%s/checkpoint", seed->directory);
    const struct checkpoint_place place = replica_place(replica, directory);
    CHECK(replica->next_offset < 0);
    rc = replica_load_newest(replica, &place, seed->offset_max, offset, err);
    CHECK(*offset <= seed->offset_max);
    free(directory);
    return rc < 0 ? rc : 0;
}

/* --- recovery: the log ----------------------------------------------------------------------- */

static int
replica_replay(void *context, const struct wal_frame *frame, struct error *err)
{
    struct replica *replica = context;
    if (!replica_may_continue(replica))
        return error_set(err, ERR_RETRY, "asked to stop");
    CHECK(frame->first_offset >= replica->next_offset); /* after the checkpoint, in order */
    CHECK(frame->next_offset > frame->first_offset);
    const struct text position = {frame->position, frame->position_bytes};
    struct text parts;
    int rc = replica_read_position(position, replica_fields(replica), &replica->position,
                                   replica->record, &parts, err);
    if (rc == 0)
        rc = replica_read_proof(parts, &replica->proof, err);
    if (rc != 0)
        return error_wrap(err, ERR_FATAL, "frame at offset %" PRId64, frame->first_offset);
    const struct batch_context context_of_batch = {
        .config = replica->recorded != NULL ? &replica->recorded->config : replica->options.config,
        .partition = replica->options.partition,
        .engine = replica->engine,
        .codec = replica->codec,
    };
    const struct text payload = {frame->payload, frame->payload_bytes};
    replica->frame_bytes += (int64_t)(frame->position_bytes + frame->payload_bytes);
    const struct engine_yield yield = {replica_yield, replica};
    const struct batch_hooks hooks = {&yield, &replica->verdicts, replica_compare, replica};
    struct engine *engine = replica_write_begin(replica);
    rc = batch_replay(&context_of_batch, engine, payload, &replica->arena, &hooks, err);
    replica_write_end(replica);
    if (rc != 0)
        return error_wrap(err, rc, "frame at offset %" PRId64, frame->first_offset);
    replica->next_offset = frame->next_offset;
    return 0;
}

/* The size of the largest changes of the record in one frame: those that wait, at most
 * CHANGES_WAITING, those of one batch, and all requests that leave. The record may have more of
 * these than the present requests_max. */
static int64_t
replica_changes_bytes_max(const struct config_consumer *config)
{
    CHECK(config->requests_max <= CONFIG_REQUESTS_MAX);
    return (CHANGES_WAITING + CONFIG_REQUESTS_MAX + 2 * (int64_t)config->batch_rows) *
               UNANSWERED_REQUEST_BYTES_MAX +
           2 * (int64_t)UNANSWERED_LETTERS_MAX * UNANSWERED_LETTER_BYTES_MAX;
}

static int
replica_open_wal(struct replica *replica, int64_t begin_offset, struct error *err)
{
    const struct config_consumer *config = &replica->options.config->consumer;
    const struct wal_options options = {
        .directory = replica->directory,
        .identity = (const char *)replica->identity.data,
        .segment_bytes = config->wal_segment_bytes,
        .frame_bytes = (int64_t)batch_payload_bytes_max(config) + POSITION_BYTES_MAX +
                       PROOF_BYTES_MAX + replica_changes_bytes_max(config),
        .begin_offset = begin_offset,
        .configure = replica_configure,
    };
    struct wal *wal = NULL;
    CHECK(begin_offset >= 0);
    CHECK(replica->wal == NULL);
    int rc = event_codec_create(&replica->codec, err);
    if (rc != 0)
        return rc;
    rc = wal_open(replica->options.files, &options, replica_replay, replica, &wal, err);
    event_codec_destroy(replica->codec);
    if (rc == 0)
        rc = replica_configure(replica, replica_identity(replica), err);
    replica->wal = wal;
    return rc;
}

/* Where the positions are after recovery. */
static int
replica_follow_positions(struct replica *replica, struct error *err)
{
    struct position_order *order = &replica->order;
    int64_t oldest;
    int count;
    int rc = replica_find_oldest(replica, &oldest, &count, err);
    if (rc != 0)
        return rc;
    position_order_follow(order, POSITION_DURABLE, replica->next_offset);
    position_order_follow(order, POSITION_APPLIED, replica->next_offset);
    position_order_follow(order, POSITION_OLDEST_CHECKPOINT, oldest);
    position_order_follow(order, POSITION_WAL_BEGIN, POSITION_NONE);
    return 0;
}

int
replica_open(struct replica *replica, const struct replica_seed *seed, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    int64_t offset;
    CHECK(replica->wal == NULL);
    int rc = replica_load_checkpoint(replica, seed, &offset, err);
    int64_t loaded_us = clock_monotonic_us();
    if (rc == 0)
        rc = replica_open_wal(replica, offset, err);
    if (rc == 0)
        rc = replica_remove_checkpoints_after(replica, offset, err);
    if (rc != 0)
        return rc;
    CHECK(replica->next_offset == wal_durable_offset(replica->wal));
    replica->checkpoint_us = clock_monotonic_us();
    replica->durable_position = replica->position;
    unanswered_visit_held(replica->record, replica_hold, replica_write_begin(replica));
    replica_write_end(replica);
    rc = replica_follow_positions(replica, err);
    if (rc != 0)
        return rc;
    replica_check(replica);
    log_info(area,
             "%s: recovered: checkpoint at offset %" PRId64 " in %.1f s, %" PRId64
             " bytes of frames after it in %.1f s; next offset %" PRId64,
             replica->directory, offset, (double)(loaded_us - begin_us) / 1e6, replica->frame_bytes,
             (double)(clock_monotonic_us() - loaded_us) / 1e6, replica->next_offset);
    return 0;
}
