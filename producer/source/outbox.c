/* Happy path: outbox_start() sends the statement, outbox_pump() collects its bytes and counts the
 * rows after the last one, and outbox_take() hands them out while the next chunk arrives in the
 * other buffer.
 *
 * The planner chooses the plan of a window's first chunk, as it sees the bounds as literals.
 * Further chunks are pinned to the index on id, which continues where the last chunk ended: with
 * stale statistics the planner would sort the whole rest of the window for each of them (F82).
 *
 * Failure modes: when the database cannot print the ops of a row, the rows before it have arrived
 * and are a chunk. The next chunk is then that row alone (OUTBOX_ONE_ROW), and when it fails again,
 * the row without its ops (OUTBOX_NO_OPS). When the database cannot even read the ops, as when
 * their pages are damaged, nothing shows to which partitions the row goes: it is rejected in all of
 * them (OUTBOX_NO_KIND). Any other error ends the reader.
 */
#include "producer/source/outbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "producer/source/letters.h"
#include "producer/source/source_connection.h"
#include "producer/source/window.h"

static const char pin_to_id_index[] = "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off;"
                                      "SET LOCAL enable_bitmapscan = off; ";

/* A statement that waits for an ALTER TABLE has its snapshot already, in which a rewritten table is
 * empty. With the lock, the snapshot of the next statement sees what was rewritten. */
static const char lock_first[] = "LOCK TABLE \"BitdexOps\" IN ACCESS SHARE MODE; ";

enum { OUTBOX_REASON_BYTES = 512 };

/* A strict path finds nothing outside of the elements of an array; it is null for another value. */
#define GOES_TO_ALL                                                                              \
    "ops @> '[{\"op\":\"queryOpSet\"}]' OR coalesce(jsonb_path_exists(ops, 'strict $[*] ? (@.op" \
    " == \"refresh\" && exists(@.key))', silent => true), false)"

enum outbox_mode { OUTBOX_ROWS, OUTBOX_ONE_ROW, OUTBOX_NO_OPS, OUTBOX_NO_KIND };

struct outbox {
    struct pg *pg;
    struct outbox_limits limits;
    struct buffer sql;
    struct buffer condition; /* of the rows of the requested chunk */
    const char *json;        /* the expression of the ops as text */
    enum outbox_mode mode;
    bool is_suspect;        /* the row after the chunk that was taken last could not be read */
    struct buffer arriving; /* bytes of the requested chunk */
    struct buffer taken;    /* bytes of the chunk that was taken last */
    bool running;           /* a chunk is requested and not complete */
    bool ready;             /* `chunk` is complete and not taken */
    int64_t chunk_rows;     /* LIMIT of the requested chunk */
    int64_t after_id;       /* of the requested chunk */
    char unreadable[OUTBOX_REASON_BYTES];   /* of the row that is read without its ops */
    char taken_reason[OUTBOX_REASON_BYTES]; /* of the chunk that was taken last */
    struct outbox_chunk chunk;
};

int
outbox_open(const char *conninfo, const struct cursor_history *expected,
            const struct outbox_limits *limits, struct outbox **outbox, struct error *err)
{
    struct pg *pg;
    CHECK(limits->chunk_rows > 0 && limits->chunk_bytes >= limits->row_bytes);
    CHECK(limits->row_bytes > 0);
    int rc = source_connect(conninfo, "bitdex-producer outbox", expected, &pg, err);
    if (rc != 0)
        return rc;
    /* The plan is pinned by making others expensive, so that JIT would compile it: 100 ms a
     * chunk. */
    rc = pg_exec(pg, "SET jit = off", err);
    if (rc == 0)
        rc = source_pin_outbox(pg, err);
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
    buffer_free(&outbox->condition);
    buffer_free(&outbox->arriving);
    buffer_free(&outbox->taken);
    free(outbox);
}

/* What a statement reads. */
struct page {
    const struct snapshot *s1;
    const struct snapshot *s2;
    int64_t after_id;
    int64_t up_to_id;
    const char *json; /* the expression of the ops as text; static */
};

