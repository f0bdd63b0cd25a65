/* Happy path: poll finds a job; the first prepare makes the plan, and the first read surveys the
 * sources; the drain sends the begin mark; reads and acknowledgements alternate until the place is
 * at the end; the drain sends the end mark, and the job is done.
 *
 * Failures while reading are of three kinds. ERR_RETRY and a lost connection: the step is read
 * again after a pause. What the heartbeat returns: passed on. Everything else ends the job: it
 * gives up its place, and the end mark says why its dumps failed. After any failure the session is
 * closed: nothing is known of its state.
 */
#include "producer/load/loader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "producer/load/load_session.h"
#include "producer/load/load_survey.h"
#include "producer/load/pass_reader.h"
#include "producer/load/range_reader.h"
#include "producer/triggers/digest.h"

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_LAST_MS = 30000,
    REASON_BYTES = 512,
    HEARTBEAT_ENDED = 1000, /* of a reading: the heartbeat's own result is kept */
};

struct loader {
    struct loader_options options;
    int heartbeat_rc; /* of the present reading */
    struct job *job;  /* NULL: none */
    int64_t due_us;   /* monotonic: not before */
    int64_t begun_us; /* monotonic: when the present step began */
    int retry_ms;
    char error[REASON_BYTES];   /* of the last step, which is repeated */
    char failure[REASON_BYTES]; /* why the job will fail; "": it will not */

    struct arena plan_arena;
    const struct load_plan *plan; /* NULL: not made */
    struct buffer tables;         /* of the plan, as LOCK TABLE names them */
    struct job_shape shape;       /* of the plan */
    struct range_reader *ranges;
    struct csv_source *csv; /* instead of `ranges` */
    struct pass_reader *pass;
    struct arena covered_arena;
    struct covered_fields covered;
    bool has_covered; /* the last reading has asked for them */

    enum loader_step step;
    struct load_chunk chunk;    /* of LOADER_CHUNK */
    struct load_pass_part part; /* of LOADER_PASS */
    struct arena mark_arena;
    struct job_mark mark;
};

/* Copies a message that goes to the topic and to the database: it must end between characters. */
static void
copy_reason(char out[REASON_BYTES], const char *message)
{
    size_t bytes = strnlen(message, REASON_BYTES - 1);
    while (!utf8_valid(message, bytes))
        bytes--;
    memcpy(out, message, bytes);
    out[bytes] = '\0';
}

struct loader *
loader_create(const struct loader_options *options)
{
    struct loader *loader = memory_zalloc(sizeof *loader);
    CHECK(options->heartbeat != NULL && options->owner->generation >= 1);
    loader->options = *options;
    loader->retry_ms = RETRY_FIRST_MS;
    return loader;
}

static void
loader_drop_step(struct loader *loader)
{
    load_chunk_free(&loader->chunk);
    load_pass_part_free(&loader->part);
    loader->step = LOADER_NOTHING;
}

/* Gives up the plan and everything that rests on it. */
static void
loader_drop_plan(struct loader *loader)
{
    range_reader_destroy(loader->ranges);
    csv_source_destroy(loader->csv);
    pass_reader_destroy(loader->pass);
    loader->ranges = NULL;
    loader->csv = NULL;
    loader->pass = NULL;
    loader->plan = NULL;
    arena_reset(&loader->plan_arena);
    buffer_clear(&loader->tables);
}

static void
loader_drop_job(struct loader *loader)
{
    loader_drop_step(loader);
    loader_drop_plan(loader);
    job_free(loader->job);
    loader->job = NULL;
    loader->due_us = 0;
    loader->retry_ms = RETRY_FIRST_MS;
    loader->error[0] = '\0';
    loader->failure[0] = '\0';
}

void
loader_destroy(struct loader *loader)
{
    if (loader == NULL)
        return;
    loader_drop_job(loader);
    arena_free(&loader->plan_arena);
    arena_free(&loader->covered_arena);
    arena_free(&loader->mark_arena);
    buffer_free(&loader->tables);
    free(loader);
}

