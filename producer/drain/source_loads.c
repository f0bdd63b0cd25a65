/* Happy path: a poll finds rows that ask for a source, takes the proof from its fields, and queues
 * a load of the entry's table. A later poll finds the load done; after the window that is next, a
 * chunk names the rows.
 *
 * Failure modes. A load that fails or is cancelled answers nothing: the next one is queued after a
 * pause. After a restart everything that is owed is requested again: fields are voided and loads
 * are queued again, unless one is still waiting in the queue. A voided event that may not have
 * reached all partitions makes shards void all fields, so everything is loaded.
 */
#include "producer/drain/source_loads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config_entry.h"
#include "producer/drain/voids.h"
#include "producer/load/job_queue.h"
#include "producer/refresh/owed.h"

enum {
    POLL_US = US_PER_S / 4,
    RETRY_S = 60,
    REASON_BYTES = 256,
    ROWS_MAX = 1000, /* that one chunk names */
};

static const char unknown_reason[] = "a request names an entry that triggers does not have";
static const char unsent_reason[] =
    "the producer was interrupted before consumers could know which fields were voided";

/* Of one entry, or of everything. */
struct source_load {
    uint32_t voided_rows; /* the first ones of those that wait, whose fields are voided */
    uint32_t changes;     /* that no finished load was queued after */
    int64_t job;          /* 0: none is queued */
    uint32_t job_rows;    /* the first ones of those that wait, which the job answers */
    uint32_t job_changes; /* likewise of the changes */
    bool is_done;         /* the job has ended, and its rows are to be answered */
    int64_t due_us;       /* monotonic: no job before */
    int64_t warned_us;    /* monotonic: when it was last said that the triggers are missing */
    char reason[REASON_BYTES];
};

struct source_loads {
    struct session *session;
    struct source_load *items; /* by entry; the last one is everything */
    uint32_t count;
    int64_t polled_us; /* monotonic */
};

struct source_loads *
source_loads_create(struct session *session)
{
    struct source_loads *loads = memory_zalloc(sizeof *loads);
    CHECK(session->owed != NULL);
    loads->session = session;
    loads->count = session->config->trigger_count + 1;
    loads->items = memory_zalloc(loads->count * sizeof *loads->items);
    if (session->owner.voided != session->owner.voided_sent)
        source_loads_want(loads, REQUEST_UNKNOWN_ENTRY, unsent_reason);
    return loads;
}

void
source_loads_destroy(struct source_loads *loads)
{
    if (loads == NULL)
        return;
    free(loads->items);
    free(loads);
}

static uint32_t
index_of(const struct source_loads *loads, uint32_t entry)
{
    CHECK(entry == REQUEST_UNKNOWN_ENTRY || entry + 1 < loads->count);
    return entry == REQUEST_UNKNOWN_ENTRY ? loads->count - 1 : entry;
}

static bool
is_everything(const struct source_loads *loads, const struct source_load *load)
{
    return load == &loads->items[loads->count - 1];
}

static void
set_reason(struct source_load *load, const char *reason)
{
    snprintf(load->reason, sizeof load->reason, "%s", reason);
}

void
source_loads_want(struct source_loads *loads, uint32_t entry, const char *reason)
{
    struct source_load *load = &loads->items[index_of(loads, entry)];
    set_reason(load, reason);
    load->changes++;
    load->due_us = 0;
}

bool
source_loads_is_done(const struct source_loads *loads, uint32_t entry)
{
    return loads->items[index_of(loads, entry)].changes == 0;
}

/* --- requests --- */

/* Rows ask for the source since the last poll. */
static bool
has_new_rows(const struct source_loads *loads, const struct owed_item *item)
{
    const struct source_load *load = &loads->items[index_of(loads, item->request->entry)];
    CHECK(load->voided_rows <= item->row_count);
    return load->voided_rows < item->row_count;
}

static void
print_reason(const struct source_loads *loads, const bool *entries, char *reason, size_t bytes)
{
    struct buffer text = {0};
    const struct config *config = loads->session->config;
    buffer_append_text(&text, "all rows may have changed, as by TRUNCATE:");
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        if (!entries[i])
            continue;
        buffer_append_text(&text, " ");
        config_entry_append_name(config, i, &text);
    }
    snprintf(reason, bytes, "%s", buffer_string(&text));
    buffer_free(&text);
}

/* Voids the fields of all entries with new rows, in one event. */
static int
void_requested(struct source_loads *loads, struct error *err)
{
    struct session *session = loads->session;
    struct arena arena = {0};
    char reason[REASON_BYTES];
    bool *entries = arena_alloc(&arena, loads->count * sizeof *entries);
    struct owed_item item = {0};
    bool is_needed = false;
    int rc = 0;
    memset(entries, 0, loads->count * sizeof *entries);
    while (owed_next_source(session->owed, &item)) {
        if (item.request->entry == REQUEST_UNKNOWN_ENTRY || !has_new_rows(loads, &item))
            continue;
        entries[item.request->entry] = true;
        is_needed = true;
    }
    if (is_needed) {
        print_reason(loads, entries, reason, sizeof reason);
        rc = voids_send_entries(session, entries, reason, err);
    }
    arena_free(&arena);
    return rc;
}

