/* Failure modes. The session ends before the void is saved: the next one finds the difference
 * again. It ends after that, before the signature is saved: the fields are voided once more. It
 * ends later: the saved reason says that a load is due. A load that is queued twice is one.
 */
#include "producer/drain/source_watch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "producer/drain/voids.h"
#include "producer/source/source_signature.h"
#include "producer/source/source_tables.h"

struct source_watch {
    struct session *session;
    struct source_loads *loads;
    bool *is_wanted;    /* by entry: a load of it is wanted, for a reason that is saved */
    bool *is_voided;    /* by entry: its fields are to be voided in this poll */
    int64_t polled_us;  /* monotonic; 0: not yet */
    struct buffer text; /* of this poll: why fields are voided */
};

struct source_watch *
source_watch_create(struct session *session, struct source_loads *loads)
{
    struct source_watch *watch = memory_zalloc(sizeof *watch);
    size_t entries = session->config->trigger_count + 1;
    CHECK(loads != NULL);
    watch->session = session;
    watch->loads = loads;
    watch->is_wanted = memory_zalloc(entries * sizeof *watch->is_wanted);
    watch->is_voided = memory_zalloc(entries * sizeof *watch->is_voided);
    return watch;
}

void
source_watch_destroy(struct source_watch *watch)
{
    if (watch == NULL)
        return;
    buffer_free(&watch->text);
    free(watch->is_wanted);
    free(watch->is_voided);
    free(watch);
}

/* --- what has changed --- */

static int
compare(const struct source_table *table, struct buffer *reason, struct error *err)
{
    const struct source_signatures signatures = {
        .table = table->table,
        .before = text_of(table->before),
        .now = text_of(table->now),
        .filled = text_of(table->filled),
    };
    buffer_clear(reason);
    return source_signature_compare(&signatures, reason, err);
}

/* Adds the change of a table to what is voided. */
static void
add_void(struct source_watch *watch, const char *table, struct buffer *reason)
{
    const struct config *config = watch->session->config;
    for (uint32_t i = 0; i < config->trigger_count; i++)
        if (source_tables_has(config, i, table))
            watch->is_voided[i] = true;
    buffer_append_format(&watch->text, "%s%s", watch->text.bytes > 0 ? "; " : "",
                         buffer_string(reason));
}

static int
void_changed(struct source_watch *watch, const struct pg_result *result, struct error *err)
{
    struct session *session = watch->session;
    struct buffer reason = {0};
    int rc = 0;
    memset(watch->is_voided, 0, session->config->trigger_count * sizeof *watch->is_voided);
    buffer_clear(&watch->text);
    for (int i = 0; rc == 0 && i < pg_rows(result); i++) {
        struct source_table table;
        source_tables_row(result, i, &table);
        if (table.before == NULL)
            continue;
        rc = compare(&table, &reason, err);
        if (rc == 0 && reason.bytes > 0)
            add_void(watch, table.table, &reason);
    }
    buffer_free(&reason);
    if (rc != 0 || watch->text.bytes == 0)
        return rc;
    return voids_send_entries(session, watch->is_voided, buffer_string(&watch->text), err);
}

/* --- what follows from it --- */

static void
want_loads(struct source_watch *watch, const char *table, const char *reason, bool is_new)
{
    const struct config *config = watch->session->config;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        if (!source_tables_has(config, i, table) || (watch->is_wanted[i] && !is_new))
            continue;
        watch->is_wanted[i] = true;
        source_loads_want(watch->loads, i, reason);
    }
}

/* All loads that the table waits for are done. */
static bool
is_loaded(const struct source_watch *watch, const char *table)
{
    const struct config *config = watch->session->config;
    bool is = true;
    for (uint32_t i = 0; is && i < config->trigger_count; i++)
        if (source_tables_has(config, i, table))
            is = watch->is_wanted[i] && source_loads_is_done(watch->loads, i);
    return is;
}

static int
save(struct source_watch *watch, const struct source_table *table, const char *reason,
     struct error *err)
{
    const struct session *session = watch->session;
    return source_tables_save(session->pg, &session->owner, table->table, table->now, reason, err);
}

/* The table has the saved signature, and its last change is not known to be loaded. */
static int
step_pending(struct source_watch *watch, const struct source_table *table, struct error *err)
{
    CHECK(table->reason != NULL);
    if (!table->exists)
        return 0;
    if (is_loaded(watch, table->table))
        return save(watch, table, NULL, err);
    want_loads(watch, table->table, table->reason, false);
    return 0;
}

static int
step_table(struct source_watch *watch, const struct source_table *table, struct error *err)
{
    struct buffer reason = {0};
    int rc = table->before != NULL ? compare(table, &reason, err) : 0;
    if (rc == 0 && reason.bytes > 0) {
        rc = save(watch, table, buffer_string(&reason), err);
        if (rc == 0 && table->exists)
            want_loads(watch, table->table, buffer_string(&reason), true);
    } else if (rc == 0 && (table->before == NULL || strcmp(table->before, table->now) != 0)) {
        rc = save(watch, table, table->reason, err);
    } else if (rc == 0) {
        rc = step_pending(watch, table, err);
    }
    buffer_free(&reason);
    return rc;
}

static int
step_tables(struct source_watch *watch, const struct pg_result *result, struct error *err)
{
    int rc = void_changed(watch, result, err);
    status_begin_server_call(watch->session->status);
    for (int i = 0; rc == 0 && i < pg_rows(result); i++) {
        struct source_table table;
        source_tables_row(result, i, &table);
        rc = step_table(watch, &table, err);
    }
    status_end_server_call(watch->session->status);
    return rc;
}

int
source_watch_change(struct source_watch *watch, uint32_t entry, const char *reason,
                    struct error *err)
{
    struct session *session = watch->session;
    CHECK(entry < session->config->trigger_count);
    const char *table = session->config->triggers[entry].table;
    status_begin_server_call(session->status);
    int rc = source_tables_save_reason(session->pg, &session->owner, table, reason, err);
    status_end_server_call(session->status);
    watch->is_wanted[entry] = true;
    source_loads_want(watch->loads, entry, reason);
    return rc;
}

int
source_watch_poll(struct source_watch *watch, struct error *err)
{
    struct session *session = watch->session;
    int64_t now_us = clock_monotonic_us();
    struct pg_result *result;
    bool locked;
    CHECK(publisher_flushed(session->publisher));
    int64_t interval_us = (int64_t)session->config->producer.watch_interval_ms * US_PER_MS;
    if (watch->polled_us != 0 && now_us - watch->polled_us < interval_us)
        return 0;
    watch->polled_us = now_us;
    status_begin_server_call(session->status);
    int rc = source_tables_query(session->pg, session->config, &result, &locked, err);
    status_end_server_call(session->status);
    if (rc != 0 || locked)
        return rc;
    rc = step_tables(watch, result, err);
    pg_result_clear(result);
    return rc == ERR_DATA ? ERR_FATAL : rc;
}