static int
loader_find_job(struct loader *loader, struct pg *cursor, struct error *err)
{
    int64_t id;
    const struct cursor_owner *owner = loader->options.owner;
    const struct csv_request *csv = loader->options.csv;
    int rc = csv != NULL ? job_find(cursor, owner, csv->job, &loader->job, &id, err)
                         : job_find_next(cursor, owner, true, &loader->job, &id, err);
    if (rc == ERR_DATA) {
        log_warn("load", "job %" PRId64 " failed: %s", id, err->message);
        return job_finish(cursor, owner, id, JOB_FAILED, err->message, err);
    }
    if (rc == 0 && loader->job != NULL)
        log_info("load", "job %" PRId64 " %s", id,
                 loader->job->is_running ? "continues" : "begins");
    return rc;
}

int
loader_poll(struct loader *loader, struct pg *cursor, struct error *err)
{
    bool exists;
    bool cancel_requested;
    if (loader->options.config->producer.load.share <= 0)
        return 0;
    if (loader->job == NULL)
        return loader_find_job(loader, cursor, err);
    int rc = job_poll(cursor, loader->job->id, &exists, &cancel_requested, err);
    if (rc != 0)
        return rc;
    loader->job->cancel_requested = cancel_requested;
    if (!exists)
        loader_drop_job(loader);
    else if (cancel_requested)
        loader->due_us = 0;
    return 0;
}

bool
loader_is_due(const struct loader *loader)
{
    CHECK(loader->step == LOADER_NOTHING);
    return loader->job != NULL && clock_monotonic_us() >= loader->due_us;
}

static int
loader_heartbeat(void *context)
{
    struct loader *loader = context;
    if (loader->heartbeat_rc == 0)
        loader->heartbeat_rc = loader->options.heartbeat(loader->options.context);
    return loader->heartbeat_rc == 0 ? 0 : HEARTBEAT_ENDED;
}

/* What the plan reads, as a hash: it is the same after a restart unless configuration or tables
 * have changed. */
static const char *
loader_hash_plan(struct loader *loader)
{
    const struct load_plan *plan = loader->plan;
    char *hash = arena_alloc(&loader->job->arena, DIGEST_HEX_BYTES);
    struct buffer text = {0};
    for (uint32_t i = 0; i < plan->range_count; i++)
        buffer_append_format(&text, "range %s\n", plan->ranges[i].dump_name);
    for (uint32_t i = 0; i < plan->pass_count; i++)
        buffer_append_format(&text, "pass %s\n", plan->passes[i].dump_name);
    for (uint32_t i = 0; i < plan->field_count; i++)
        buffer_append_format(&text, "field %.*s\n", TEXT_ARGS(plan->fields[i]));
    if (loader->csv != NULL)
        buffer_append_format(&text, "files of %" PRIu64 " bytes\n",
                             csv_source_progress(loader->csv).file_bytes);
    digest_sha256((struct text){(const char *)text.data, text.bytes}, hash);
    buffer_free(&text);
    return hash;
}

static struct job_source
loader_source(struct loader *loader, const struct load_source *source)
{
    struct arena *arena = &loader->job->arena;
    return (struct job_source){
        .name = arena_text(arena, text_of(source->dump_name)),
        .table = arena_text(arena, text_of(source->table)),
        .is_whole = source->is_whole,
    };
}

/* The job begins, or begins again: nothing of what it did before counts. */
static void
loader_restart(struct loader *loader, const char *hash)
{
    struct job *job = loader->job;
    const struct load_plan *plan = loader->plan;
    if (job->is_running)
        log_info("load", "job %" PRId64 " begins again: %s", job->id,
                 job->epoch != loader->options.owner->epoch ? "the epoch is new"
                                                            : "what it reads has changed");
    job->place = job_place_first();
    job->counts = (struct job_counts){0};
    job->plan = hash;
    job->last_id = -1;
    job->source_count = plan->range_count + plan->pass_count;
    job->sources = arena_alloc(&job->arena, job->source_count * sizeof *job->sources);
    for (uint32_t i = 0; i < plan->range_count; i++)
        job->sources[i] = loader_source(loader, &plan->ranges[i]);
    for (uint32_t i = 0; i < plan->pass_count; i++)
        job->sources[plan->range_count + i] = loader_source(loader, &plan->passes[i]);
}