/* What is requested is voided, or there is nothing to void. */
static void
take_requests(struct source_loads *loads)
{
    struct owed_item item = {0};
    while (owed_next_source(loads->session->owed, &item)) {
        uint32_t index = index_of(loads, item.request->entry);
        struct source_load *load = &loads->items[index];
        bool *is_entry;
        if (!has_new_rows(loads, &item))
            continue;
        load->voided_rows = item.row_count;
        if (load->changes > 0)
            continue; /* the older reason stays */
        set_reason(load, unknown_reason);
        if (is_everything(loads, load))
            continue;
        is_entry = memory_zalloc(loads->count * sizeof *is_entry);
        is_entry[index] = true;
        print_reason(loads, is_entry, load->reason, sizeof load->reason);
        free(is_entry);
    }
}

/* --- jobs --- */

static bool
shares_field(const struct config *config, uint32_t entry, uint32_t other)
{
    const char *field;
    for (uint32_t i = 0; (field = config_entry_field(config, entry, i)) != NULL; i++)
        if (config_entry_owns(config, other, text_of(field)))
            return true;
    return config->triggers[entry].sets_alive && config->triggers[other].sets_alive;
}

/* Loads are of a table. What entries of several tables state together only a load of everything
 * can state. */
static void
select_source(const struct source_loads *loads, const struct source_load *load,
              struct load_selection *selection)
{
    const struct config *config = loads->session->config;
    uint32_t entry = (uint32_t)(load - loads->items);
    *selection = (struct load_selection){0};
    if (is_everything(loads, load))
        return;
    const char *table = config->triggers[entry].table;
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (shares_field(config, entry, i) && strcmp(config->triggers[i].table, table) != 0)
            return;
    selection->table = table;
}

/* Do the triggers in place write all fields of the selection? Those of the others cannot be loaded,
 * because their changes would be missed while they are. */
static bool
is_covered(const struct source_loads *loads, const struct load_selection *selection)
{
    const struct session *session = loads->session;
    const struct config *config = session->config;
    const struct covered_fields *covered = &session->covered;
    bool is = true;
    for (uint32_t i = 0; is && i < config->trigger_count; i++) {
        const char *field;
        if (selection->table != NULL && strcmp(config->triggers[i].table, selection->table) != 0)
            continue;
        is = !config->triggers[i].sets_alive || covered_fields_has(covered, TEXT(""));
        for (uint32_t j = 0; is && (field = config_entry_field(config, i, j)) != NULL; j++)
            is = covered_fields_has(covered, text_of(field));
    }
    return is;
}

/* guard_watch.h finds out when they do again. */
static void
warn_uncovered(struct source_load *load)
{
    int64_t now_us = clock_monotonic_us();
    if (load->warned_us != 0 && now_us - load->warned_us < (int64_t)RETRY_S * US_PER_S)
        return;
    load->warned_us = now_us;
    log_warn("refresh",
             "a load waits until the triggers in place write all of its fields (%s): run"
             " bitdex-producer triggers apply",
             load->reason);
}

/* The job is ours when nobody has begun it. */
static int
queue_job(struct source_loads *loads, struct source_load *load, uint32_t rows, struct error *err)
{
    struct session *session = loads->session;
    const char *name = session->config->producer.name;
    struct load_selection selection;
    struct job_view view;
    bool found = false;
    int64_t id;
    select_source(loads, load, &selection);
    if (!is_covered(loads, &selection)) {
        warn_uncovered(load);
        return 0;
    }
    int rc = job_queue_load(session->pg, name, &selection, load->reason, &id, &found, err);
    if (rc == 0)
        rc = job_queue_view(session->pg, name, id, &view, &found, err);
    if (rc != 0 || !found || view.state != JOB_STATE_QUEUED)
        return rc;
    if (rows > 0)
        log_info("refresh", "%" PRIu32 " requests wait for job %" PRId64 ": %s", rows, id,
                 load->reason);
    else
        log_info("refresh", "a changed source waits for job %" PRId64 ": %s", id, load->reason);
    load->job = id;
    load->job_rows = rows;
    load->job_changes = load->changes;
    return 0;
}

/* A load that has failed, or that somebody has ended, answers nothing. */
static int
view_job(struct source_loads *loads, struct source_load *load, struct error *err)
{
    struct session *session = loads->session;
    struct job_view view;
    bool found;
    int rc =
        job_queue_view(session->pg, session->config->producer.name, load->job, &view, &found, err);
    if (rc != 0 || (found && view.state != JOB_STATE_ENDED))
        return rc;
    load->is_done = found && strcmp(view.state_name, "done") == 0;
    if (load->is_done)
        return 0;
    log_warn("refresh",
             "job %" PRId64 " has not loaded what is waited for (%s): the next load is queued in"
             " %d s",
             load->job, load->reason, RETRY_S);
    load->job = 0;
    load->due_us = clock_monotonic_us() + (int64_t)RETRY_S * US_PER_S;
    return 0;
}

