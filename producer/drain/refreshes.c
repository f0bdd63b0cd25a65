/* Happy path: a turn lists the targets that are due, the reader answers some of their rows, and its
 * chunks are queued directly after the rows of the window. When they are acknowledged, the rows
 * leave the record.
 *
 * Failure modes. The session of the reading is lost, or Postgres refuses a query: nothing is
 * answered, the next turn is after a pause, and everything stays owed. So it is with an answer that
 * cannot be sent. A turn that can answer nothing, because a table was rewritten meanwhile, is
 * repeated after the same pause.
 */
#include "producer/drain/refreshes.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "producer/drain/requests.h"
#include "producer/load/job.h"
#include "producer/refresh/answer_names.h"
#include "producer/refresh/refresh_reader.h"

enum {
    TARGETS_MAX = 32 * 1024, /* of one turn */
    PAUSE_FIRST_MS = 250,
    PAUSE_LAST_MS = 5000,
    PARENT_PAUSE_MIN_US = 10 * US_PER_MS, /* a shorter pause is left out */
};

/* Of a producer that leaves loads to the command. */
static const double share_default = 0.2;

struct refreshes {
    struct session *session;
    struct refresh_reader *reader;
    struct owed_item *items;   /* of the turn; TARGETS_MAX */
    struct refresh_work *work; /* of the same */
    uint32_t count;            /* of both; 0: no turn was read */
    struct answers answers;
    struct answer_names names;
    struct source_loads *loads;
    int64_t due_us;   /* monotonic: no turn before */
    int64_t begun_us; /* of the turn */
    int pause_ms;
    int heartbeat_rc; /* of the reading: why it was ended, and */
    struct error heartbeat_err;
    char error[STATUS_ERROR_BYTES];
};

static int
refreshes_heartbeat(void *context)
{
    struct refreshes *refreshes = context;
    refreshes->heartbeat_rc = session_turn(refreshes->session, 0, &refreshes->heartbeat_err);
    return refreshes->heartbeat_rc;
}

static void
refreshes_create_reader(struct refreshes *refreshes)
{
    const struct session *session = refreshes->session;
    int64_t bytes_max = publisher_control_bytes_max(session->message_bytes_max);
    const struct refresh_reader_options options = {
        .config = session->config,
        .event_bytes_max = bytes_max < UINT32_MAX ? (uint32_t)bytes_max : UINT32_MAX,
        .heartbeat = refreshes_heartbeat,
        .context = refreshes,
    };
    refresh_reader_destroy(refreshes->reader);
    refreshes->reader = refresh_reader_create(&options);
}

struct refreshes *
refreshes_create(struct session *session, struct source_loads *loads)
{
    struct refreshes *refreshes = memory_zalloc(sizeof *refreshes);
    CHECK(session->owed != NULL);
    refreshes->session = session;
    refreshes->loads = loads;
    refreshes_create_reader(refreshes);
    refreshes->items = memory_alloc(TARGETS_MAX * sizeof *refreshes->items);
    refreshes->work = memory_alloc(TARGETS_MAX * sizeof *refreshes->work);
    refreshes->pause_ms = PAUSE_FIRST_MS;
    answers_init(&refreshes->answers);
    return refreshes;
}

void
refreshes_destroy(struct refreshes *refreshes)
{
    if (refreshes == NULL)
        return;
    refresh_reader_destroy(refreshes->reader);
    answers_free(&refreshes->answers);
    answer_names_free(&refreshes->names);
    free(refreshes->items);
    free(refreshes->work);
    free(refreshes);
}

int
refreshes_prepare(struct refreshes *refreshes, struct error *err)
{
    struct session *session = refreshes->session;
    CHECK(refreshes->count == 0);
    return requests_read_rest(session, err);
}

static void
refreshes_end_turn(struct refreshes *refreshes)
{
    refreshes->count = 0;
    answers_free(&refreshes->answers);
    answers_init(&refreshes->answers);
}

static void
refreshes_set_error(struct refreshes *refreshes, const char *why)
{
    snprintf(refreshes->error, sizeof refreshes->error, "%.*s", STATUS_ERROR_BYTES - 1, why);
}

