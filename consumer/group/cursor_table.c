/* Happy path: once a second, if any position has moved, one statement for all partitions. It writes
 * nothing while the legacy cleanup trigger exists.
 *
 * Failure: after an error of the session or of a statement, the session is closed, and the next
 * round connects again. An error is logged once, and so is its end.
 */
#include "consumer/group/cursor_table.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/pg/legacy_cleanup.h"
#include "common/pg/pg.h"
#include "consumer/partition/position_order.h"

enum {
    INTERVAL_US = US_PER_S,
    POLL_MS = 100,
    STOP_S = 5,
};

static const char *const area = "cursor table";

struct cursor_table_place {
    struct position_order order; /* committed, and cursor table: what the database has */
    int64_t waiting_offset;      /* to be written; -1: nothing waits */
    struct sequence sequence;    /* at that offset */
    int64_t done_offset;         /* the last one that was written or refused; -1: none */
    int64_t ownership;           /* of the row, as long as it is ours; 0: to be taken */
    uint32_t begun;              /* how often an ownership has begun here */
};

struct cursor_table {
    char *conninfo;
    char *prefix; /* of replica_id, before the partition */
    int32_t partitions;
    pthread_t thread;
    atomic_bool stopping;
    struct pg *pg;        /* the thread's; NULL: not connected */
    pthread_mutex_t lock; /* of what follows */
    struct cursor_table_place *places;
    char error[ERROR_MESSAGE_BYTES];
};

/* What a statement writes, by partition. */
struct cursor_table_row {
    int64_t offset; /* -1: nothing */
    uint32_t begun;
};

/* A row is written by whoever holds its ownership number, or takes it. The proposed number is one
 * more than the held one, so that it is 1 when the row is to be taken or inserted. */
static const char statement_head[] =
    "WITH legacy AS (SELECT " LEGACY_CLEANUP_EXISTS " AS stands),"
    " n (partition, held, row_id, committed, epoch, seq, clock_us, complete) AS (VALUES ";
static const char statement_tail[] =
    "), written AS (INSERT INTO bitdex_cursors AS c (replica_id, ownership, last_outbox_id,"
    " committed_offset, epoch, seq, source_clock, complete)"
    " SELECT $1 || partition::text, held + 1, row_id, committed, epoch, seq,"
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
    " ON replica_id = $1 || partition::text";

static struct cursor_table_place *
cursor_table_place(struct cursor_table *table, int32_t partition)
{
    CHECK(partition >= 0);
    CHECK(partition < table->partitions);
    return &table->places[partition];
}

/* Holds after each change. What waits was neither written nor refused. */
static void
place_check(const struct cursor_table_place *place)
{
    CHECK(place->begun > 0);
    CHECK(place->waiting_offset >= -1);
    CHECK(place->done_offset >= -1);
    CHECK(place->waiting_offset == -1 || place->waiting_offset > place->done_offset);
    CHECK(position_order_offset(&place->order, POSITION_CURSOR_TABLE) <= place->done_offset);
}

static void
place_begin(struct cursor_table_place *place)
{
    *place = (struct cursor_table_place){
        .waiting_offset = -1, .done_offset = -1, .begun = place->begun + 1};
    position_order_init(&place->order);
    position_order_follow(&place->order, POSITION_COMMITTED, POSITION_NONE);
    position_order_follow(&place->order, POSITION_CURSOR_TABLE, POSITION_NONE);
    place_check(place);
}

/* --- one statement --------------------------------------------------------------------------- */

static void
place_append_values(const struct cursor_table_place *place, int32_t partition, struct buffer *sql)
{
    const struct sequence *sequence = &place->sequence;
    CHECK(place->waiting_offset > place->done_offset);
    CHECK(sequence_is_consistent(sequence));
    buffer_append_format(sql,
                         "(%" PRId32 ", %" PRId64 "::bigint, %" PRId64 "::bigint, %" PRId64
                         "::bigint, %" PRId64 "::bigint, %" PRId64 "::bigint, %" PRId64
                         "::bigint, %s)",
                         partition, place->ownership, sequence->row_id, place->waiting_offset,
                         sequence->epoch, sequence->seq, sequence->watermark.clock_us,
                         sequence_complete(sequence) ? "true" : "false");
}