/* Continues at the saved place where that is possible. */
static void
loader_set_place(struct loader *loader)
{
    struct job *job = loader->job;
    const struct load_plan *plan = loader->plan;
    const char *hash = loader_hash_plan(loader);
    loader->shape = (struct job_shape){
        .begin = plan->begin,
        .end = plan->end,
        .has_ranges = plan->range_count > 0,
        .passes = (int32_t)plan->pass_count,
    };
    bool continues = job->is_running && job->epoch == loader->options.owner->epoch &&
                     strcmp(job->plan, hash) == 0 &&
                     job->source_count == plan->range_count + plan->pass_count &&
                     job_place_is_valid(&job->place, &loader->shape);
    if (!continues)
        loader_restart(loader, hash);
}

static struct range_reader_options
loader_reader_options(struct loader *loader)
{
    return (struct range_reader_options){
        .event_bytes_max = loader->options.event_bytes_max,
        .heartbeat = loader_heartbeat,
        .context = loader,
    };
}

static int
loader_check_triggers(struct loader *loader, struct pg *pg, struct error *err)
{
    arena_reset(&loader->covered_arena);
    int rc = covered_fields_read(pg, loader->options.config, &loader->covered_arena,
                                 &loader->covered, err);
    if (rc != 0)
        return rc;
    loader->has_covered = true;
    return load_survey_check_covered(loader->plan, &loader->covered, err);
}

static int
loader_make_plan(struct loader *loader, struct pg *pg, struct error *err)
{
    const struct config *config = loader->options.config;
    const struct range_reader_options options = loader_reader_options(loader);
    struct job *job = loader->job;
    struct load_plan *plan = NULL;
    if (loader->plan != NULL)
        return 0;
    if (job->csv != NULL)
        return error_set(err, ERR_USAGE,
                         "it reads CSV files, which only its command does, and that was"
                         " interrupted: bitdex-producer load --csv %s begins again",
                         job->csv);
    if (job->has_phases)
        return error_set(err, ERR_USAGE,
                         "it names dump phases, which a load cannot select: bitdex-producer load"
                         " --table selects a table");
    int rc = load_plan_create(config, pg, &job->selection, &loader->plan_arena, &plan, err);
    loader->plan = plan;
    if (rc == 0)
        rc = loader_check_triggers(loader, pg, err);
    if (rc == 0 && plan->range_count > 0)
        rc = range_reader_create(loader->plan, &options, &loader->ranges, err);
    if (rc != 0) {
        loader_drop_plan(loader);
        return rc;
    }
    load_session_append_tables(plan, &loader->tables);
    loader_set_place(loader);
    return 0;
}

/* The source `index` of the job, in the plan. */
static const struct load_source *
loader_plan_source(const struct loader *loader, uint32_t index)
{
    const struct load_plan *plan = loader->plan;
    CHECK(index < plan->range_count + plan->pass_count);
    return index < plan->range_count ? &plan->ranges[index]
                                     : &plan->passes[index - plan->range_count];
}

static int
loader_survey_begin(struct loader *loader, struct pg *pg, struct error *err)
{
    struct job *job = loader->job;
    int rc = load_survey_last_id(pg, loader->plan, &job->last_id, err);
    for (uint32_t i = 0; rc == 0 && i < job->source_count; i++)
        rc = load_survey_expects_rows(pg, loader_plan_source(loader, i),
                                      &job->sources[i].expects_rows, err);
    return rc;
}

/* Nothing of the source was sent. */
static bool
loader_source_is_empty(const struct loader *loader, uint32_t index)
{
    const struct job_source *source = &loader->job->sources[index];
    bool sets_alive = loader_plan_source(loader, index)->sets_alive;
    return source->rows == 0 || (sets_alive && source->ops_written == 0);
}

static int
loader_check_uncovered(const struct loader *loader, struct error *err)
{
    const struct job *job = loader->job;
    CHECK(job->counts.uncovered >= 0);
    if (job->counts.uncovered == 0)
        return 0;
    return error_set(err, ERR_DATA,
                     "%" PRId64 " entities have fields that could not be loaded: bitdex-producer"
                     " dead-letters list names them and the reason (too large for max.message.bytes"
                     " of the topic, or an expression that Postgres cannot evaluate)",
                     job->counts.uncovered);
}

