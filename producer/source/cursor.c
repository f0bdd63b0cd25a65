/* Every write below is one statement of this shape, so that no takeover comes between the check of
 * the generation and the write (F75). Either the successor's UPDATE of the producer's row waits for
 * the lock of this statement, or this statement waits for the successor's commit, and Postgres then
 * evaluates the condition again and finds no row.
 *
 *     WITH owner AS (SELECT name FROM bitdex_producers WHERE name = $1 AND epoch = $2
 *                    AND generation = $3 FOR SHARE),
 *          written AS (... FROM owner ...)
 *     SELECT count(*) FROM owner
 *
 * The jobs of the producer are written in the same way (load/job.h).
 */
#include "producer/source/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/event/event.h"
#include "common/json/json_write.h"
#include "producer/source/letters.h"
#include "producer/source/source_access.h"
#include "producer/source/source_empty.h"

enum { OWNER_PARAMS = 3, INTEGER_TEXT_BYTES = 24, KEEP_TICKS = 1000 };

void
cursor_window_init(struct cursor_window *window, int32_t partitions)
{
    CHECK(partitions > 0);
    *window = (struct cursor_window){.partitions = partitions};
    window->seq = memory_zalloc((size_t)partitions * sizeof *window->seq);
    window->digest = memory_zalloc((size_t)partitions * sizeof *window->digest);
    window->content_digest = memory_zalloc((size_t)partitions * sizeof *window->content_digest);
    window->offsets = memory_zalloc((size_t)partitions * sizeof *window->offsets);
}

void
cursor_window_free(struct cursor_window *window)
{
    CHECK((window->seq == NULL) == (window->offsets == NULL));
    snapshot_free(&window->s1);
    snapshot_free(&window->s2);
    snapshot_free(&window->answered);
    free(window->seq);
    free(window->digest);
    free(window->content_digest);
    free(window->offsets);
    *window = (struct cursor_window){0};
}

static void
copy_text(char *to, size_t bytes, const char *from)
{
    CHECK(bytes > 0);
    CHECK(from != NULL);
    snprintf(to, bytes, "%s", from);
}

int
cursor_read_history(struct pg *pg, struct cursor_history *history, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg,
                      "SELECT system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1,"
                      " 8), pg_snapshot_xmax(pg_current_snapshot()) FROM pg_control_system()",
                      0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the history of this database");
    CHECK(pg_rows(result) == 1);
    copy_text(history->system_identifier, sizeof history->system_identifier, pg_text(result, 0, 0));
    copy_text(history->timeline, sizeof history->timeline, pg_text(result, 0, 1));
    history->next_xid = strtoull(pg_text(result, 0, 2), NULL, 10);
    pg_result_clear(result);
    return 0;
}

