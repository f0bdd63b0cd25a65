/* Happy path: poll finds a job; the first prepare makes the plan; reads and acknowledgements
 * alternate until the last range is acknowledged, and the job is done. Without a job the patrol
 * does the same for ever.
 *
 * Failures while reading are those of the loader (loader.c): ERR_RETRY repeats the range after a
 * pause, what the heartbeat returns is passed on, and everything else ends the job. The patrol
 * pauses instead, and makes its plan again.
 */
#include "producer/load/verifier.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "producer/load/load_session.h"
#include "producer/load/load_survey.h"
#include "producer/load/range_reader.h"
#include "producer/load/sum_plan.h"
#include "producer/load/sum_width.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/select.h"

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_LAST_MS = 30000,
    PATROL_PAUSE_MS = 60000, /* after what Postgres or the configuration refuses */
    REASON_BYTES = 512,
    HEARTBEAT_ENDED = 1000, /* of a reading: the heartbeat's own result is kept */
};

struct verifier {
    struct verifier_options options;
    int heartbeat_rc; /* of the present reading */
    struct job *job;  /* NULL: none, or the patrol */
    bool patrols;
    int64_t due_us;   /* monotonic: not before */
    int64_t begun_us; /* monotonic: when the present step began */
    int retry_ms;
    char error[REASON_BYTES];   /* of the last step, which is repeated */
    char failure[REASON_BYTES]; /* why the job will fail; "": it will not */

    struct arena plan_arena;
    struct sum_plan *plan; /* NULL: not made */
    struct buffer tables;  /* of the plan, as LOCK TABLE names them */
    struct sum_reader *sums;
    struct range_reader *rows;
    struct job_range range; /* of the next step */
    int64_t patrol_next;    /* the patrol has come to this id; negative: it has not begun */

    enum verifier_step step;
    struct sum_reading reading; /* of VERIFIER_SUMS */
    struct load_chunk chunk;    /* of VERIFIER_CHUNK */
};

/* Copies a message that goes to the database: it must end between characters. */
static void
copy_reason(char out[REASON_BYTES], const char *message)
{
    size_t bytes = strnlen(message, REASON_BYTES - 1);
    while (!utf8_valid(message, bytes))
        bytes--;
    memcpy(out, message, bytes);
    out[bytes] = '\0';
}

struct verifier *
verifier_create(const struct verifier_options *options)
{
    struct verifier *verifier = memory_zalloc(sizeof *verifier);
    CHECK(options->heartbeat != NULL && options->owner->generation >= 1);
    verifier->options = *options;
    verifier->retry_ms = RETRY_FIRST_MS;
    verifier->patrol_next = -1;
    return verifier;
}

void
verifier_drop(struct verifier *verifier)
{
    sum_reading_free(&verifier->reading);
    load_chunk_free(&verifier->chunk);
    verifier->step = VERIFIER_NOTHING;
}

static void
verifier_drop_plan(struct verifier *verifier)
{
    verifier_drop(verifier);
    sum_reader_destroy(verifier->sums);
    range_reader_destroy(verifier->rows);
    verifier->sums = NULL;
    verifier->rows = NULL;
    verifier->plan = NULL;
    arena_reset(&verifier->plan_arena);
    buffer_clear(&verifier->tables);
}

/* Neither a job nor the patrol is left. */
static void
verifier_drop_work(struct verifier *verifier)
{
    verifier_drop_plan(verifier);
    job_free(verifier->job);
    verifier->job = NULL;
    verifier->patrols = false;
    verifier->due_us = 0;
    verifier->retry_ms = RETRY_FIRST_MS;
    verifier->error[0] = '\0';
    verifier->failure[0] = '\0';
}

void
verifier_destroy(struct verifier *verifier)
{
    if (verifier == NULL)
        return;
    verifier_drop_work(verifier);
    arena_free(&verifier->plan_arena);
    buffer_free(&verifier->tables);
    free(verifier);
}

static int
find_job(struct verifier *verifier, struct pg *cursor, struct error *err)
{
    int64_t id;
    struct job *job;
    const struct cursor_owner *owner = verifier->options.owner;
    int rc = job_find_next(cursor, owner, false, &job, &id, err);
    if (rc == ERR_DATA) {
        log_warn("verify", "job %" PRId64 " failed: %s", id, err->message);
        return job_finish(cursor, owner, id, JOB_FAILED, err->message, err);
    }
    if (rc != 0 || job == NULL)
        return rc;
    verifier_drop_work(verifier);
    verifier->job = job;
    log_info("verify", "job %" PRId64 " (%s) %s", id, job_kind_name(job->kind),
             job->is_running ? "continues" : "begins");
    return 0;
}