/* Sources that had rows when the job began, of which nothing was sent although they still have
 * some, were not loaded (F12). */
static int
loader_survey_end(struct loader *loader, struct pg *pg, struct error *err)
{
    struct job *job = loader->job;
    int rc = loader_check_triggers(loader, pg, err);
    for (uint32_t i = 0; rc == 0 && i < job->source_count; i++) {
        struct job_source *source = &job->sources[i];
        bool expects = false;
        if (!source->expects_rows || !loader_source_is_empty(loader, i))
            continue;
        rc = load_survey_expects_rows(pg, loader_plan_source(loader, i), &expects, err);
        if (rc == 0 && expects)
            rc = error_set(err, ERR_DATA, "nothing of table %.*s was loaded, which has rows",
                           TEXT_ARGS(source->table));
    }
    return rc == 0 ? loader_check_uncovered(loader, err) : rc;
}

static int
loader_read_pass(struct loader *loader, struct pg *pg, struct error *err)
{
    struct job *job = loader->job;
    const struct load_source *pass = &loader->plan->passes[job->place.next_pass];
    const struct range_reader_options options = loader_reader_options(loader);
    int rc = 0;
    if (loader->pass == NULL)
        rc = pass_reader_create(loader->plan, pass, &options, &loader->pass, err);
    if (rc == 0)
        rc = pass_reader_read(loader->pass, pg, &loader->part, err);
    if (rc == 0)
        loader->part.pass.job = job->id;
    return rc;
}

static int
loader_read_chunk(struct loader *loader, struct pg *pg, struct error *err)
{
    struct job *job = loader->job;
    int32_t partitions = loader->options.config->topic.partitions;
    int64_t begin = job->place.next_id;
    int rc = loader->csv != NULL
                 ? csv_source_read(loader->csv, begin, &loader->chunk, err)
                 : range_reader_read(loader->ranges, pg, begin, &loader->chunk, err);
    for (uint32_t i = 0; rc == 0 && i < loader->chunk.part_count; i++)
        for (int32_t p = 0; p < partitions; p++)
            loader->chunk.parts[i].chunks[p].job = job->id;
    return rc;
}

static int
loader_read_stage(struct loader *loader, struct pg *pg, struct error *err)
{
    switch (loader->job->place.stage) {
    case JOB_STAGE_BEGIN:
        return loader_survey_begin(loader, pg, err);
    case JOB_STAGE_RANGES:
        return loader_read_chunk(loader, pg, err);
    case JOB_STAGE_PASSES:
        return loader_read_pass(loader, pg, err);
    case JOB_STAGE_END:
        return loader_survey_end(loader, pg, err);
    }
    CHECK(!"a stage");
    return 0;
}

static enum loader_step
loader_stage_step(const struct loader *loader)
{
    static const enum loader_step steps[] = {
        [JOB_STAGE_BEGIN] = LOADER_BEGIN,
        [JOB_STAGE_RANGES] = LOADER_CHUNK,
        [JOB_STAGE_PASSES] = LOADER_PASS,
        [JOB_STAGE_END] = LOADER_END,
    };
    return steps[loader->job->place.stage];
}

/* --- CSV files --- */

static int
loader_make_csv_plan(struct loader *loader, struct error *err)
{
    const struct csv_source_options options = {
        .request = loader->options.csv,
        .event_bytes_max = loader->options.event_bytes_max,
        .heartbeat = loader_heartbeat,
        .context = loader,
    };
    if (loader->plan != NULL)
        return 0;
    int rc = csv_source_create(loader->options.config, &options, &loader->csv, err);
    if (rc == 0)
        rc = csv_source_prepare(loader->csv, err);
    if (rc != 0) {
        loader_drop_plan(loader);
        return rc;
    }
    loader->plan = csv_source_plan(loader->csv);
    loader_set_place(loader);
    return 0;
}

