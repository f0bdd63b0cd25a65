/* Happy path: once a second, if anything has moved, one statement for all partitions, which writes
 * nothing while the legacy cleanup trigger stands.
 *
 * Failure: of the session, it is closed and the next round connects again; a table that is missing
 * or a right, is asked for again in the same way. Said once in the log, until it is over.
 */
#include "consumer/group/cursor_table.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/pg/legacy_cleanup.h"
#include "common/pg/pg.h"

enum {
    INTERVAL_US = 1000 * 1000,
    BITE_MS = 100,
    STOP_S = 5,
};

static const char *const area = "mirror";

struct cursor_table_place {
    int64_t ownership; /* the row's number as long as it is ours; 0: to be taken */
    int64_t offset;    /* waits to be written; -1: nothing does */
    struct sequence sequence;
    int64_t done;   /* the last that was written or refused; -1: none */
    int64_t shown;  /* the last that was written */
    uint32_t begun; /* times that the partition was given to us */
};

struct cursor_table {
    char *conninfo;
    char *prefix; /* of replica_id, before the partition */
    int32_t partitions;
    pthread_t thread;
    atomic_bool stopping;
    struct pg *pg;        /* the thread's; NULL: none */
    pthread_mutex_t lock; /* of what is below, for moments */
    struct cursor_table_place *places;
    char trouble[ERROR_MESSAGE_BYTES];
};

/* What a statement writes; by partition. */
struct cursor_table_row {
    int64_t offset; /* -1: nothing */
    uint32_t begun;
};

/* A row is written by whoever holds its number, or takes it. The number that is proposed is one
 * more than the one held, so that it is 1 when the row is to be taken, or made. */
static const char statement_head[] =
    "WITH legacy AS (SELECT " LEGACY_CLEANUP_EXISTS " AS stands),"
    " n (partition, held, row_id, committed, epoch, seq, clock_us, complete) AS (VALUES ";
static const char statement_tail[] =
    "), written AS (INSERT INTO bitdex_cursors AS c (replica_id, ownership, last_outbox_id,"
    " committed_offset, epoch, seq, source_clock, complete)"
    " SELECT $1 || partition, held + 1, row_id, committed, epoch, seq,"
    " to_timestamp(nullif(clock_us, 0) / 1e6), complete FROM legacy, n WHERE NOT stands"
    " ON CONFLICT (replica_id) DO UPDATE SET"
    " ownership = c.ownership + (EXCLUDED.ownership = 1)::int,"
    " last_outbox_id = EXCLUDED.last_outbox_id, committed_offset = EXCLUDED.committed_offset,"
    " epoch = EXCLUDED.epoch, seq = EXCLUDED.seq, source_clock = EXCLUDED.source_clock,"
    " complete = EXCLUDED.complete, updated_at = clock_timestamp()"
    " WHERE EXCLUDED.ownership = 1 OR (EXCLUDED.ownership = c.ownership + 1"
    " AND c.committed_offset <= EXCLUDED.committed_offset)"
    " RETURNING replica_id, ownership)"
    " SELECT stands, partition, ownership FROM legacy, n LEFT JOIN written"
    " ON replica_id = $1 || partition";

/* Appends the values of what waits, and notes it in `rows`. Returns how many there are. */
static int32_t
cursor_table_collect(struct cursor_table *mirror, struct cursor_table_row *rows, struct buffer *sql)
{
    int32_t count = 0;
    mutex_lock(&mirror->lock);
    for (int32_t i = 0; i < mirror->partitions; i++) {
        const struct cursor_table_place *place = &mirror->places[i];
        const struct sequence *sequence = &place->sequence;
        rows[i] = (struct cursor_table_row){place->offset, place->begun};
        if (place->offset < 0)
            continue;
        buffer_append_format(
            sql,
            "%s(%" PRId32 ", %" PRId64 "::bigint, %" PRId64 "::bigint, %" PRId64
            "::bigint, %" PRId64 "::bigint, %" PRId64 "::bigint, %" PRId64 "::bigint, %s)",
            count++ > 0 ? ", " : "", i, place->ownership, sequence->row_id, place->offset,
            sequence->epoch, sequence->seq, sequence->watermark.clock_us,
            sequence_complete(sequence) ? "true" : "false");
    }
    mutex_unlock(&mirror->lock);
    return count;
}

/* One that was begun anew or overtaken by a later position meanwhile keeps what waits. */
static void
cursor_table_note_written(struct cursor_table *mirror, const struct cursor_table_row *rows,
                          const struct pg_result *result)
{
    mutex_lock(&mirror->lock);
    for (int i = 0; i < pg_rows(result); i++) {
        int64_t partition = pg_integer(result, i, 1);
        struct cursor_table_place *place = &mirror->places[partition];
        if (place->begun != rows[partition].begun)
            continue;
        place->ownership = pg_integer(result, i, 2); /* 0, to be taken, when it was refused */
        place->done = rows[partition].offset;
        if (!pg_is_null(result, i, 2))
            place->shown = place->done;
        if (place->offset == place->done)
            place->offset = -1;
    }
    mutex_unlock(&mirror->lock);
}