/* Appends the values that wait, and notes them in `rows`. Returns their number. */
static int32_t
cursor_table_collect(struct cursor_table *table, struct cursor_table_row *rows, struct buffer *sql)
{
    int32_t count = 0;
    mutex_lock(&table->lock);
    for (int32_t i = 0; i < table->partitions; i++) {
        const struct cursor_table_place *place = &table->places[i];
        rows[i] = (struct cursor_table_row){place->waiting_offset, place->begun};
        if (place->waiting_offset < 0)
            continue;
        buffer_append_text(sql, count++ > 0 ? ", " : "");
        place_append_values(place, i, sql);
    }
    mutex_unlock(&table->lock);
    CHECK(count <= table->partitions);
    return count;
}

/* A later offset that came meanwhile still waits. So does one of a newer ownership. */
static void
place_note_written(struct cursor_table_place *place, const struct cursor_table_row *row,
                   const int64_t *ownership)
{
    if (place->begun != row->begun)
        return;
    CHECK(row->offset > place->done_offset);
    CHECK(row->offset <= place->waiting_offset);
    place->ownership = ownership != NULL ? *ownership : 0; /* to be taken, when it was refused */
    place->done_offset = row->offset;
    if (ownership != NULL)
        position_order_move(&place->order, POSITION_CURSOR_TABLE, row->offset);
    if (place->waiting_offset == row->offset)
        place->waiting_offset = -1;
    place_check(place);
}

static int
cursor_table_note_written(struct cursor_table *table, const struct cursor_table_row *rows,
                          const struct pg_result *result, struct error *err)
{
    int rc = 0;
    mutex_lock(&table->lock);
    for (int i = 0; rc == 0 && i < pg_rows(result); i++) {
        int64_t partition = pg_integer(result, i, 1);
        int64_t ownership = pg_integer(result, i, 2);
        if (partition < 0 || partition >= table->partitions || rows[partition].offset < 0)
            rc = error_set(err, ERR_FATAL, "the database answered for partition %" PRId64,
                           partition);
        else
            place_note_written(&table->places[partition], &rows[partition],
                               pg_is_null(result, i, 2) ? NULL : &ownership);
    }
    mutex_unlock(&table->lock);
    return rc;
}

static int
cursor_table_write(struct cursor_table *table, const struct cursor_table_row *rows,
                   struct buffer *sql, struct error *err)
{
    struct pg_result *result;
    int rc = 0;
    if (table->pg == NULL)
        rc = pg_connect(table->conninfo, "bitdex-consumer cursor table", &table->pg, err);
    CHECK((rc == 0) == (table->pg != NULL));
    if (rc == 0)
        rc = pg_query(table->pg, buffer_string(sql), 1, (const char *const[]){table->prefix},
                      &result, err);
    if (rc != 0)
        return rc;
    if (pg_boolean(result, 0, 0))
        rc = error_set(err, ERR_FATAL, "%s", LEGACY_CLEANUP_MESSAGE);
    else
        rc = cursor_table_note_written(table, rows, result, err);
    pg_result_clear(result);
    return rc;
}

/* --- the thread ------------------------------------------------------------------------------ */

/* `error` is "" after a success. */
static void
cursor_table_set_error(struct cursor_table *table, const char *error)
{
    bool had_error = table->error[0] != '\0';
    if (!had_error && error[0] != '\0')
        log_warn(area, "positions are not written to bitdex_cursors: %s", error);
    else if (had_error && error[0] == '\0')
        log_info(area, "positions are written to bitdex_cursors again");
    mutex_lock(&table->lock);
    snprintf(table->error, sizeof table->error, "%s", error);
    mutex_unlock(&table->lock);
}

static void
cursor_table_round(struct cursor_table *table)
{
    struct error err = {0};
    struct buffer sql;
    struct cursor_table_row *rows = memory_alloc((size_t)table->partitions * sizeof *rows);
    buffer_init(&sql);
    buffer_append_text(&sql, statement_head);
    if (cursor_table_collect(table, rows, &sql) > 0) {
        buffer_append_text(&sql, statement_tail);
        int rc = cursor_table_write(table, rows, &sql, &err);
        cursor_table_set_error(table, rc == 0 ? "" : err.message);
        if (rc != 0) {
            pg_close(table->pg);
            table->pg = NULL;
        }
    }
    buffer_free(&sql);
    free(rows);
}