/* Rejects that are not allowed fail the job, whose fields are then not covered (L9). */
static int
loader_check_csv(struct loader *loader, struct error *err)
{
    int64_t partitions = loader->options.config->topic.partitions;
    struct buffer rejects = {0};
    int rc = csv_source_settle(loader->csv, err);
    if (rc != 0)
        return rc;
    csv_source_append_rejects(loader->csv, &rejects);
    bool is_partial = csv_source_is_partial(loader->csv);
    if (is_partial)
        loader->job->counts.uncovered -= partitions; /* its last part is no entity */
    if (is_partial && rejects.bytes > 0)
        rc = error_set(err, ERR_DATA,
                       "what is in these files could not be loaded, so the fields of their phases"
                       " stay incomplete: %s; --allow-rejects loads the rest as complete",
                       buffer_string(&rejects));
    buffer_free(&rejects);
    return rc == 0 ? loader_check_uncovered(loader, err) : rc;
}

static int
loader_read_csv(struct loader *loader, struct error *err)
{
    struct job *job = loader->job;
    int rc = loader_make_csv_plan(loader, err);
    if (rc != 0)
        return rc;
    switch (job->place.stage) {
    case JOB_STAGE_BEGIN:
        job->last_id = csv_source_last_id(loader->csv);
        return 0;
    case JOB_STAGE_RANGES:
        return loader_read_chunk(loader, NULL, err);
    case JOB_STAGE_PASSES:
        break;
    case JOB_STAGE_END:
        return loader_check_csv(loader, err);
    }
    CHECK(!"a stage of CSV files");
    return 0;
}

/* The job will end as failed, or with an empty `reason` as cancelled. */
static void
loader_give_up(struct loader *loader, const char *reason)
{
    struct job *job = loader->job;
    copy_reason(loader->failure, reason);
    job_place_give_up(&job->place);
    loader->step = job->is_running ? LOADER_END : LOADER_SILENT;
}

static void
loader_retry_later(struct loader *loader, const struct error *err)
{
    copy_reason(loader->error, err->message);
    log_warn("load", "job %" PRId64 " is interrupted and will continue: %s", loader->job->id,
             loader->error);
    loader->due_us = clock_monotonic_us() + (int64_t)loader->retry_ms * US_PER_MS;
    loader->retry_ms = 2 * loader->retry_ms < RETRY_LAST_MS ? 2 * loader->retry_ms : RETRY_LAST_MS;
}

/* A reading has failed: its step is repeated later, or the job ends. */
void
loader_fail(struct loader *loader, const struct error *why)
{
    CHECK(why->code < 0 && loader->job != NULL);
    loader_drop_step(loader);
    if (why->code == ERR_RETRY)
        loader_retry_later(loader, why);
    else
        loader_give_up(loader, why->message);
}

/* The end of a reading. The heartbeat's end is not an end of the job. */
static int
loader_settle(struct loader *loader, int rc, const struct error *err)
{
    if (loader->heartbeat_rc != 0) {
        loader_drop_step(loader);
        return loader->heartbeat_rc;
    }
    if (rc != 0) {
        loader_fail(loader, err);
        return 0;
    }
    loader->error[0] = '\0';
    loader->retry_ms = RETRY_FIRST_MS;
    loader->step = loader_stage_step(loader);
    return 0;
}

int
loader_prepare(struct loader *loader, struct window_reading *reading, const char **tables,
               struct error *err)
{
    CHECK(loader_is_due(loader));
    *tables = NULL;
    loader->begun_us = clock_monotonic_us();
    loader->heartbeat_rc = 0;
    loader->has_covered = false;
    if (loader->job->cancel_requested) {
        loader_give_up(loader, "");
        return 0;
    }
    if (loader->options.csv != NULL)
        return loader_settle(loader, loader_read_csv(loader, err), err);
    if (!window_reading_is_due(reading))
        return 0;
    int rc = window_reading_connect(reading, err);
    if (rc == 0)
        rc = loader_make_plan(loader, window_reading_pg(reading), err);
    if (rc == 0) {
        *tables = buffer_string(&loader->tables);
    } else {
        window_reading_drop(reading);
        loader_fail(loader, err);
    }
    return 0;
}

int
loader_read(struct loader *loader, struct window_reading *reading, struct error *err)
{
    CHECK(loader->job != NULL && loader->plan != NULL && loader->step == LOADER_NOTHING);
    CHECK(window_reading_is_open(reading));
    int rc = loader_read_stage(loader, window_reading_pg(reading), err);
    if (rc != 0)
        window_reading_drop(reading);
    return loader_settle(loader, rc, err);
}