int
cursor_try_lock(struct pg *pg, const char *name, bool *locked, struct error *err)
{
    struct pg_result *result;
    CHECK(name != NULL);
    int rc = pg_query(
        pg, "SELECT pg_try_advisory_lock(pg_catalog.hashtextextended('bitdex-producer ' || $1, 0))",
        1, &name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not request the lock on the producer's name");
    CHECK(pg_rows(result) == 1);
    *locked = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

int
cursor_find_lock(struct pg *pg, const char *name, bool *locked, struct error *err)
{
    struct pg_result *result;
    CHECK(name != NULL);
    /* pg_locks shows the key of an advisory lock in two halves. */
    int rc =
        pg_query(pg,
                 "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
                 " AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname ="
                 " current_database()) AND (classid::bigint << 32) | objid::bigint ="
                 " pg_catalog.hashtextextended('bitdex-producer ' || $1, 0))",
                 1, &name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not look for the lock on the producer's name");
    CHECK(pg_rows(result) == 1);
    *locked = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
check_cluster(const struct pg_result *row, const struct config *config,
              const struct cursor_history *history, struct error *err)
{
    CHECK(pg_rows(row) == 1);
    CHECK(history->system_identifier[0] != '\0');
    if (strcmp(pg_text(row, 0, 0), history->system_identifier) == 0)
        return 0;
    return error_set(err, ERR_FATAL,
                     "the cursor of producer \"%s\" is from another database cluster (%s, this"
                     " is %s): its ids and transactions belong to other rows here; open a new"
                     " epoch with: bitdex-producer cursor adopt",
                     config->producer.name, pg_text(row, 0, 0), history->system_identifier);
}

static int
check_topic(const struct pg_result *row, const struct config *config, struct error *err)
{
    CHECK(config->topic.name != NULL);
    CHECK(pg_rows(row) == 1);
    if (strcmp(pg_text(row, 0, 1), config->topic.name) != 0)
        return error_set(err, ERR_FATAL,
                         "the cursor of producer \"%s\" belongs to topic %s, not %s: give the"
                         " producer of another topic another producer.name",
                         config->producer.name, pg_text(row, 0, 1), config->topic.name);
    if (pg_integer(row, 0, 2) != config->topic.partitions)
        return error_set(err, ERR_FATAL,
                         "topic %s has been fed with %s partitions, but topic.partitions is %d: the"
                         " number is fixed for the life of a topic; use a new topic and load",
                         config->topic.name, pg_text(row, 0, 2), config->topic.partitions);
    return 0;
}

/* A position in the future means that a restore took the database back (F06). The next transaction
 * is read together with the position, because a running producer may save positions meanwhile. */
static int
check_position(struct pg *pg, const struct config *config, struct error *err)
{
    struct pg_result *result;
    CHECK(config->producer.name != NULL);
    int rc =
        pg_query(pg,
                 "SELECT pg_snapshot_xmax(s2), last_row_id,"
                 " pg_sequence_last_value(pg_get_serial_sequence('\"BitdexOps\"', 'id')),"
                 " pg_snapshot_xmax(pg_current_snapshot()),"
                 " pg_snapshot_xmax(s2) > pg_snapshot_xmax(pg_current_snapshot())"
                 " FROM bitdex_windows WHERE name = $1 ORDER BY tick DESC, sub_id DESC LIMIT 1",
                 1, &config->producer.name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the cursor");
    if (pg_rows(result) == 1 && pg_boolean(result, 0, 4))
        rc = error_set(err, ERR_FATAL,
                       "the cursor is in the future of this database (transaction %s, the next one"
                       " is %s): the database went back; open a new epoch with:"
                       " bitdex-producer cursor adopt",
                       pg_text(result, 0, 0), pg_text(result, 0, 3));
    else if (pg_rows(result) == 1 && pg_integer(result, 0, 1) > pg_integer(result, 0, 2))
        rc = error_set(err, ERR_FATAL,
                       "row %s was sent, but the sequence of \"BitdexOps\".id is at %" PRId64
                       ": ids would be used again; advance the sequence past the row with setval()",
                       pg_text(result, 0, 1), pg_integer(result, 0, 2));
    pg_result_clear(result);
    return rc;
}

static int
query_producer(struct pg *pg, const char *name, struct pg_result **row, struct error *err)
{
    int rc = pg_query(pg,
                      "SELECT system_identifier, topic, partitions FROM bitdex_producers"
                      " WHERE name = $1",
                      1, &name, row, err);
    CHECK(rc != 0 || pg_rows(*row) <= 1);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not read the cursor");
}

int
cursor_check(struct pg *pg, const struct config *config, const struct cursor_history *history,
             struct error *err)
{
    struct pg_result *row;
    int rc = query_producer(pg, config->producer.name, &row, err);
    if (rc != 0)
        return rc;
    bool exists = pg_rows(row) == 1;
    if (exists)
        rc = check_cluster(row, config, history, err);
    if (exists && rc == 0)
        rc = check_topic(row, config, err);
    pg_result_clear(row);
    return exists && rc == 0 ? check_position(pg, config, err) : rc;
}

int
cursor_check_topic(struct pg *pg, const struct config *config, struct error *err)
{
    struct pg_result *row;
    int rc = query_producer(pg, config->producer.name, &row, err);
    if (rc != 0)
        return rc;
    if (pg_rows(row) == 1)
        rc = check_topic(row, config, err);
    pg_result_clear(row);
    return rc;
}

/* Replaces the server's message by one that names the rights that are missing, if it is that. */
static void
explain_refusal(struct pg *pg, const struct config *config, struct error *err)
{
    struct error missing = {0};
    if (strcmp(pg_last_sqlstate(pg), "42501") == 0 && /* insufficient_privilege */
        source_access_check(pg, config, &missing) == ERR_FATAL)
        *err = missing;
    CHECK(err->code != 0);
}

static int
cursor_begin(struct pg *pg, const struct config *config, const struct cursor_history *history,
             struct error *err)
{
    char partitions[INTEGER_TEXT_BYTES];
    char digest[INTEGER_TEXT_BYTES];
    CHECK(config->topic.partitions > 0);
    CHECK(history->system_identifier[0] != '\0' && history->timeline[0] != '\0');
    snprintf(partitions, sizeof partitions, "%d", config->topic.partitions);
    snprintf(digest, sizeof digest, "%" PRId64, (int64_t)EVENT_DIGEST_START);
    const char *params[] = {config->producer.name, config->topic.name,         partitions,
                            history->timeline,     history->system_identifier, digest};
    struct buffer sql = {0};
    buffer_append_text(
        &sql, "WITH begun AS (INSERT INTO bitdex_producers (name, epoch, generation, topic,"
              " topic_id, partitions, timeline, system_identifier, source_empty)"
              " SELECT $1, 1, 0, $2, gen_random_uuid(), $3::int, $4, $5, ");
    source_empty_append(config, &sql);
    buffer_append_text(
        &sql,
        " RETURNING name)"
        "INSERT INTO bitdex_windows (name, tick, generation, s1, s2, sub_id, last_row_id, seq,"
        " digest, offsets, content_digest) SELECT name, 0, 0, '" SNAPSHOT_EMPTY
        "', '" SNAPSHOT_EMPTY "', 0,"
        /* Ids may begin anywhere: those below the first row are no backlog (F07). */
        " coalesce((SELECT min(id) - 1 FROM \"BitdexOps\"),"
        " pg_sequence_last_value(pg_get_serial_sequence('\"BitdexOps\"', 'id')), 0),"
        " array_fill(0::bigint, ARRAY[$3::int]), array_fill($6::bigint, ARRAY[$3::int]),"
        " array_fill(-1::bigint, ARRAY[$3::int]), array_fill($6::bigint, ARRAY[$3::int])"
        " FROM begun");
    struct pg_result *result;
    int rc = pg_query(pg, buffer_string(&sql), 6, params, &result, err);
    buffer_free(&sql);
    if (rc == 0) {
        pg_result_clear(result);
        return 0;
    }
    explain_refusal(pg, config, err);
    return error_wrap(err, rc, "could not create the cursor");
}

/* Runs `sql`, which returns the row of the producer if there is one. */
static int
cursor_query_owner(struct pg *pg, const char *sql, struct cursor_owner *owner, bool *found,
                   struct error *err)
{
    struct pg_result *result;
    CHECK(owner->name != NULL);
    int rc = pg_query(pg, sql, 1, &owner->name, &result, err);
    if (rc != 0)
        return rc;
    *found = pg_rows(result) == 1;
    if (*found) {
        owner->epoch = pg_integer(result, 0, 0);
        owner->generation = pg_integer(result, 0, 1);
        copy_text(owner->topic_id, sizeof owner->topic_id, pg_text(result, 0, 2));
        owner->source_empty = pg_boolean(result, 0, 3);
        copy_text(owner->timeline, sizeof owner->timeline, pg_text(result, 0, 4));
        owner->voided = pg_integer(result, 0, 5);
        owner->voided_sent = pg_integer(result, 0, 6);
        if (owner->epoch < 1 || owner->generation < 0)
            rc = error_set(err, ERR_FATAL,
                           "epoch %" PRId64 " or generation %" PRId64
                           " of producer \"%s\" in bitdex_producers is invalid",
                           owner->epoch, owner->generation, owner->name);
    }
    pg_result_clear(result);
    return rc;
}

int
cursor_find_owner(struct pg *pg, const struct config *config, struct cursor_owner *owner,
                  bool *found, struct error *err)
{
    static const char sql[] = "SELECT epoch, generation, topic_id, source_empty, timeline, voided,"
                              " voided_sent FROM bitdex_producers WHERE name = $1";
    *owner = (struct cursor_owner){.name = config->producer.name, .epoch = 1};
    int rc = cursor_query_owner(pg, sql, owner, found, err);
    CHECK(rc != 0 || *found || (owner->epoch == 1 && owner->generation == 0));
    return rc == 0 ? 0 : error_wrap(err, rc, "could not read the cursor");
}

static int
cursor_next_generation(struct pg *pg, struct cursor_owner *owner, bool *found, struct error *err)
{
    static const char sql[] = "UPDATE bitdex_producers SET generation = generation + 1,"
                              " updated_at = now() WHERE name = $1"
                              " RETURNING epoch, generation, topic_id, source_empty, timeline,"
                              " voided, voided_sent";
    CHECK(owner->name != NULL);
    int rc = cursor_query_owner(pg, sql, owner, found, err);
    if (rc == 0 && *found && owner->generation < 1)
        rc = error_set(err, ERR_FATAL, "generation %" PRId64 " is invalid", owner->generation);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not take over the cursor");
}

int
cursor_take_over(struct pg *pg, const struct config *config, const struct cursor_history *history,
                 struct cursor_owner *owner, struct error *err)
{
    bool taken;
    *owner = (struct cursor_owner){.name = config->producer.name};
    int rc = cursor_next_generation(pg, owner, &taken, err);
    if (rc != 0 || taken)
        return rc;
    rc = cursor_begin(pg, config, history, err);
    if (rc == 0)
        rc = cursor_next_generation(pg, owner, &taken, err);
    if (rc == 0 && !taken)
        rc = error_set(err, ERR_RETRY, "the cursor was removed while it was taken over");
    CHECK(rc != 0 || (owner->epoch >= 1 && owner->generation >= 1));
    return rc;
}

/* Parses an array in the text form of Postgres, "{1,2,3}", with exactly `count` items. */
static bool
parse_integers(const char *text, int64_t *items, int32_t count)
{
    CHECK(count > 0);
    CHECK(text != NULL && items != NULL);
    for (int32_t i = 0; i < count; i++) {
        char *end;
        if (*text++ != (i == 0 ? '{' : ','))
            return false;
        items[i] = strtoll(text, &end, 10);
        if (end == text)
            return false;
        text = end;
    }
    return strcmp(text, "}") == 0;
}

static void
print_integers(const int64_t *items, int32_t count, struct buffer *out)
{
    CHECK(items != NULL && count > 0);
    for (int32_t i = 0; i < count; i++)
        buffer_append_format(out, "%c%" PRId64, i == 0 ? '{' : ',', items[i]);
    buffer_append_text(out, "}");
}

/* What holds for every saved position: checked before it is written and after it is read. */
static bool
window_is_valid(const struct cursor_window *window)
{
    CHECK(window->partitions > 0);
    bool valid = window->tick >= 0 && window->sub_id >= 0 && window->s1.xmin > 0 &&
                 window->s1.xmax <= window->s2.xmax && window->answered.xmin > 0 &&
                 window->answered.xmax <= window->s1.xmax;
    for (int32_t i = 0; valid && i < window->partitions; i++)
        valid = window->seq[i] >= 0 && window->offsets[i] >= -1 &&
                (window->seq[i] > 0 || (window->digest[i] == EVENT_DIGEST_START &&
                                        window->content_digest[i] == EVENT_DIGEST_START));
    return valid;
}

/* Schema version 1 saved no content digest: the chain begins at this position, and consumers, which
 * have read events or marks of version 1, take over its next value. */
static bool
parse_content(const struct pg_result *row, int column, struct cursor_window *window)
{
    CHECK(window->partitions > 0);
    if (!pg_is_null(row, 0, column))
        return parse_integers(pg_text(row, 0, column), (int64_t *)window->content_digest,
                              window->partitions);
    for (int32_t i = 0; i < window->partitions; i++)
        window->content_digest[i] = EVENT_DIGEST_START;
    return true;
}

static int
parse_window(const struct pg_result *row, struct cursor_window *window, struct error *err)
{
    CHECK(pg_rows(row) == 1);
    int rc = snapshot_parse(&window->s1, pg_text(row, 0, 1), err);
    if (rc == 0)
        rc = snapshot_parse(&window->s2, pg_text(row, 0, 2), err);
    if (rc == 0)
        rc = snapshot_parse(&window->answered, pg_text(row, 0, 9), err);
    if (rc != 0)
        return rc;
    window->tick = pg_integer(row, 0, 0);
    window->sub_id = pg_integer(row, 0, 3);
    window->last_row_id = pg_integer(row, 0, 4);
    int32_t count = window->partitions;
    if (!parse_integers(pg_text(row, 0, 5), window->seq, count) ||
        !parse_integers(pg_text(row, 0, 6), (int64_t *)window->digest, count) ||
        !parse_integers(pg_text(row, 0, 7), window->offsets, count) ||
        !parse_content(row, 8, window))
        return error_set(err, ERR_FATAL, "the saved numbers are not those of %d partitions", count);
    if (!window_is_valid(window))
        return error_set(err, ERR_FATAL, "the saved position of window %" PRId64 " is invalid",
                         window->tick);
    return 0;
}

int
cursor_load(struct pg *pg, const struct cursor_owner *owner, struct cursor_window *window,
            struct error *err)
{
    struct pg_result *result;
    CHECK(window->partitions > 0 && window->seq != NULL);
    int rc = pg_query(pg,
                      "SELECT tick, s1, s2, sub_id, last_row_id, seq, digest, offsets,"
                      " content_digest, coalesce(answered, s1) FROM bitdex_windows"
                      " WHERE name = $1 ORDER BY tick DESC, sub_id DESC LIMIT 1",
                      1, &owner->name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the cursor");
    if (pg_rows(result) == 1)
        rc = parse_window(result, window, err);
    else
        rc = error_set(err, ERR_FATAL,
                       "producer \"%s\" has lost its rows in bitdex_windows: open a new epoch with:"
                       " bitdex-producer cursor adopt",
                       owner->name);
    pg_result_clear(result);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not read the cursor");
}

/* Of a window that was saved and whose rows were perhaps sent, there is no number yet. */
int
cursor_read_tick(struct pg *pg, const char *name, int64_t *epoch, int64_t *tick, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg,
                      "SELECT coalesce((SELECT epoch FROM bitdex_producers WHERE name = $1), 0),"
                      " coalesce((SELECT max(tick) FROM bitdex_windows WHERE name = $1), 0)",
                      1, &name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the cursor");
    CHECK(pg_rows(result) == 1);
    *epoch = pg_integer(result, 0, 0);
    *tick = pg_integer(result, 0, 1);
    pg_result_clear(result);
    return 0;
}

int
cursor_find_delivered(struct pg *pg, const struct config *config, bool *delivered,
                      struct error *err)
{
    struct pg_result *result;
    CHECK(config->producer.name != NULL);
    int rc = pg_query(pg,
                      "SELECT p.epoch > 1 OR last_row_id > 0 OR EXISTS (SELECT FROM "
                      "pg_catalog.unnest(seq) AS s WHERE s > 0)"
                      " OR (s2::text <> '" SNAPSHOT_EMPTY "' AND EXISTS (SELECT FROM \"BitdexOps\""
                      " WHERE pg_visible_in_snapshot(txid, s2)))"
                      " FROM bitdex_producers AS p JOIN bitdex_windows USING (name) WHERE name = $1"
                      " ORDER BY tick DESC, sub_id DESC LIMIT 1",
                      1, &config->producer.name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the cursor");
    *delivered = pg_rows(result) > 0 && pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

int
cursor_read_opening(struct pg *pg, const struct cursor_owner *owner, int64_t tick, int64_t *offsets,
                    int32_t partitions, struct error *err)
{
    char text[INTEGER_TEXT_BYTES];
    const char *params[] = {owner->name, text};
    struct pg_result *result;
    CHECK(tick >= 0 && offsets != NULL);
    snprintf(text, sizeof text, "%" PRId64, tick);
    int rc = pg_query(pg,
                      "SELECT offsets FROM bitdex_windows WHERE name = $1 AND tick = $2::bigint"
                      " AND sub_id = 0",
                      2, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the opening of window %" PRId64, tick);
    if (pg_rows(result) != 1 || !parse_integers(pg_text(result, 0, 0), offsets, partitions))
        rc = error_set(err, ERR_FATAL, "the opening of window %" PRId64 " is not saved", tick);
    pg_result_clear(result);
    return rc;
}

int
cursor_write(struct pg *pg, const struct cursor_owner *owner, const char *sql,
             const char *const *more, int count, struct pg_result **written, struct error *err)
{
    char epoch[INTEGER_TEXT_BYTES];
    char generation[INTEGER_TEXT_BYTES];
    const char *params[OWNER_PARAMS + CURSOR_WRITE_PARAMS_MAX] = {owner->name, epoch, generation};
    CHECK(count >= 0 && count <= CURSOR_WRITE_PARAMS_MAX);
    CHECK(owner->epoch >= 1 && owner->generation >= 1);
    snprintf(epoch, sizeof epoch, "%" PRId64, owner->epoch);
    snprintf(generation, sizeof generation, "%" PRId64, owner->generation);
    if (count > 0)
        memcpy(params + OWNER_PARAMS, more, (size_t)count * sizeof *more);
    struct pg_result *result;
    int rc = pg_query(pg, sql, OWNER_PARAMS + count, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    bool owned = pg_integer(result, 0, 0) == 1;
    if (owned && written != NULL)
        *written = result;
    else
        pg_result_clear(result);
    if (!owned)
        return error_set(err, ERR_FATAL,
                         "fenced: another producer named \"%s\" has taken over from generation"
                         " %" PRId64,
                         owner->name, owner->generation);
    return 0;
}

int
cursor_check_owner(struct pg *pg, const struct cursor_owner *owner, struct error *err)
{
    static const char sql[] = "SELECT count(*) FROM bitdex_producers WHERE name = $1"
                              " AND epoch = $2::bigint AND generation = $3::bigint";
    return cursor_write(pg, owner, sql, NULL, 0, NULL, err);
}

bool
cursor_timeline_is_new(const struct cursor_owner *owner, const struct cursor_history *history)
{
    CHECK(history->timeline[0] != '\0');
    CHECK(owner->timeline[0] != '\0' || owner->generation == 0);
    return owner->timeline[0] != '\0' && strcmp(owner->timeline, history->timeline) != 0;
}

int
cursor_is_of_earlier_server(struct pg *pg, const char *name, bool *is, int64_t *now_us,
                            int64_t *saved_us, struct error *err)
{
    static const char sql[] =
        "SELECT updated_at < pg_postmaster_start_time(),"
        " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
        " coalesce((SELECT (extract(epoch FROM saved_at) * 1000000)::bigint FROM bitdex_windows"
        " WHERE name = $1 ORDER BY tick DESC, sub_id DESC LIMIT 1), 0)"
        " FROM bitdex_producers WHERE name = $1";
    struct pg_result *result;
    int rc = pg_query(pg, sql, 1, &name, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not find out when the server was started");
    CHECK(pg_rows(result) == 1);
    *is = pg_boolean(result, 0, 0);
    *now_us = pg_integer(result, 0, 1);
    *saved_us = pg_integer(result, 0, 2);
    pg_result_clear(result);
    return 0;
}

int
cursor_save_timeline(struct pg *pg, struct cursor_owner *owner,
                     const struct cursor_history *history, struct error *err)
{
    static const char sql[] =
        CURSOR_OWNER "UPDATE bitdex_producers p SET timeline = $4, updated_at = now() FROM owner o"
                     " WHERE p.name = o.name" CURSOR_OWNER_END;
    const char *timeline = history->timeline;
    CHECK(cursor_timeline_is_new(owner, history));
    int rc = cursor_write(pg, owner, sql, &timeline, 1, NULL, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not save timeline %s", timeline);
    copy_text(owner->timeline, sizeof owner->timeline, timeline);
    return 0;
}

/* An id that was written explicitly may be above those that the sequence has given: it proves
 * nothing when the next session looks whether the sequence went back. */
int
cursor_save(struct pg *pg, const struct cursor_owner *owner, const struct cursor_window *window,
            struct error *err)
{
    static const char sql[] = CURSOR_OWNER
        "INSERT INTO bitdex_windows (name, generation, tick, sub_id, last_row_id, s1, s2,"
        " answered, seq, digest, offsets, content_digest) SELECT name, $3::bigint, $4::bigint,"
        " $5::bigint, least($6::bigint, pg_sequence_last_value(pg_get_serial_sequence("
        "'\"BitdexOps\"', 'id'))), $7::pg_snapshot, $8::pg_snapshot, $9::pg_snapshot,"
        " $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[] FROM owner" CURSOR_OWNER_END;
    enum { NUMBERS = 3, SNAPSHOTS = 3, ARRAYS = 4, ALL = NUMBERS + SNAPSHOTS + ARRAYS };
    const int64_t numbers[NUMBERS] = {window->tick, window->sub_id, window->last_row_id};
    const int64_t *const arrays[ARRAYS] = {window->seq, (const int64_t *)window->digest,
                                           window->offsets,
                                           (const int64_t *)window->content_digest};
    struct buffer texts[ALL] = {0};
    const char *params[ALL];
    CHECK(window_is_valid(window));
    for (int i = 0; i < NUMBERS; i++)
        buffer_append_format(&texts[i], "%" PRId64, numbers[i]);
    snapshot_print(&window->s1, &texts[NUMBERS]);
    snapshot_print(&window->s2, &texts[NUMBERS + 1]);
    snapshot_print(&window->answered, &texts[NUMBERS + 2]);
    for (int i = 0; i < ARRAYS; i++)
        print_integers(arrays[i], window->partitions, &texts[NUMBERS + SNAPSHOTS + i]);
    for (int i = 0; i < ALL; i++)
        params[i] = buffer_string(&texts[i]);
    int rc = cursor_write(pg, owner, sql, params, ALL, NULL, err);
    for (int i = 0; i < ALL; i++)
        buffer_free(&texts[i]);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not save window %" PRId64, window->tick);
}

int
cursor_save_voided(struct pg *pg, struct cursor_owner *owner, struct error *err)
{
    static const char sql[] =
        CURSOR_OWNER "UPDATE bitdex_producers p SET voided = p.voided + 1, updated_at = now()"
                     " FROM owner o WHERE p.name = o.name RETURNING p.voided)"
                     " SELECT count(*), (SELECT voided FROM written) FROM owner";
    struct pg_result *written;
    int rc = cursor_write(pg, owner, sql, NULL, 0, &written, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not save that fields are voided");
    CHECK(pg_integer(written, 0, 1) == owner->voided + 1);
    owner->voided = pg_integer(written, 0, 1);
    pg_result_clear(written);
    return 0;
}

int
cursor_save_voided_sent(struct pg *pg, struct cursor_owner *owner, struct error *err)
{
    static const char sql[] =
        CURSOR_OWNER "UPDATE bitdex_producers p SET voided_sent = $4::bigint, updated_at = now()"
                     " FROM owner o WHERE p.name = o.name" CURSOR_OWNER_END;
    char number[INTEGER_TEXT_BYTES];
    const char *param = number;
    CHECK(owner->voided >= owner->voided_sent);
    snprintf(number, sizeof number, "%" PRId64, owner->voided);
    int rc = cursor_write(pg, owner, sql, &param, 1, NULL, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not save that voided event %s was sent", number);
    owner->voided_sent = owner->voided;
    return 0;
}

int
cursor_trim(struct pg *pg, const struct cursor_owner *owner, int64_t tick, struct error *err)
{
    static const char sql[] =
        CURSOR_OWNER "DELETE FROM bitdex_windows w USING owner o WHERE w.name = o.name"
                     " AND w.tick < $4::bigint RETURNING 1" CURSOR_OWNER_END;
    char before[INTEGER_TEXT_BYTES];
    const char *param = before;
    CHECK(tick > 0);
    snprintf(before, sizeof before, "%" PRId64, tick - KEEP_TICKS);
    int rc = cursor_write(pg, owner, sql, &param, 1, NULL, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not trim bitdex_windows");
}

static void
print_dead_letters(const struct cursor_dead_letter *letters, uint32_t count, struct buffer *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_array_begin(&writer);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(i == 0 || letters[i].row_id > letters[i - 1].row_id);
        CHECK(letters[i].reason != NULL);
        json_object_begin(&writer);
        json_key(&writer, "id");
        json_integer(&writer, letters[i].row_id);
        json_key(&writer, "reason");
        json_string(&writer, letters[i].reason);
        json_key(&writer, "invalid");
        if (letters[i].invalid_values != NULL)
            json_raw(&writer, text_of(letters[i].invalid_values));
        else
            json_null(&writer);
        json_object_end(&writer);
    }
    json_array_end(&writer);
}

int
cursor_add_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t tick,
                        const struct cursor_dead_letter *letters, uint32_t count, struct error *err)
{
    static const char sql[] = CURSOR_OWNER
        "INSERT INTO bitdex_dead_letters (name, epoch, row_id, tick, generation, entity_id,"
        " ops, created_at, reason, invalid_values) SELECT o.name, $2::bigint, b.id, $4::bigint,"
        " $3::bigint, b.entity_id, CASE WHEN starts_with(r.reason, '" LETTER_DAMAGED
        "') THEN '[]' ELSE b.ops END, b.created_at, r.reason, r.invalid FROM owner o,"
        " jsonb_to_recordset($5::jsonb) AS r(id bigint, reason text, invalid jsonb)"
        " JOIN \"BitdexOps\" b USING (id) ON CONFLICT (name, epoch, row_id, job, place) DO UPDATE"
        " SET tick = EXCLUDED.tick, generation = EXCLUDED.generation, reason = EXCLUDED.reason,"
        " invalid_values = EXCLUDED.invalid_values"
        " WHERE bitdex_dead_letters.invalid_values IS NOT NULL" CURSOR_OWNER_END;
    char tick_text[INTEGER_TEXT_BYTES];
    struct buffer json = {0};
    CHECK(count > 0);
    CHECK(tick >= 0);
    snprintf(tick_text, sizeof tick_text, "%" PRId64, tick);
    print_dead_letters(letters, count, &json);
    const char *params[] = {tick_text, buffer_string(&json)};
    int rc = cursor_write(pg, owner, sql, params, 2, NULL, err);
    buffer_free(&json);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not store %u dead letters", count);
}

int
cursor_list_dead_letters(struct pg *pg, const struct cursor_owner *owner, int64_t after_id,
                         int64_t last_id, struct arena *arena,
                         const struct cursor_dead_letter **letters, uint32_t *count,
                         struct error *err)
{
    char texts[3][INTEGER_TEXT_BYTES];
    const int64_t numbers[3] = {owner->epoch, after_id, last_id};
    for (int i = 0; i < 3; i++)
        snprintf(texts[i], sizeof texts[i], "%" PRId64, numbers[i]);
    const char *params[] = {owner->name, texts[0], texts[1], texts[2]};
    struct pg_result *result;
    CHECK(after_id < last_id);
    CHECK(owner->epoch >= 1);
    int rc = pg_query(pg,
                      "SELECT row_id, reason, invalid_values FROM bitdex_dead_letters"
                      " WHERE name = $1"
                      " AND epoch = $2::bigint AND row_id > $3::bigint AND row_id <= $4::bigint"
                      " AND job = 0"
                      " ORDER BY row_id",
                      4, params, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "could not read the stored dead letters");
    *count = (uint32_t)pg_rows(result);
    struct cursor_dead_letter *found = arena_alloc(arena, (*count + 1) * sizeof *found);
    for (uint32_t i = 0; i < *count; i++) {
        found[i].row_id = pg_integer(result, (int)i, 0);
        found[i].reason = arena_strdup(arena, text_of(pg_text(result, (int)i, 1)));
        found[i].invalid_values = NULL;
        if (!pg_is_null(result, (int)i, 2))
            found[i].invalid_values = arena_strdup(arena, text_of(pg_text(result, (int)i, 2)));
    }
    *letters = found;
    pg_result_clear(result);
    return 0;
}