static int
look_after_job(struct verifier *verifier, struct pg *cursor, struct error *err)
{
    bool exists;
    bool cancel_requested;
    int rc = job_poll(cursor, verifier->job->id, &exists, &cancel_requested, err);
    if (rc != 0)
        return rc;
    verifier->job->cancel_requested = cancel_requested;
    if (!exists)
        verifier_drop_work(verifier);
    else if (cancel_requested)
        verifier->due_us = 0;
    return 0;
}

int
verifier_poll(struct verifier *verifier, struct pg *cursor, struct error *err)
{
    const struct config_producer *config = &verifier->options.config->producer;
    int rc = 0;
    CHECK(verifier->step == VERIFIER_NOTHING);
    if (verifier->job != NULL)
        rc = look_after_job(verifier, cursor, err);
    else if (config->load.share > 0)
        rc = find_job(verifier, cursor, err);
    if (rc == 0 && verifier->job == NULL)
        verifier->patrols = config->patrol.share > 0;
    return rc;
}

bool
verifier_is_due(const struct verifier *verifier)
{
    CHECK(verifier->step == VERIFIER_NOTHING);
    CHECK(verifier->job == NULL || !verifier->patrols);
    return (verifier->job != NULL || verifier->patrols) && clock_monotonic_us() >= verifier->due_us;
}

static int
verifier_heartbeat(void *context)
{
    struct verifier *verifier = context;
    if (verifier->heartbeat_rc == 0)
        verifier->heartbeat_rc = verifier->options.heartbeat(verifier->options.context);
    return verifier->heartbeat_rc == 0 ? 0 : HEARTBEAT_ENDED;
}

/* --- the plan -------------------------------------------------------------------------------- */

static struct job_ranges
ranges_of(const struct verifier *verifier, struct job_range *whole)
{
    const struct job *job = verifier->job;
    *whole = (struct job_range){0, CHUNK_NO_END};
    if (job != NULL && job->ranges.count > 0)
        return job->ranges;
    if (job != NULL && job->selection.has_range)
        *whole = (struct job_range){job->selection.begin, job->selection.end};
    return (struct job_ranges){whole, 1};
}

/* Of the ranges of the job. */
static struct job_shape
shape_of(const struct verifier *verifier)
{
    struct job_range whole;
    const struct job_ranges ranges = ranges_of(verifier, &whole);
    CHECK(ranges.count > 0);
    return (struct job_shape){
        .begin = ranges.items[0].begin,
        .end = ranges.items[ranges.count - 1].end,
        .has_ranges = true,
    };
}

/* What the plan compares, as a hash: it is the same after a restart unless configuration or tables
 * have changed. */
static const char *
hash_plan(struct verifier *verifier)
{
    const struct sum_plan *plan = verifier->plan;
    char *hash = arena_alloc(&verifier->job->arena, DIGEST_HEX_BYTES);
    struct buffer text = {0};
    for (uint32_t i = 0; i < plan->field_count; i++)
        if (plan->fields[i].is_comparable)
            buffer_append_format(&text, "field %.*s\n", TEXT_ARGS(plan->fields[i].field));
    for (uint32_t i = 0; i < plan->load.range_count; i++) {
        select_append_definition(&text, plan->load.ranges[i].entry);
        buffer_append_text(&text, "\n");
    }
    digest_sha256((struct text){(const char *)text.data, text.bytes}, hash);
    buffer_free(&text);
    return hash;
}

/* Continues at the saved place where that is possible. */
static void
set_place(struct verifier *verifier)
{
    struct job *job = verifier->job;
    const char *hash = hash_plan(verifier);
    const struct job_shape shape = shape_of(verifier);
    if (job->is_running && job->epoch == verifier->options.owner->epoch &&
        strcmp(job->plan, hash) == 0 && job_place_is_valid(&job->place, &shape))
        return;
    job->place = job_place_first();
    job->counts = (struct job_counts){0};
    job->plan = hash;
    job->last_id = -1;
    job->end_tick = 0;
}