enum loader_step
loader_step(const struct loader *loader)
{
    return loader->step;
}

const struct load_chunk *
loader_chunk(const struct loader *loader)
{
    CHECK(loader->step == LOADER_CHUNK);
    return &loader->chunk;
}

struct load_pass_part *
loader_pass(struct loader *loader)
{
    CHECK(loader->step == LOADER_PASS);
    return &loader->part;
}

/* Only whole sources are dumps: what was read of the others completes no dump. */
static void
loader_fill_dumps(struct loader *loader, struct job_mark *mark)
{
    const struct job *job = loader->job;
    const char *failed = loader->failure;
    struct job_dump *dumps =
        arena_alloc(&loader->mark_arena, (job->source_count + 1) * sizeof *dumps);
    if (job->cancel_requested && *failed == '\0')
        failed = "the load was cancelled";
    for (uint32_t i = 0; i < job->source_count; i++) {
        const struct job_source *source = &job->sources[i];
        if (!source->is_whole)
            continue;
        dumps[mark->dump_count] = (struct job_dump){.name = source->name, .table = source->table};
        if (mark->kind == JOB_END) {
            dumps[mark->dump_count].rows = source->rows;
            dumps[mark->dump_count].ops_written = source->ops_written;
            dumps[mark->dump_count].failed = text_of(failed);
        }
        mark->dump_count++;
    }
    mark->dumps = dumps;
}

struct job_mark *
loader_mark(struct loader *loader)
{
    const struct job *job = loader->job;
    const struct load_plan *plan = loader->plan; /* a job that failed may have none */
    CHECK(loader->step == LOADER_BEGIN || loader->step == LOADER_END);
    arena_reset(&loader->mark_arena);
    loader->mark = (struct job_mark){
        .kind = loader->step == LOADER_BEGIN ? JOB_BEGIN : JOB_END,
        .job = job->id,
        .begin = job->selection.has_range ? job->selection.begin : 0,
        .end = job->selection.has_range ? job->selection.end : CHUNK_NO_END,
    };
    if (plan != NULL) {
        loader->mark.begin = plan->begin;
        loader->mark.end = plan->end;
        loader->mark.states_alive = plan->states_alive;
        loader->mark.fields = plan->fields;
        loader->mark.field_count = plan->field_count;
    }
    loader_fill_dumps(loader, &loader->mark);
    return &loader->mark;
}

const struct covered_fields *
loader_covered(const struct loader *loader)
{
    return loader->has_covered ? &loader->covered : NULL;
}

static const struct load_problems *
loader_problems(const struct loader *loader)
{
    if (loader->step == LOADER_CHUNK)
        return &loader->chunk.problems;
    return loader->step == LOADER_PASS ? &loader->part.problems : NULL;
}

/* A begin mark that may be on the topic is followed by an end mark, whatever happens: that the job
 * has begun is saved before. */
int
loader_announce(struct loader *loader, struct pg *cursor, int64_t tick, struct error *err)
{
    const struct load_problems *problems = loader_problems(loader);
    const struct cursor_owner *owner = loader->options.owner;
    bool exists;
    CHECK(loader->step != LOADER_NOTHING);
    if (loader->step == LOADER_BEGIN) {
        int rc = job_save(cursor, owner, loader->job, &exists, err);
        if (rc == 0 && !exists)
            loader_drop_job(loader);
        return rc;
    }
    if (problems == NULL || problems->count == 0)
        return 0;
    return job_add_dead_letters(cursor, owner, loader->job->id, tick, problems, err);
}

static void
source_count(struct job *job, uint32_t index, uint64_t rows, uint64_t values)
{
    CHECK(index < job->source_count);
    job->sources[index].rows += (int64_t)rows;
    job->sources[index].ops_written += (int64_t)values;
    job->counts.rows += (int64_t)rows;
    job->counts.ops_written += (int64_t)values;
}

static int64_t
chunk_count_rejected(const struct load_chunk *chunk, int32_t partitions)
{
    int64_t rejected = 0;
    for (uint32_t i = 0; i < chunk->part_count; i++)
        for (int32_t p = 0; p < partitions; p++)
            rejected += chunk->parts[i].chunks[p].rejected.bytes > 0;
    return rejected;
}

