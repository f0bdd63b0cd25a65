#include "consumer/partition/replica.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config_identity.h"
#include "consumer/checkpoint/checkpoint.h"
#include "consumer/checkpoint/checkpoint_read.h"
#include "consumer/checkpoint/checkpoint_write.h"
#include "consumer/partition/comparison.h"
#include "consumer/partition/recorded_config.h"
#include "consumer/wal/wal.h"

static const char *const area = "replica";

/* How long queries wait at most for the next part of a chunk or pass, if the parts are short. */
enum { LOCKED_US = 3 * US_PER_MS };

/* With more changes of the record than these, a position does not wait for events. */
enum { CHANGES_WAITING = 16 * 1024 };

struct replica {
    struct replica_options options;
    char *directory;
    struct engine *engine;
    struct config_fields fields;       /* of the index */
    struct shard *shard;               /* serves the engine; NULL: no other thread reads it */
    int64_t locked_us;                 /* since when the engine is being written */
    struct wal *wal;                   /* NULL: not open */
    struct position_order order;       /* followed from replica_open() on */
    struct position position;          /* after the last batch */
    struct position durable_position;  /* after the last frame */
    struct unanswered *record;         /* the record that is part of the position */
    struct unanswered_changes changes; /* of the record, since the last frame */
    struct verdicts verdicts;          /* of comparisons with the source */
    struct verdicts_summary summary;   /* of these */
    struct buffer encoded;             /* a position as bytes */
    int64_t next_offset;               /* after the last batch; -1: nothing was read yet */
    int64_t unsaved_offset;            /* the first offset that no frame covers; -1: none */
    int64_t unsaved_us;                /* since when */
    struct buffer identity;            /* of log and checkpoints; terminated */
    char *checkpoint_directory;
    struct checkpoint_place place;
    int64_t frame_bytes;              /* written or replayed since the newest checkpoint */
    struct checkpoint_writer *writer; /* of the checkpoint that is being written; NULL: none */
    int64_t writer_offset;
    int64_t writer_begin_us;
    /* During recovery: */
    struct recorded_config *recorded; /* of engine and position; NULL: the present configuration */
    struct event_codec *codec;
    struct arena arena;
};

/* `recorded`: NULL for the present configuration. */
static int
replica_create_engine(const struct replica_options *options, const struct recorded_config *recorded,
                      struct engine **engine, struct error *err)
{
    const struct engine_options engine_options = {
        .index = recorded != NULL ? &recorded->config.index_config : &options->config->index_config,
        .partition = options->partition,
        .partitions = options->config->topic.partitions,
        .max_slots = options->config->topic.max_slots,
    };
    return engine_create(&engine_options, engine, err);
}

static struct checkpoint_place
replica_place(const struct replica *replica, const char *directory)
{
    const struct text identity = {(const char *)replica->identity.data, replica->identity.bytes};
    return (struct checkpoint_place){replica->options.files, directory, identity};
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
    buffer_init(&made->encoded);
    buffer_init(&made->identity);
    config_partition_identity(options->config, options->partition, &made->identity);
    buffer_string(&made->identity);
    made->checkpoint_directory = memory_format("%s/checkpoint", options->directory);
    made->place = replica_place(made, made->checkpoint_directory);
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
    unanswered_destroy(replica->record);
    arena_free(&replica->arena);
    buffer_free(&replica->encoded);
    buffer_free(&replica->identity);
    free(replica->checkpoint_directory);
    free(replica->directory);
    free(replica);
}

void
replica_serve(struct replica *replica, struct shard *shard)
{
    CHECK(replica->shard == NULL);
    replica->shard = shard;
    shard_serve(shard, replica->engine);
    shard_serve_verdicts(shard, &replica->verdicts);
}

static struct engine *
replica_write_begin(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_write_begin(replica->shard);
    replica->locked_us = clock_monotonic_us();
    return replica->engine;
}

static void
replica_write_end(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_write_end(replica->shard);
}

/* Lets the queries in that wait, if they have waited long enough. */
static void
replica_yield(void *context)
{
    struct replica *replica = context;
    worker_control_heartbeat(replica->options.control);
    if (replica->shard == NULL || clock_monotonic_us() - replica->locked_us < LOCKED_US)
        return;
    replica_write_end(replica);
    replica_write_begin(replica);
}

static bool
replica_may_continue(const struct replica *replica)
{
    worker_control_heartbeat(replica->options.control);
    return !worker_control_is_stopping(replica->options.control);
}

/* The fields of engine and position. */
static const struct config_fields *
replica_fields(const struct replica *replica)
{
    return replica->recorded != NULL ? &replica->recorded->fields : &replica->fields;
}

static void
replica_heartbeat(void *context)
{
    const struct replica *replica = context;
    worker_control_heartbeat(replica->options.control);
}

/* --- verdicts -------------------------------------------------------------------------------- */

/* Between these, no other thread reads the verdicts. */
static void
replica_verdicts_begin(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_verdicts_begin(replica->shard);
}

static void
replica_verdicts_end(struct replica *replica)
{
    verdicts_summarise(&replica->verdicts, &replica->summary);
    if (replica->shard != NULL)
        shard_verdicts_end(replica->shard);
}

