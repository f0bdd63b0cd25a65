/* Happy path: start sends the statement, pump collects its bytes, counts the rows when the last one
 * has come, and take hands them out while the next chunk comes into the other buffer.
 *
 * The first chunk of a window is the planner's to plan: it sees the bounds as literals. Further
 * ones are pinned to the index on id, which continues where the last chunk ended; with stale
 * statistics the planner would sort the whole rest of the window for each of them (F82).
 */
#include "producer/source/outbox.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "producer/source/window.h"

static const char pin_to_id_index[] = "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off;"
                                      "SET LOCAL enable_bitmapscan = off; ";

struct outbox {
    struct pg *pg;
    struct outbox_limits limits;
    struct buffer sql;
    struct buffer coming;
    struct buffer taken;
    bool running;
    bool ready;
    int64_t asked_rows;
    int64_t after_id;
    struct outbox_chunk chunk; /* when ready */
};

int
outbox_open(const char *conninfo, const struct outbox_limits *limits, struct outbox **outbox,
            struct error *err)
{
    struct pg *pg;
    int rc = pg_connect(conninfo, "bitdex-producer outbox", &pg, err);
    if (rc != 0)
        return rc;
    /* A plan that is pinned by making others expensive looks worth compiling, at 100 ms a chunk. */
    rc = pg_exec(pg, "SET jit = off", err);
    if (rc != 0) {
        pg_close(pg);
        return rc;
    }
    *outbox = memory_zalloc(sizeof **outbox);
    (*outbox)->pg = pg;
    (*outbox)->limits = *limits;
    return 0;
}

void
outbox_close(struct outbox *outbox)
{
    if (outbox == NULL)
        return;
    pg_close(outbox->pg);
    buffer_free(&outbox->sql);
    buffer_free(&outbox->coming);
    buffer_free(&outbox->taken);
    free(outbox);
}

/* Three levels, so that the text of ops is made once for each row, and only for rows that are
 * picked; the outer levels keep the order of the inner one. A row that is too large says here what
 * it is, as its kind decides where it goes. */
static void
outbox_write_sql(struct outbox *outbox, const struct snapshot *s1, const struct snapshot *s2,
                 int64_t after_id)
{
    struct buffer *sql = &outbox->sql;
    int64_t row_bytes = outbox->limits.row_bytes;
    buffer_clear(sql);
    if (after_id != OUTBOX_FIRST_ROW)
        buffer_append_text(sql, pin_to_id_index);
    buffer_append_format(sql,
                         "COPY (SELECT id, entity_id, created_at,"
                         " CASE WHEN octet_length(json) <= %" PRId64 " THEN json END,"
                         " CASE WHEN octet_length(json) > %" PRId64
                         " THEN ops @> '[{\"op\":\"queryOpSet\"}]' END"
                         " FROM (SELECT *, ops::text AS json FROM ("
                         "SELECT id, entity_id, created_at, ops FROM \"BitdexOps\" WHERE ",
                         row_bytes, row_bytes);
    window_append_condition(s1, s2, sql);
    if (after_id != OUTBOX_FIRST_ROW)
        buffer_append_format(sql, " AND id > %" PRId64, after_id);
    buffer_append_format(sql,
                         " ORDER BY id LIMIT %" PRId64 ") AS picked OFFSET 0) AS printed)"
                         " TO STDOUT (FORMAT binary)",
                         outbox->asked_rows);
}

int
outbox_start(struct outbox *outbox, const struct snapshot *s1, const struct snapshot *s2,
             int64_t after_id, struct error *err)
{
    CHECK(!outbox->running && !outbox->ready);
    outbox->asked_rows = outbox->limits.chunk_rows;
    outbox->after_id = after_id;
    outbox_write_sql(outbox, s1, s2, after_id);
    buffer_clear(&outbox->coming);
    int rc = pg_copy_start(outbox->pg, buffer_string(&outbox->sql), err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the outbox");
    outbox->running = true;
    return 0;
}

static int
outbox_count(struct outbox *outbox, bool cut, struct error *err)
{
    struct outbox_chunk *chunk = &outbox->chunk;
    struct copy_rows rows;
    struct outbox_row row;
    bool found;
    *chunk = (struct outbox_chunk){
        .bytes = {(const char *)outbox->coming.data, outbox->coming.bytes},
    };
    int rc = copy_rows_begin(&rows, chunk->bytes, err);
    while (rc == 0 && (rc = copy_rows_next(&rows, &row, &found, err)) == 0 && found) {
        bool first = chunk->rows == 0 && outbox->after_id == OUTBOX_FIRST_ROW;
        if (!first && row.id <= (chunk->rows > 0 ? chunk->last_id : outbox->after_id))
            return error_set(err, ERR_FATAL, "postgres: rows of the outbox are out of order");
        chunk->rows++;
        chunk->last_id = row.id;
    }
    if (rc == 0 && !cut && !rows.complete)
        rc = error_set(err, ERR_FATAL, "postgres: a binary copy ended without its trailer");
    if (rc == 0 && cut && chunk->rows == 0)
        rc = error_set(err, ERR_FATAL, "postgres: %zu bytes of a binary copy without a whole row",
                       chunk->bytes.bytes);
    chunk->last = !cut && chunk->rows < outbox->asked_rows;
    outbox->ready = rc == 0;
    return rc;
}

int
outbox_pump(struct outbox *outbox, int wait_ms, struct error *err)
{
    if (!outbox->running)
        return 0;
    bool done;
    int rc = pg_copy_read(outbox->pg, wait_ms, &outbox->coming, &done, err);
    bool cut = rc == 0 && !done && (int64_t)outbox->coming.bytes >= outbox->limits.chunk_bytes;
    if (cut)
        rc = pg_copy_cancel(outbox->pg, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the outbox");
    if (!done && !cut)
        return 0;
    outbox->running = false;
    return outbox_count(outbox, cut, err);
}

bool
outbox_ready(const struct outbox *outbox)
{
    return outbox->ready;
}

void
outbox_take(struct outbox *outbox, struct outbox_chunk *chunk)
{
    CHECK(outbox->ready);
    struct buffer taken = outbox->taken;
    outbox->taken = outbox->coming;
    outbox->coming = taken;
    outbox->ready = false;
    *chunk = outbox->chunk;
}