static int
cursor_table_write(struct cursor_table *mirror, const struct cursor_table_row *rows,
                   struct buffer *sql, struct error *err)
{
    struct pg_result *result;
    int rc = 0;
    if (mirror->pg == NULL)
        rc = pg_connect(mirror->conninfo, "bitdex-consumer mirror", &mirror->pg, err);
    if (rc == 0)
        rc = pg_query(mirror->pg, buffer_string(sql), 1, (const char *const[]){mirror->prefix},
                      &result, err);
    if (rc != 0)
        return rc;
    if (pg_boolean(result, 0, 0))
        rc = error_set(err, ERR_FATAL, "%s", LEGACY_CLEANUP_MESSAGE);
    else
        cursor_table_note_written(mirror, rows, result);
    pg_result_clear(result);
    return rc;
}

/* `trouble` is "" when all is well. */
static void
cursor_table_show_trouble(struct cursor_table *mirror, const char *trouble)
{
    bool before = mirror->trouble[0] != '\0';
    if (!before && *trouble != '\0')
        log_warn(area, "positions are not shown in bitdex_cursors: %s", trouble);
    else if (before && *trouble == '\0')
        log_info(area, "positions are shown in bitdex_cursors again");
    mutex_lock(&mirror->lock);
    snprintf(mirror->trouble, sizeof mirror->trouble, "%s", trouble);
    mutex_unlock(&mirror->lock);
}

static void
cursor_table_round(struct cursor_table *mirror)
{
    struct error err = {0};
    struct buffer sql;
    struct cursor_table_row *rows = memory_alloc((size_t)mirror->partitions * sizeof *rows);
    buffer_init(&sql);
    buffer_append_text(&sql, statement_head);
    if (cursor_table_collect(mirror, rows, &sql) > 0) {
        buffer_append_text(&sql, statement_tail);
        int rc = cursor_table_write(mirror, rows, &sql, &err);
        cursor_table_show_trouble(mirror, rc == 0 ? "" : err.message);
        if (rc != 0) {
            pg_close(mirror->pg);
            mirror->pg = NULL;
        }
    }
    buffer_free(&sql);
    free(rows);
}

static void *
cursor_table_main(void *context)
{
    struct cursor_table *mirror = context;
    int64_t due_us = 0;
    while (!atomic_load(&mirror->stopping)) {
        if (clock_monotonic_us() >= due_us) {
            cursor_table_round(mirror);
            due_us = clock_monotonic_us() + INTERVAL_US;
        }
        clock_sleep_ms(BITE_MS);
    }
    cursor_table_round(mirror);
    return NULL;
}

static void
cursor_table_free(struct cursor_table *mirror)
{
    pg_close(mirror->pg);
    mutex_destroy(&mirror->lock);
    free(mirror->places);
    free(mirror->prefix);
    free(mirror->conninfo);
    free(mirror);
}

int
cursor_table_start(const struct config *config, struct cursor_table **table, struct error *err)
{
    *table = NULL;
    if (config->postgres == NULL)
        return 0;
    struct cursor_table *mirror = memory_zalloc(sizeof *mirror);
    mirror->partitions = config->topic.partitions;
    mirror->conninfo = memory_strdup(config->postgres);
    mirror->prefix = memory_format("%s/%s/", config->consumer.group, config->topic.name);
    mirror->places = memory_zalloc((size_t)mirror->partitions * sizeof *mirror->places);
    for (int32_t i = 0; i < mirror->partitions; i++)
        mirror->places[i] = (struct cursor_table_place){.offset = -1, .done = -1, .shown = -1};
    mutex_init(&mirror->lock);
    int rc = thread_start(&mirror->thread, "cursor table", cursor_table_main, mirror, err);
    if (rc != 0) {
        cursor_table_free(mirror);
        return rc;
    }
    *table = mirror;
    return 0;
}

void
cursor_table_stop(struct cursor_table *mirror)
{
    if (mirror == NULL)
        return;
    atomic_store(&mirror->stopping, true);
    if (!thread_join_within(mirror->thread, STOP_S)) {
        log_warn(area, "the database does not answer: the last positions are not shown in it");
        return;
    }
    cursor_table_free(mirror);
}

void
cursor_table_begin(struct cursor_table *mirror, int32_t partition)
{
    if (mirror == NULL)
        return;
    mutex_lock(&mirror->lock);
    struct cursor_table_place *place = &mirror->places[partition];
    *place = (struct cursor_table_place){
        .offset = -1, .done = -1, .shown = -1, .begun = place->begun + 1};
    mutex_unlock(&mirror->lock);
}

void
cursor_table_put(struct cursor_table *mirror, int32_t partition, int64_t offset,
                 const struct sequence *sequence)
{
    if (mirror == NULL)
        return;
    mutex_lock(&mirror->lock);
    struct cursor_table_place *place = &mirror->places[partition];
    if (offset > place->done) {
        place->offset = offset;
        place->sequence = *sequence;
    }
    mutex_unlock(&mirror->lock);
}

int64_t
cursor_table_offset(struct cursor_table *mirror, int32_t partition)
{
    if (mirror == NULL)
        return -1;
    mutex_lock(&mirror->lock);
    int64_t shown = mirror->places[partition].shown;
    mutex_unlock(&mirror->lock);
    return shown;
}

void
cursor_table_error(struct cursor_table *mirror, char *out, size_t bytes)
{
    out[0] = '\0';
    if (mirror == NULL)
        return;
    mutex_lock(&mirror->lock);
    snprintf(out, bytes, "%s", mirror->trouble);
    mutex_unlock(&mirror->lock);
}