static void
replica_take_verdicts(struct replica *replica, const struct verdicts *verdicts)
{
    replica_verdicts_begin(replica);
    verdicts_free(&replica->verdicts);
    replica->verdicts = *verdicts;
    replica_verdicts_end(replica);
}

/* Compares the engine with what the source has said of a range. Queries read it meanwhile, unless
 * the caller holds the shard's lock. */
static void
replica_compare(void *context, const struct event *event)
{
    struct replica *replica = context;
    struct comparison comparison;
    const struct engine_yield yield = {replica_heartbeat, replica};
    const struct comparison_place place = {
        .engine = replica->engine,
        .fields = replica_fields(replica),
        .sequence = &replica->position.sequence,
        .yield = &yield,
    };
    comparison_make(&place, &replica->verdicts, event, &comparison);
    if (event->kind == EVENT_SUM)
        atomic_fetch_add(&replica->options.times->sums, 1);
    else
        atomic_fetch_add(&replica->options.times->differences, comparison.check.total);
    replica_verdicts_begin(replica);
    comparison_store(&comparison, &replica->verdicts);
    replica_verdicts_end(replica);
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
    struct verdicts verdicts;
};

static int
replica_read_state(void *context, void *data, size_t bytes, struct error *err)
{
    struct replica_load *load = context;
    if (!replica_may_continue(load->replica))
        return error_set(err, ERR_RETRY, "asked to stop");
    return checkpoint_read(&load->reader, data, bytes, err);
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
    if (rc == 0 && position_find_part(parts, POSITION_VERDICTS, &part))
        rc = verdicts_decode(part, fields, &load->verdicts, err);
    if (rc == 0)
        rc = engine_load(engine, &source, err);
    return rc == 0 ? checkpoint_check_end(&load->reader, err) : rc;
}

/* What holds of an open replica between two calls. */
static void
replica_check(const struct replica *replica)
{
    int64_t durable = position_order_offset(&replica->order, POSITION_DURABLE);
    CHECK(wal_durable_offset(replica->wal) == durable);
    CHECK(position_order_offset(&replica->order, POSITION_APPLIED) == durable);
    CHECK(durable <= replica->next_offset);
    CHECK((replica->unsaved_offset < 0) == (durable == replica->next_offset));
    CHECK(replica->unsaved_offset < 0 || replica->unsaved_offset >= durable);
    CHECK(replica->unsaved_offset >= 0 || unanswered_changes_are_none(&replica->changes));
    CHECK(replica->position.sequence.unanswered == unanswered_count(replica->record));
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
        verdicts_free(&load.verdicts);
        return rc;
    }
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
                       replica_changes_bytes_max(config),
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

/* The oldest checkpoint that the log has to reach back to, or POSITION_NONE. Only those up to the
 * newest one of this replica count: other files may have been put there by somebody else. `*count`
 * becomes the number of all. */
static int
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

static void
replica_hold(void *context, uint32_t slot, bool is_held)
{
    engine_hold(context, slot, is_held);
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

/* --- frames ---------------------------------------------------------------------------------- */

/* `*since_us` becomes now. */
static void
replica_observe(struct replica *replica, enum stage stage, int64_t *since_us)
{
    int64_t now_us = clock_monotonic_us();
    metrics_observe_us(&replica->options.times->stages[stage], now_us - *since_us);
    *since_us = now_us;
}

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
    replica->unsaved_offset = replica->next_offset;
    replica->next_offset = offset;
    return replica_save(replica, err);
}

/* --- checkpoints ----------------------------------------------------------------------------- */

static void
replica_copy_state(void *context, const void *data, size_t bytes)
{
    struct replica *replica = context;
    CHECK(replica->writer != NULL);
    worker_control_heartbeat(replica->options.control); /* a copy is not interrupted */
    checkpoint_write(replica->writer, data, bytes);
}

static int
replica_copy(struct replica *replica, struct error *err)
{
    const struct image_sink sink = {replica, replica_copy_state};
    CHECK(replica->writer_offset > 0);
    buffer_clear(&replica->encoded);
    position_encode(&replica->position, &replica->fields, &replica->encoded);
    size_t at = position_part_begin(POSITION_UNANSWERED, &replica->encoded);
    unanswered_encode(replica->record, &replica->encoded);
    position_part_end(at, &replica->encoded);
    at = position_part_begin(POSITION_VERDICTS, &replica->encoded);
    verdicts_encode(&replica->verdicts, &replica->fields, &replica->encoded);
    position_part_end(at, &replica->encoded);
    const struct text position = {(const char *)replica->encoded.data, replica->encoded.bytes};
    int rc =
        checkpoint_begin(&replica->place, replica->writer_offset, position, &replica->writer, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot write a checkpoint");
    engine_save(replica->engine, &sink);
    checkpoint_end(replica->writer);
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
    if (applied < 0 || applied <= replica_checkpoint_offset(replica))
        return 0;
    replica->writer_offset = applied;
    replica->writer_begin_us = since_us;
    int rc = replica_copy(replica, err);
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
    return replica->frame_bytes >= replica->options.config->consumer.checkpoint_bytes;
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