static void
loader_pass_chunk(struct loader *loader)
{
    struct job *job = loader->job;
    const struct load_chunk *chunk = &loader->chunk;
    for (uint32_t i = 0; i < loader->plan->range_count; i++)
        source_count(job, i, chunk->counts[i].rows, chunk->counts[i].values);
    job->counts.uncovered += chunk_count_rejected(chunk, loader->options.config->topic.partitions);
    job->counts.bytes += (int64_t)chunk->bytes;
    job_place_pass_range(&job->place, &loader->shape, chunk->end);
}

static void
loader_pass_part(struct loader *loader)
{
    struct job *job = loader->job;
    const struct load_pass_part *part = &loader->part;
    uint32_t pass = (uint32_t)job->place.next_pass;
    struct job_source *source = &job->sources[loader->plan->range_count + pass];
    if (part->pass.part == 0) { /* an interrupted pass begins again */
        job->counts.rows -= source->rows;
        job->counts.ops_written -= source->ops_written;
        source->rows = 0;
        source->ops_written = 0;
    }
    source_count(job, loader->plan->range_count + pass, part->rows, part->values);
    job->counts.bytes += (int64_t)part->bytes;
    if (!part->pass.is_last)
        return;
    job_place_pass_fan_outs(&job->place, &loader->shape);
    pass_reader_destroy(loader->pass);
    loader->pass = NULL;
}

/* Moves the place past the step, which is acknowledged. */
static void
loader_advance(struct loader *loader)
{
    struct job *job = loader->job;
    const struct load_problems *problems = loader_problems(loader);
    if (problems != NULL) {
        job->counts.rejected += (int64_t)(problems->values + problems->ids);
        job->counts.chunks++;
    }
    if (loader->step == LOADER_BEGIN)
        job_place_pass_begin(&job->place, &loader->shape);
    else if (loader->step == LOADER_CHUNK)
        loader_pass_chunk(loader);
    else
        loader_pass_part(loader);
}

static int
loader_finish(struct loader *loader, struct pg *cursor, struct error *err)
{
    const struct job *job = loader->job;
    const char *failure = loader->failure;
    enum job_end end = job->cancel_requested && *failure == '\0' ? JOB_CANCELLED : JOB_DONE;
    if (*failure != '\0')
        end = JOB_FAILED;
    int rc = job_finish(cursor, loader->options.owner, job->id, end,
                        end == JOB_FAILED ? failure : NULL, err);
    if (rc != 0)
        return rc;
    if (end == JOB_FAILED)
        log_warn("load", "job %" PRId64 " failed: %s", job->id, failure);
    else
        log_info("load", "job %" PRId64 " is %s: %" PRId64 " rows", job->id,
                 end == JOB_DONE ? "done" : "cancelled", job->counts.rows);
    loader_drop_job(loader);
    return 0;
}

void
loader_reject(struct loader *loader, const struct error *why)
{
    CHECK(loader->step != LOADER_NOTHING);
    loader_drop_step(loader);
    loader_give_up(loader, why->message);
}

int
loader_acknowledge(struct loader *loader, struct pg *cursor, struct error *err)
{
    bool exists;
    CHECK(loader->step != LOADER_NOTHING);
    if (loader->step == LOADER_END || loader->step == LOADER_SILENT)
        return loader_finish(loader, cursor, err);
    loader_advance(loader);
    int rc = job_save(cursor, loader->options.owner, loader->job, &exists, err);
    if (rc != 0)
        return rc;
    loader_drop_step(loader);
    int64_t now_us = clock_monotonic_us();
    loader->due_us = now_us + job_pause_us(now_us - loader->begun_us,
                                           loader->options.config->producer.load.share);
    if (!exists)
        loader_drop_job(loader);
    return 0;
}

struct loader_view
loader_view(const struct loader *loader)
{
    const struct job *job = loader->job;
    struct loader_view view = {.stage = "", .ratio = -1, .error = loader->error};
    if (job == NULL)
        return view;
    view.job = job->id;
    view.stage = job_stage_name(job->place.stage);
    view.counts = job->counts;
    if (loader->plan != NULL && job->last_id >= 0)
        view.ratio =
            job_place_ratio(&job->place, loader->plan->begin, loader->plan->end, job->last_id);
    return view;
}