/* All changes were loaded, and consumers need not void more than they were told. */
static int
end_unsent(struct source_loads *loads, const struct source_load *load, struct error *err)
{
    struct session *session = loads->session;
    bool is_healed = load->is_done && is_everything(loads, load) &&
                     session->owner.voided != session->owner.voided_sent;
    return is_healed ? cursor_save_voided_sent(session->pg, &session->owner, err) : 0;
}

static int
step_job(struct source_loads *loads, struct source_load *load, struct error *err)
{
    uint32_t entry = (uint32_t)(load - loads->items);
    struct owed_item item;
    if (load->is_done)
        return 0;
    if (load->job != 0) {
        int rc = view_job(loads, load, err);
        return rc == 0 ? end_unsent(loads, load, err) : rc;
    }
    if (is_everything(loads, load))
        entry = REQUEST_UNKNOWN_ENTRY;
    bool is_owed = owed_find_source(loads->session->owed, entry, &item);
    if ((!is_owed && load->changes == 0) || clock_monotonic_us() < load->due_us)
        return 0;
    return queue_job(loads, load, is_owed ? item.row_count : 0, err);
}

/* What no row waits for is settled at once. */
static void
settle_changes(struct source_load *load)
{
    CHECK(load->is_done && load->job_changes <= load->changes);
    load->changes -= load->job_changes;
    load->job_changes = 0;
    if (load->job_rows > 0)
        return;
    load->job = 0;
    load->is_done = false;
}

int
source_loads_poll(struct source_loads *loads, struct error *err)
{
    struct session *session = loads->session;
    int64_t now_us = clock_monotonic_us();
    CHECK(publisher_flushed(session->publisher));
    if (now_us - loads->polled_us < POLL_US)
        return 0;
    loads->polled_us = now_us;
    int rc = void_requested(loads, err);
    if (rc != 0)
        return rc;
    take_requests(loads);
    status_begin_server_call(session->status);
    for (uint32_t i = 0; rc == 0 && i < loads->count; i++) {
        struct source_load *load = &loads->items[i];
        rc = step_job(loads, load, err);
        if (rc == 0 && load->is_done)
            settle_changes(load);
    }
    status_end_server_call(session->status);
    return rc;
}

/* --- answers --- */

bool
source_loads_have_answers(const struct source_loads *loads)
{
    bool have = false;
    for (uint32_t i = 0; !have && i < loads->count; i++)
        have = loads->items[i].is_done;
    return have;
}

/* What was asked for is on the topic already: the chunks only name the rows. */
static int
add_answers(struct source_loads *loads, const struct source_load *load,
            const struct owed_item *item, struct error *err)
{
    int64_t rows[ROWS_MAX];
    struct chunk chunk = {.purpose = CHUNK_REFRESH, .end = CHUNK_NO_END, .has_slots = true};
    struct event event = {.kind = EVENT_CHUNK, .chunk = &chunk};
    int rc = 0;
    CHECK(load->job_rows > 0 && load->job_rows <= item->row_count);
    chunk.answers = rows;
    for (uint32_t i = 0; rc == 0 && i < load->job_rows; i++) {
        if (owed_item_pending(item, i) == 1)
            rows[chunk.answer_count++] = item->rows[i];
        if (chunk.answer_count < ROWS_MAX && i + 1 < load->job_rows)
            continue;
        rc = session_add_control(loads->session, -1, &event, err);
        chunk.answer_count = 0;
    }
    return rc;
}

/* The rows that wait for the load. */
static bool
find_item(const struct source_loads *loads, const struct source_load *load, struct owed_item *item)
{
    uint32_t entry = (uint32_t)(load - loads->items);
    if (is_everything(loads, load))
        entry = REQUEST_UNKNOWN_ENTRY;
    bool found = owed_find_source(loads->session->owed, entry, item);
    CHECK(found || !load->is_done);
    return found;
}

int
source_loads_add_answers(struct source_loads *loads, struct error *err)
{
    struct owed_item item;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < loads->count; i++)
        if (loads->items[i].is_done && find_item(loads, &loads->items[i], &item))
            rc = add_answers(loads, &loads->items[i], &item, err);
    return rc;
}

void
source_loads_settle(struct source_loads *loads)
{
    for (uint32_t i = 0; i < loads->count; i++) {
        struct source_load *load = &loads->items[i];
        struct owed_item item;
        if (!load->is_done || !find_item(loads, load, &item))
            continue;
        CHECK(load->voided_rows >= load->job_rows);
        owed_answer(loads->session->owed, item.target, load->job_rows, clock_monotonic_us(), 0);
        load->voided_rows -= load->job_rows;
        load->job_rows = 0;
        load->job = 0;
        load->is_done = false;
    }
}