/* A turn has answered nothing. `why` may be "". */
static void
refreshes_pause(struct refreshes *refreshes, const char *why)
{
    refreshes_set_error(refreshes, why);
    refreshes_end_turn(refreshes);
    refreshes->due_us = clock_monotonic_us() + (int64_t)refreshes->pause_ms * US_PER_MS;
    refreshes->pause_ms =
        2 * refreshes->pause_ms < PAUSE_LAST_MS ? 2 * refreshes->pause_ms : PAUSE_LAST_MS;
}

static void
refreshes_list(struct refreshes *refreshes)
{
    struct owed *owed = refreshes->session->owed;
    refreshes->count = owed_list(owed, refreshes->begun_us, refreshes->items, TARGETS_MAX);
    for (uint32_t i = 0; i < refreshes->count; i++)
        refreshes->work[i] = (struct refresh_work){
            .request = refreshes->items[i].request,
            .rows = refreshes->items[i].rows,
            .row_count = refreshes->items[i].row_count,
        };
}

/* Has the turn got anywhere? A part of a parent's answer names no row yet. */
static bool
refreshes_have_progress(const struct refreshes *refreshes)
{
    bool has_answered = refreshes->answers.count > 0;
    for (uint32_t i = 0; !has_answered && i < refreshes->count; i++)
        has_answered = refreshes->work[i].answered_count > 0;
    return has_answered;
}

static int
refreshes_read_turn(struct refreshes *refreshes, struct error *err)
{
    struct session *session = refreshes->session;
    refreshes->heartbeat_rc = 0;
    status_begin_server_call(session->status);
    int rc = refresh_reader_read(refreshes->reader, window_reading_pg(session->reading),
                                 refreshes->work, refreshes->count, &refreshes->answers, err);
    status_end_server_call(session->status);
    if (refreshes->heartbeat_rc != 0) {
        *err = refreshes->heartbeat_err;
        return refreshes->heartbeat_rc;
    }
    const char *problem = refresh_reader_problem(refreshes->reader);
    if (rc != 0) {
        window_reading_drop(session->reading);
        log_warn("refresh", "requests stay owed and are tried again: %s", err->message);
        refreshes_pause(refreshes, err->message);
    } else if (!refreshes_have_progress(refreshes)) {
        refreshes_pause(refreshes, problem);
    } else {
        refreshes_set_error(refreshes, problem);
        refreshes->pause_ms = PAUSE_FIRST_MS;
    }
    return 0;
}

int
refreshes_read(struct refreshes *refreshes, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(window_reading_is_open(refreshes->session->reading) && refreshes->count == 0);
    if (now_us < refreshes->due_us)
        return 0;
    refreshes->begun_us = now_us;
    refreshes_list(refreshes);
    return refreshes->count > 0 ? refreshes_read_turn(refreshes, err) : 0;
}

bool
refreshes_have_answers(const struct refreshes *refreshes)
{
    return refreshes->count > 0 || source_loads_have_answers(refreshes->loads);
}

/* --- sending --- */

/* Rows that ask for several targets are named by the last of them. */
static void
refreshes_prepare_names(struct refreshes *refreshes)
{
    struct answer_names *names = &refreshes->names;
    int32_t partitions = refreshes->session->window.partitions;
    answer_names_begin(names, partitions);
    for (uint32_t i = 0; i < refreshes->count; i++)
        for (uint32_t j = 0; j < refreshes->work[i].answered_count; j++) {
            uint32_t pending = owed_item_pending(&refreshes->items[i], j);
            if (pending > 1)
                answer_names_add(names, refreshes->items[i].rows[j], pending);
        }
    answer_names_sort(names);
    for (uint32_t i = 0; i < refreshes->answers.count; i++)
        for (uint32_t j = 0; j < refreshes->answers.items[i].part_count; j++)
            for (int32_t p = 0; p < partitions; p++)
                answer_names_count(names, p, &refreshes->answers.items[i].parts[j].chunks[p]);
}

static int
refreshes_add_part(struct refreshes *refreshes, const struct load_part *part, struct error *err)
{
    struct session *session = refreshes->session;
    int rc = 0;
    for (int32_t p = 0; rc == 0 && p < session->window.partitions; p++) {
        struct chunk chunk = part->chunks[p];
        struct event event = {.kind = EVENT_CHUNK, .chunk = &chunk};
        answer_names_apply(&refreshes->names, p, &chunk);
        if (answers_chunk_is_needed(&chunk))
            rc = session_add_control(session, p, &event, err);
    }
    return rc;
}