/* What the entities that are alive are read from is not always among the sources. */
static void
append_tables(const struct sum_plan *plan, struct buffer *tables)
{
    for (uint32_t i = 0; i < plan->alive_count; i++)
        load_session_append_table(&plan->alive[i]->table, tables);
    load_session_append_tables(&plan->load, tables);
}

static int
make_plan(struct verifier *verifier, struct pg *pg, struct error *err)
{
    static const struct load_selection everything;
    const struct job *job = verifier->job;
    const struct load_selection *selection = job != NULL ? &job->selection : &everything;
    if (verifier->plan != NULL)
        return 0;
    if (job != NULL && (job->selection.ids != NULL || job->csv != NULL || job->has_phases))
        return error_set(err, ERR_USAGE,
                         "it names ids, files or dump phases, which a %s cannot"
                         " select",
                         job_kind_name(job->kind));
    int rc = sum_plan_create(verifier->options.config, pg, selection, &verifier->plan_arena,
                             &verifier->plan, err);
    if (rc != 0) {
        verifier_drop_plan(verifier);
        return rc;
    }
    if (verifier->plan->comparable_count > 0)
        append_tables(verifier->plan, &verifier->tables);
    if (job != NULL)
        set_place(verifier);
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* The patrol begins in any unit that has entities. */
static int
begin_patrol(struct verifier *verifier, struct pg *pg, struct error *err)
{
    int64_t last_id;
    int64_t unit = SUM_WIDTH_UNIT * verifier->options.config->topic.partitions;
    if (verifier->patrol_next >= 0)
        return 0;
    int rc = load_survey_last_id(pg, &verifier->plan->load, &last_id, err);
    if (rc != 0)
        return rc;
    int64_t units = last_id < 0 ? 1 : last_id / unit + 1;
    verifier->patrol_next = clock_monotonic_us() % units * unit;
    return 0;
}

/* Sets the range of the next step, which at most ends with verifier->range.end. */
static int
begin_range(struct verifier *verifier, struct pg *pg, struct error *err)
{
    struct job_range whole;
    struct job *job = verifier->job;
    const struct job_ranges ranges = ranges_of(verifier, &whole);
    const struct job_shape shape = shape_of(verifier);
    int rc = 0;
    if (job == NULL)
        rc = begin_patrol(verifier, pg, err);
    else if (job->place.stage == JOB_STAGE_BEGIN)
        rc = load_survey_last_id(pg, &verifier->plan->load, &job->last_id, err);
    if (rc != 0)
        return rc;
    if (job != NULL && job->place.stage == JOB_STAGE_BEGIN)
        job_place_pass_begin(&job->place, &shape);
    int64_t from = job != NULL ? job->place.next_id : verifier->patrol_next;
    bool found = job_ranges_next(&ranges, from, &verifier->range);
    CHECK(found);
    return 0;
}

static int
read_sums(struct verifier *verifier, struct pg *pg, struct error *err)
{
    const struct sum_reader_options options = {verifier_heartbeat, verifier};
    int32_t partitions = verifier->options.config->topic.partitions;
    if (verifier->sums == NULL)
        verifier->sums = sum_reader_create(verifier->plan, &options);
    int rc = sum_reader_read(verifier->sums, pg, verifier->range.begin, verifier->range.end,
                             &verifier->reading, err);
    if (rc != 0)
        return rc;
    for (int32_t p = 0; p < partitions; p++)
        verifier->reading.sums[p].job = verifier->job != NULL ? verifier->job->id : 0;
    verifier->step = VERIFIER_SUMS;
    return 0;
}

/* The reader takes the range from its plan. */
static int
read_rows(struct verifier *verifier, struct pg *pg, struct error *err)
{
    struct load_plan *plan = &verifier->plan->load;
    const struct range_reader_options options = {
        .event_bytes_max = verifier->options.event_bytes_max,
        .heartbeat = verifier_heartbeat,
        .context = verifier,
    };
    struct load_chunk *chunk = &verifier->chunk;
    int32_t partitions = verifier->options.config->topic.partitions;
    int rc = 0;
    plan->begin = verifier->range.begin;
    plan->end = verifier->range.end;
    if (verifier->rows == NULL)
        rc = range_reader_create(plan, &options, &verifier->rows, err);
    if (rc == 0)
        rc = range_reader_read(verifier->rows, pg, plan->begin, chunk, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < chunk->part_count; i++)
        for (int32_t p = 0; p < partitions; p++) {
            chunk->parts[i].chunks[p].job = verifier->job->id;
            chunk->parts[i].chunks[p].purpose = CHUNK_CHECK;
        }
    verifier->step = VERIFIER_CHUNK;
    return 0;
}

static int
read_step(struct verifier *verifier, struct pg *pg, struct error *err)
{
    int rc = begin_range(verifier, pg, err);
    if (rc != 0)
        return rc;
    bool sends_rows = verifier->job != NULL && verifier->job->kind == JOB_CHECK;
    return sends_rows ? read_rows(verifier, pg, err) : read_sums(verifier, pg, err);
}

static void
retry_later(struct verifier *verifier, int pause_ms, const struct error *err)
{
    bool is_new = strcmp(verifier->error, err->message) != 0;
    copy_reason(verifier->error, err->message);
    if (verifier->job != NULL)
        log_warn("verify", "job %" PRId64 " is interrupted and will continue: %s",
                 verifier->job->id, verifier->error);
    else if (is_new)
        log_warn("verify", "the patrol is interrupted and will continue: %s", verifier->error);
    verifier->due_us = clock_monotonic_us() + (int64_t)pause_ms * US_PER_MS;
    verifier->retry_ms =
        2 * verifier->retry_ms < RETRY_LAST_MS ? 2 * verifier->retry_ms : RETRY_LAST_MS;
}

void
verifier_fail(struct verifier *verifier, const struct error *why)
{
    CHECK(why->code < 0);
    verifier_drop(verifier);
    if (why->code == ERR_RETRY) {
        retry_later(verifier, verifier->retry_ms, why);
    } else if (verifier->job == NULL) {
        verifier_drop_plan(verifier);
        retry_later(verifier, PATROL_PAUSE_MS, why);
    } else {
        copy_reason(verifier->failure, why->message);
        verifier->step = VERIFIER_END;
    }
}

/* The end of a reading. The heartbeat's end is not an end of the job. */
static int
settle(struct verifier *verifier, int rc, const struct error *err)
{
    if (verifier->heartbeat_rc != 0) {
        verifier_drop(verifier);
        return verifier->heartbeat_rc;
    }
    if (rc != 0) {
        verifier_fail(verifier, err);
        return 0;
    }
    verifier->error[0] = '\0';
    verifier->retry_ms = RETRY_FIRST_MS;
    return 0;
}

/* Nothing is left to be read, or nothing can be compared. */
static bool
is_at_end(const struct verifier *verifier)
{
    const struct job *job = verifier->job;
    return job != NULL && (job->cancel_requested ||
                           (verifier->plan != NULL && (job->place.stage == JOB_STAGE_END ||
                                                       verifier->plan->comparable_count == 0)));
}

int
verifier_prepare(struct verifier *verifier, struct window_reading *reading, const char **tables,
                 struct error *err)
{
    int rc = 0;
    CHECK(verifier_is_due(verifier));
    *tables = NULL;
    verifier->begun_us = clock_monotonic_us();
    verifier->heartbeat_rc = 0;
    if (!is_at_end(verifier)) {
        if (!window_reading_is_due(reading))
            return 0;
        rc = window_reading_connect(reading, err);
        if (rc == 0)
            rc = make_plan(verifier, window_reading_pg(reading), err);
    }
    if (rc != 0) {
        window_reading_drop(reading);
        verifier_fail(verifier, err);
    } else if (is_at_end(verifier)) {
        verifier->step = VERIFIER_END;
    } else if (verifier->plan->comparable_count > 0) {
        *tables = buffer_string(&verifier->tables);
    } else { /* the patrol */
        verifier_drop_plan(verifier);
        verifier->due_us = clock_monotonic_us() + PATROL_PAUSE_MS * US_PER_MS;
    }
    return 0;
}

int
verifier_read(struct verifier *verifier, struct window_reading *reading, struct error *err)
{
    CHECK(verifier->plan != NULL && verifier->step == VERIFIER_NOTHING);
    CHECK(window_reading_is_open(reading));
    int rc = read_step(verifier, window_reading_pg(reading), err);
    if (rc != 0)
        window_reading_drop(reading);
    return settle(verifier, rc, err);
}

enum verifier_step
verifier_step(const struct verifier *verifier)
{
    return verifier->step;
}

struct sum *
verifier_sums(struct verifier *verifier)
{
    CHECK(verifier->step == VERIFIER_SUMS);
    return verifier->reading.sums;
}

const struct load_chunk *
verifier_chunk(const struct verifier *verifier)
{
    CHECK(verifier->step == VERIFIER_CHUNK);
    return &verifier->chunk;
}

void
verifier_reject(struct verifier *verifier, const struct error *why)
{
    CHECK(verifier->step != VERIFIER_NOTHING && why->code != ERR_RETRY);
    verifier_fail(verifier, why);
}

/* --- after the acknowledgement --------------------------------------------------------------- */

static int
finish(struct verifier *verifier, struct pg *cursor, struct error *err)
{
    const struct job *job = verifier->job;
    const char *failure = verifier->failure;
    enum job_end end = job->cancel_requested ? JOB_CANCELLED : JOB_DONE;
    if (*failure != '\0')
        end = JOB_FAILED;
    int rc = job_finish(cursor, verifier->options.owner, job->id, end,
                        end == JOB_FAILED ? failure : NULL, err);
    if (rc != 0)
        return rc;
    if (end == JOB_FAILED)
        log_warn("verify", "job %" PRId64 " failed: %s", job->id, failure);
    else
        log_info("verify", "job %" PRId64 " is %s: %" PRId64 " ranges", job->id,
                 end == JOB_DONE ? "done" : "cancelled", job->counts.chunks);
    verifier_drop_work(verifier);
    return 0;
}

/* Where the range that was read ends. */
static int64_t
count_step(struct verifier *verifier, int64_t tick)
{
    bool is_chunk = verifier->step == VERIFIER_CHUNK;
    const struct load_chunk *chunk = &verifier->chunk;
    const struct sum_reading *reading = &verifier->reading;
    int64_t end = is_chunk ? chunk->end : reading->end;
    if (verifier->job == NULL)
        return end;
    struct job *job = verifier->job;
    job->counts.rows += (int64_t)(is_chunk ? chunk->rows : reading->values);
    job->counts.bytes += (int64_t)(is_chunk ? chunk->bytes : reading->bytes);
    job->counts.chunks++;
    job->end_tick = tick;
    return end;
}

static void
pause_after_step(struct verifier *verifier)
{
    const struct config_producer *config = &verifier->options.config->producer;
    double share = verifier->job != NULL ? config->load.share : config->patrol.share;
    int64_t now_us = clock_monotonic_us();
    verifier->due_us = now_us + job_pause_us(now_us - verifier->begun_us, share);
}

/* The tables and what the index needs of them are looked at again in each round. */
static void
advance_patrol(struct verifier *verifier, int64_t end)
{
    bool is_round = end == CHUNK_NO_END;
    verifier->patrol_next = is_round ? 0 : end;
    verifier_drop(verifier);
    if (is_round)
        verifier_drop_plan(verifier);
}

int
verifier_acknowledge(struct verifier *verifier, struct pg *cursor, int64_t tick, struct error *err)
{
    bool exists = true;
    CHECK(verifier->step != VERIFIER_NOTHING);
    if (verifier->step == VERIFIER_END)
        return finish(verifier, cursor, err);
    struct job *job = verifier->job;
    int64_t end = count_step(verifier, tick);
    pause_after_step(verifier);
    if (job == NULL) {
        advance_patrol(verifier, end);
        return 0;
    }
    const struct job_shape shape = shape_of(verifier);
    job_place_pass_range(&job->place, &shape, end);
    int rc = job_save(cursor, verifier->options.owner, job, &exists, err);
    if (rc != 0)
        return rc;
    verifier_drop(verifier);
    if (!exists)
        verifier_drop_work(verifier);
    else if (job->place.stage == JOB_STAGE_END)
        return finish(verifier, cursor, err);
    return 0;
}

struct verifier_view
verifier_view(const struct verifier *verifier)
{
    const struct job *job = verifier->job;
    struct verifier_view view = {.stage = "", .ratio = -1, .error = verifier->error};
    if (job == NULL) {
        view.stage = verifier->patrols ? "patrol" : "";
        return view;
    }
    const struct job_shape shape = shape_of(verifier);
    view.job = job->id;
    view.stage = job_kind_name(job->kind);
    view.rows = job->counts.rows;
    if (verifier->plan != NULL && job->last_id >= 0)
        view.ratio = job_place_ratio(&job->place, shape.begin, shape.end, job->last_id);
    return view;
}