static void *
cursor_table_main(void *context)
{
    struct cursor_table *table = context;
    int64_t due_us = 0;
    while (!atomic_load(&table->stopping)) {
        if (clock_monotonic_us() >= due_us) {
            cursor_table_round(table);
            due_us = clock_monotonic_us() + INTERVAL_US;
        }
        clock_sleep_ms(POLL_MS);
    }
    cursor_table_round(table);
    return NULL;
}

/* --- any thread ------------------------------------------------------------------------------ */

static void
cursor_table_free(struct cursor_table *table)
{
    pg_close(table->pg);
    mutex_destroy(&table->lock);
    free(table->places);
    free(table->prefix);
    free(table->conninfo);
    free(table);
}

static struct cursor_table *
cursor_table_create(const struct config *config)
{
    struct cursor_table *table = memory_zalloc(sizeof *table);
    CHECK(config->topic.partitions > 0);
    CHECK(config->topic.name != NULL);
    CHECK(config->consumer.group != NULL);
    table->partitions = config->topic.partitions;
    table->conninfo = memory_strdup(config->postgres);
    table->prefix = memory_format("%s/%s/", config->consumer.group, config->topic.name);
    table->places = memory_zalloc((size_t)table->partitions * sizeof *table->places);
    for (int32_t i = 0; i < table->partitions; i++)
        place_begin(&table->places[i]);
    mutex_init(&table->lock);
    return table;
}

int
cursor_table_start(const struct config *config, struct cursor_table **table, struct error *err)
{
    *table = NULL;
    if (config->postgres == NULL)
        return 0;
    struct cursor_table *made = cursor_table_create(config);
    int rc = thread_start(&made->thread, "cursor table", cursor_table_main, made, err);
    if (rc != 0) {
        cursor_table_free(made);
        return rc;
    }
    *table = made;
    return 0;
}

void
cursor_table_stop(struct cursor_table *table)
{
    if (table == NULL)
        return;
    CHECK(!atomic_load(&table->stopping));
    atomic_store(&table->stopping, true);
    if (!thread_join_within(table->thread, STOP_S)) {
        log_warn(area, "the database does not answer: the last positions are not written");
        return;
    }
    cursor_table_free(table);
}

void
cursor_table_begin(struct cursor_table *table, int32_t partition)
{
    if (table == NULL)
        return;
    mutex_lock(&table->lock);
    place_begin(cursor_table_place(table, partition));
    mutex_unlock(&table->lock);
}

void
cursor_table_put(struct cursor_table *table, int32_t partition, int64_t offset,
                 const struct sequence *sequence)
{
    if (table == NULL)
        return;
    mutex_lock(&table->lock);
    struct cursor_table_place *place = cursor_table_place(table, partition);
    CHECK(offset >= 0);
    CHECK(offset >= place->waiting_offset);
    sequence_check_growth(&place->sequence, sequence);
    position_order_move(&place->order, POSITION_COMMITTED, offset);
    if (offset > place->done_offset) {
        place->waiting_offset = offset;
        place->sequence = *sequence;
    }
    place_check(place);
    mutex_unlock(&table->lock);
}

int64_t
cursor_table_offset(struct cursor_table *table, int32_t partition)
{
    if (table == NULL)
        return -1;
    mutex_lock(&table->lock);
    struct cursor_table_place *place = cursor_table_place(table, partition);
    int64_t offset = position_order_offset(&place->order, POSITION_CURSOR_TABLE);
    mutex_unlock(&table->lock);
    return offset;
}

void
cursor_table_error(struct cursor_table *table, char *out, size_t bytes)
{
    CHECK(bytes > 0);
    out[0] = '\0';
    if (table == NULL)
        return;
    mutex_lock(&table->lock);
    snprintf(out, bytes, "%s", table->error);
    mutex_unlock(&table->lock);
}