static void
outbox_write_condition(struct outbox *outbox, const struct page *page)
{
    struct buffer *sql = &outbox->condition;
    buffer_clear(sql);
    window_append_condition(page->s1, page->s2, sql);
    if (page->after_id != OUTBOX_FIRST_ROW)
        buffer_append_format(sql, " AND id > %" PRId64, page->after_id);
    if (page->up_to_id != INT64_MAX)
        buffer_append_format(sql, " AND id <= %" PRId64, page->up_to_id);
}

/* Three levels, so that ops is converted to text once for each row, and only for the rows of the
 * chunk; the outer levels keep the order of the inner one. For a row without its text, whether it
 * goes to all partitions is computed here, by the rule of `enum ops_route`. */
static void
outbox_write_sql(struct outbox *outbox)
{
    struct buffer *sql = &outbox->sql;
    int64_t row_bytes = outbox->limits.row_bytes;
    bool has_ops = outbox->mode < OUTBOX_NO_OPS;
    CHECK(outbox->chunk_rows > 0);
    buffer_clear(sql);
    buffer_append_text(sql, lock_first);
    if (outbox->after_id != OUTBOX_FIRST_ROW)
        buffer_append_text(sql, pin_to_id_index);
    buffer_append_text(sql, "COPY (SELECT id, entity_id, txid, created_at,");
    if (has_ops)
        buffer_append_format(sql,
                             " CASE WHEN octet_length(json) <= %" PRId64 " THEN json END,"
                             " CASE WHEN octet_length(json) > %" PRId64 " THEN " GOES_TO_ALL " END",
                             row_bytes, row_bytes);
    else
        buffer_append_format(sql, " NULL::text, %s",
                             outbox->mode == OUTBOX_NO_KIND ? "true" : GOES_TO_ALL);
    buffer_append_format(sql,
                         " FROM (SELECT *, %s AS json FROM ("
                         "SELECT id, entity_id, txid, created_at, ops FROM \"BitdexOps\" WHERE %s"
                         " ORDER BY id LIMIT %" PRId64 ") AS picked OFFSET 0) AS printed)"
                         " TO STDOUT (FORMAT binary)",
                         has_ops ? outbox->json : "NULL", buffer_string(&outbox->condition),
                         outbox->chunk_rows);
}