static int
refreshes_add_answers(struct refreshes *refreshes, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < refreshes->answers.count; i++) {
        const struct answer *answer = &refreshes->answers.items[i];
        struct pass pass;
        struct event event = {.kind = EVENT_PASS, .pass = &pass};
        if (answer->pass != NULL) {
            pass = *answer->pass;
            rc = session_add_control(refreshes->session, -1, &event, err);
        }
        for (uint32_t j = 0; rc == 0 && j < answer->part_count; j++)
            rc = refreshes_add_part(refreshes, &answer->parts[j], err);
    }
    return rc;
}

/* L9: before the chunks that lack these values are sent. */
static int
refreshes_store_letters(struct refreshes *refreshes, struct error *err)
{
    struct session *session = refreshes->session;
    const struct load_problems *problems = &refreshes->answers.problems;
    if (problems->count == 0)
        return 0;
    status_begin_server_call(session->status);
    int rc = job_add_dead_letters(session->pg, &session->owner, JOB_OF_ANSWERS,
                                  session->window.tick, problems, err);
    status_end_server_call(session->status);
    if (rc != 0)
        return rc;
    const struct load_problem *first = &problems->items[0];
    char *reason = memory_format("entity %lld, field \"%.*s\": %.*s", (long long)first->entity_id,
                                 TEXT_ARGS(first->field), TEXT_ARGS(first->reason));
    progress_add_letters(session->progress, problems->count, reason);
    free(reason);
    return 0;
}

/* How long the target is not read after this. */
static int64_t
parent_pause_us(const struct config *config, int64_t cost_us)
{
    double share = config->producer.load.share > 0 ? config->producer.load.share : share_default;
    int64_t pause_us = (int64_t)((double)cost_us / share);
    return pause_us >= PARENT_PAUSE_MIN_US ? pause_us : 0;
}

/* Everything is acknowledged: what was answered is not owed any more. */
static void
refreshes_settle(struct refreshes *refreshes)
{
    struct session *session = refreshes->session;
    int64_t now_us = clock_monotonic_us();
    int64_t before = owed_count_all(session->owed);
    for (uint32_t i = 0; i < refreshes->count; i++) {
        const struct refresh_work *work = &refreshes->work[i];
        int64_t pause_us = parent_pause_us(session->config, work->cost_us);
        if (work->answered_count > 0)
            owed_answer(session->owed, refreshes->items[i].target, work->answered_count, now_us,
                        pause_us > 0 ? refreshes->begun_us + pause_us : 0);
    }
    source_loads_settle(refreshes->loads);
    session->progress->refresh.answers += (uint64_t)(before - owed_count_all(session->owed));
    metrics_observe_us(&session->status->refresh_turns, now_us - refreshes->begun_us);
    refreshes_end_turn(refreshes);
}

int
refreshes_send(struct refreshes *refreshes, struct error *err)
{
    struct session *session = refreshes->session;
    CHECK(refreshes_have_answers(refreshes));
    CHECK(session->window.s2.xmax == session->delivered.snapshot.xmax);
    refreshes_prepare_names(refreshes);
    int rc = refreshes_store_letters(refreshes, err);
    if (rc != 0)
        return rc;
    rc = refreshes_add_answers(refreshes, err);
    if (rc == 0)
        rc = source_loads_add_answers(refreshes->loads, err);
    bool rejected = rc == ERR_DATA;
    if (rejected) {
        log_warn("refresh", "an answer cannot be sent, and its requests stay owed: %s",
                 err->message);
        refreshes_pause(refreshes, err->message);
        refreshes_create_reader(refreshes); /* it rests on all of its answers having been sent */
    }
    if (rc == 0 || rejected)
        rc = session_flush(session, err);
    if (rc == 0)
        rc = session_await_acks(session, err);
    if (rc == 0 && !rejected)
        refreshes_settle(refreshes);
    session->rows_since_mark = true;
    session->window_has_rows = true; /* an idle session saves that they are answered */
    return rc;
}

void
refreshes_publish(struct refreshes *refreshes)
{
    const struct session *session = refreshes->session;
    struct status_refresh *shown = &session->progress->refresh;
    shown->owed = owed_count_all(session->owed);
    shown->oldest_us = owed_oldest_us(session->owed);
    snprintf(shown->error, sizeof shown->error, "%s", refreshes->error);
    status_publish_refresh(session->status, shown);
}
