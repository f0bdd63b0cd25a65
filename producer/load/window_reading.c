/* Happy path: BEGIN, the locks and the query of the snapshot are one message, and COMMIT is sent
 * without waiting. So a transaction takes as many round trips as a snapshot without one.
 *
 * Failure modes: whatever fails closes the session. One that could not be opened is tried again
 * after a pause that grows, because the stream waits for each attempt.
 */
#include "producer/load/window_reading.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "producer/load/load_session.h"

enum { RETRY_FIRST_MS = 1000, RETRY_LAST_MS = 30000 };

struct window_reading {
    const struct config *config;
    const struct cursor_history *history;
    struct pg *pg; /* NULL: not connected */
    bool is_open;
    int64_t due_us; /* monotonic: do not connect before */
    int retry_ms;
};

struct window_reading *
window_reading_create(const struct config *config, const struct cursor_history *history)
{
    struct window_reading *reading = memory_zalloc(sizeof *reading);
    CHECK(history != NULL);
    reading->config = config;
    reading->history = history;
    reading->retry_ms = RETRY_FIRST_MS;
    return reading;
}

void
window_reading_destroy(struct window_reading *reading)
{
    if (reading == NULL)
        return;
    pg_close(reading->pg);
    free(reading);
}

bool
window_reading_is_due(const struct window_reading *reading)
{
    return reading->pg != NULL || clock_monotonic_us() >= reading->due_us;
}

static void
retry_later(struct window_reading *reading)
{
    window_reading_drop(reading);
    reading->due_us = clock_monotonic_us() + (int64_t)reading->retry_ms * US_PER_MS;
    reading->retry_ms =
        2 * reading->retry_ms < RETRY_LAST_MS ? 2 * reading->retry_ms : RETRY_LAST_MS;
}

int
window_reading_connect(struct window_reading *reading, struct error *err)
{
    CHECK(!reading->is_open);
    if (reading->pg != NULL)
        return 0;
    int rc = load_session_open(reading->config->postgres, reading->history, &reading->pg, err);
    if (rc != 0)
        retry_later(reading);
    return rc;
}

int
window_reading_begin(struct window_reading *reading, const char *tables,
                     struct source_snapshot *snapshot, struct error *err)
{
    struct buffer sql = {0};
    int rc = window_reading_connect(reading, err);
    if (rc != 0)
        return rc;
    buffer_append_text(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
    if (tables[0] != '\0')
        buffer_append_format(&sql, "LOCK TABLE %s IN ACCESS SHARE MODE; ", tables);
    rc = source_snapshot_read_after(reading->pg, buffer_string(&sql), snapshot, err);
    buffer_free(&sql);
    reading->is_open = rc == 0;
    if (rc == 0)
        reading->retry_ms = RETRY_FIRST_MS;
    else if (tables[0] == '\0')
        retry_later(reading);
    else
        window_reading_drop(reading); /* only who needs the locks waits for them */
    return rc;
}

bool
window_reading_is_open(const struct window_reading *reading)
{
    CHECK(!reading->is_open || reading->pg != NULL);
    return reading->is_open;
}

struct pg *
window_reading_pg(struct window_reading *reading)
{
    CHECK(reading->pg != NULL);
    return reading->pg;
}

void
window_reading_end(struct window_reading *reading)
{
    struct error err;
    if (!reading->is_open)
        return;
    reading->is_open = false;
    if (pg_send(reading->pg, "COMMIT", &err) != 0)
        window_reading_drop(reading); /* what was read is in memory */
}

void
window_reading_drop(struct window_reading *reading)
{
    pg_close(reading->pg);
    reading->pg = NULL;
    reading->is_open = false;
}