/* Requests the chunk after `after_id`. */
static int
outbox_request(struct outbox *outbox, enum outbox_mode mode, struct error *err)
{
    CHECK(!outbox->running);
    CHECK(!outbox->ready);
    outbox->mode = mode;
    outbox->chunk_rows = mode == OUTBOX_ROWS ? outbox->limits.chunk_rows : 1;
    outbox_write_sql(outbox);
    buffer_clear(&outbox->arriving);
    int rc = pg_copy_start(outbox->pg, buffer_string(&outbox->sql), err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the outbox");
    outbox->running = true;
    return 0;
}

static int
outbox_request_page(struct outbox *outbox, const struct page *page, struct error *err)
{
    CHECK(page->s1->xmax <= page->s2->xmax);
    bool is_suspect = outbox->is_suspect && page->after_id == outbox->chunk.last_id;
    outbox->is_suspect = false;
    outbox->after_id = page->after_id;
    outbox->json = page->json;
    outbox_write_condition(outbox, page);
    return outbox_request(outbox, is_suspect ? OUTBOX_ONE_ROW : OUTBOX_ROWS, err);
}

int
outbox_start(struct outbox *outbox, const struct snapshot *s1, const struct snapshot *s2,
             int64_t after_id, struct error *err)
{
    const struct page page = {s1, s2, after_id, INT64_MAX, "ops::text"};
    return outbox_request_page(outbox, &page, err);
}

int
outbox_start_requests(struct outbox *outbox, const struct snapshot *s1, const struct snapshot *s2,
                      int64_t after_id, int64_t up_to_id, struct error *err)
{
    static const char requests[] = "CASE WHEN ops @> '[{\"op\":\"refresh\"}]' THEN ops::text"
                                   " ELSE '[]' END";
    const struct page page = {s1, s2, after_id, up_to_id, requests};
    return outbox_request_page(outbox, &page, err);
}

/* Validates and counts the rows of a chunk whose bytes have all arrived. `cut`: there are more. */
static int
outbox_count(struct outbox *outbox, bool cut, struct error *err)
{
    struct outbox_chunk *chunk = &outbox->chunk;
    struct copy_rows rows;
    struct outbox_row row;
    bool found;
    *chunk = (struct outbox_chunk){
        .bytes = {(const char *)outbox->arriving.data, outbox->arriving.bytes},
    };
    int rc = copy_rows_begin(&rows, chunk->bytes, err);
    while (rc == 0 && (rc = copy_rows_next(&rows, &row, &found, err)) == 0 && found) {
        int64_t before_id = chunk->rows > 0 ? chunk->last_id : outbox->after_id;
        if (row.id <= before_id && before_id != OUTBOX_FIRST_ROW)
            return error_set(err, ERR_FATAL, "postgres: rows of the outbox are out of order");
        chunk->rows++;
        chunk->last_id = row.id;
    }
    if (rc == 0 && !cut && !rows.complete)
        rc = error_set(err, ERR_FATAL, "postgres: a binary copy ended without its trailer");
    if (rc == 0 && cut && chunk->rows == 0)
        rc = error_set(err, ERR_FATAL, "postgres: %zu bytes of a binary copy without a whole row",
                       chunk->bytes.bytes);
    if (outbox->mode >= OUTBOX_NO_OPS)
        chunk->unreadable = outbox->unreadable;
    CHECK(!outbox->running);
    CHECK(rc != 0 || cut || rows.bytes.at == rows.bytes.end);
    chunk->last = !cut && chunk->rows < outbox->chunk_rows && !outbox->is_suspect;
    outbox->ready = rc == 0;
    return rc;
}

/* A row could not be read. What arrived before it is a chunk, if it is anything. */
static int
outbox_recover(struct outbox *outbox, struct error *err)
{
    CHECK(outbox->mode != OUTBOX_NO_KIND);
    outbox->running = false;
    if (outbox->arriving.bytes > COPY_HEADER_BYTES) {
        outbox->is_suspect = true;
        return outbox_count(outbox, true, err);
    }
    if (outbox->mode == OUTBOX_ROWS)
        return outbox_request(outbox, OUTBOX_ONE_ROW, err);
    bool is_damaged = outbox->mode == OUTBOX_NO_OPS;
    snprintf(outbox->unreadable, sizeof outbox->unreadable, "%s%.400s",
             is_damaged ? LETTER_DAMAGED : LETTER_UNREADABLE, err->message);
    return outbox_request(outbox, is_damaged ? OUTBOX_NO_KIND : OUTBOX_NO_OPS, err);
}

int
outbox_pump(struct outbox *outbox, int wait_ms, struct error *err)
{
    if (!outbox->running)
        return 0;
    CHECK(!outbox->ready);
    bool done;
    int rc = pg_copy_read(outbox->pg, wait_ms, &outbox->arriving, &done, err);
    bool cut = rc == 0 && !done && (int64_t)outbox->arriving.bytes >= outbox->limits.chunk_bytes;
    if (rc == ERR_FATAL && outbox->mode != OUTBOX_NO_KIND && pg_failed_on_a_row(outbox->pg))
        return outbox_recover(outbox, err);
    if (cut) /* a row that the database cannot print begins the next chunk */
        rc = pg_copy_cancel(outbox->pg, err);
    if (cut && rc == ERR_FATAL && pg_failed_on_a_row(outbox->pg))
        rc = 0;
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
    CHECK(!outbox->running || !outbox->ready);
    return outbox->ready;
}

void
outbox_take(struct outbox *outbox, struct outbox_chunk *chunk)
{
    CHECK(outbox->ready);
    CHECK(!outbox->running);
    struct buffer taken = outbox->taken;
    outbox->taken = outbox->arriving;
    outbox->arriving = taken;
    outbox->ready = false;
    *chunk = outbox->chunk;
    if (chunk->unreadable != NULL) {
        memcpy(outbox->taken_reason, outbox->unreadable, sizeof outbox->taken_reason);
        chunk->unreadable = outbox->taken_reason;
    }
    CHECK(chunk->bytes.data == (const char *)outbox->taken.data);
    CHECK(chunk->rows > 0 || chunk->last);
}
