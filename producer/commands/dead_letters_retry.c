/* Happy path: the letters are read in pages, each becomes requests (common/retry), and one
 * statement for each letter inserts these and marks it.
 *
 * Failure modes: what cannot be requested is printed with the SQL that a person corrects and runs,
 * and the other letters continue. A failed statement ends the command; the same command then
 * continues with the letters that were not marked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "common/json/json_parse.h"
#include "common/json/json_scan.h"
#include "common/json/json_write.h"
#include "common/ops/op.h"
#include "common/pg/pg.h"
#include "common/retry/retry.h"
#include "producer/commands/dead_letters.h"
#include "producer/load/job.h"
#include "producer/sink/numbering.h"
#include "producer/source/guards.h"
#include "producer/source/letters.h"
#include "producer/source/source_connection.h"

/* A page is small because its rows may be large. */
enum { PAGE_ROWS = 20, OPS_DEPTH = 256, SQL_BYTES_MAX = 16 * 1024, INTEGER_TEXT_BYTES = 24 };

enum { EPOCH, ROW_ID, JOB, PLACE, ENTITY, OPS };

/* $1: the producer; $2 to $5: the key of the last letter; $6: the id, or null for all that were not
 * retried; $7: the job, or null for all; $8: the limit. */
static const char page_sql[] =
    "SELECT epoch, row_id, job, place, entity_id, " LETTER_OPS
    " FROM bitdex_dead_letters d WHERE name = $1"
    " AND (epoch, row_id, job, place) > ($2::bigint, $3::bigint, $4::bigint, $5)"
    " AND CASE WHEN $6::bigint IS NULL THEN retried_txid IS NULL ELSE row_id = $6::bigint"
    " AND NOT " LETTER_IS_RESOLVED " END AND ($7::bigint IS NULL OR job = $7::bigint)"
    " ORDER BY epoch, row_id, job, place LIMIT $8::bigint";

struct retrier {
    const struct cli *cli;
    struct pg *pg;
    uint64_t retried;
    uint64_t refused;
    struct buffer refusals; /* items of a JSON array */
};

/* --- refusals -------------------------------------------------------------------------------- */

static void
append_refusal(struct buffer *out, const struct letter_key *key, const char *reason,
               const char *sql)
{
    struct json_writer json;
    if (out->bytes > 0)
        buffer_append_text(out, ",");
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "row_id");
    json_integer(&json, strtoll(key->row_id, NULL, 10));
    json_key(&json, "job");
    json_integer(&json, strtoll(key->job, NULL, 10));
    json_key(&json, "place");
    json_string(&json, key->place);
    json_key(&json, "reason");
    json_string(&json, reason);
    json_key(&json, "sql");
    if (sql[0] != '\0')
        json_string(&json, sql);
    else
        json_null(&json);
    json_object_end(&json);
}

/* `sql`: "" when a person cannot do anything either. */
static void
refuse(struct retrier *retrier, const struct letter_key *key, const char *reason, const char *sql)
{
    bool is_row = strcmp(key->job, "0") == 0;
    CHECK(reason[0] != '\0');
    retrier->refused++;
    if (retrier->cli->json) {
        append_refusal(&retrier->refusals, key, reason, sql);
        return;
    }
    printf("%s %s%s%s: %s", is_row ? "row" : "entity", key->row_id,
           key->place[0] != '\0' ? ", " : "", key->place, reason);
    if (strlen(sql) > SQL_BYTES_MAX)
        printf("; its ops have to be corrected and written by hand: bitdex-producer dead-letters"
               " show %s\n",
               key->row_id);
    else if (sql[0] != '\0')
        printf("; correct the ops and write them by hand:\n%s", sql);
    else
        printf("\n");
}

/* --- one letter ------------------------------------------------------------------------------ */

static int
write_retry(struct retrier *retrier, const struct letter_key *key, const char *entity_id,
            struct retry *retry, struct error *err)
{
    const struct config_topic *topic = &retrier->cli->config->topic;
    const char *rows[RETRY_ROWS];
    struct buffer sql = {0};
    bool found = true;
    int rc = 0;
    for (int i = 0; i < RETRY_ROWS; i++)
        rows[i] = retry->rows[i].bytes > 0 ? buffer_string(&retry->rows[i]) : NULL;
    if (retry->by_hand) {
        letters_append_retry(key, entity_id, rows, RETRY_ROWS, &sql);
        refuse(retrier, key, buffer_string(&retry->reason), buffer_string(&sql));
        buffer_free(&sql);
    } else if (rows[RETRY_ENTITY] != NULL &&
               !numbering_has_slot(strtoll(entity_id, NULL, 10), topic->partitions,
                                   topic->max_slots)) {
        refuse(retrier, key, "its entity has no slot", "");
    } else {
        rc = letters_retry(retrier->pg, key, entity_id, rows, RETRY_ROWS, &found, err);
        retrier->retried += rc == 0 && found;
    }
    return rc;
}

/* Of ops that cannot be parsed only the route is known. Those of the entity name no field that it
 * does not have, but the parent of a fan-out cannot be found. */
static bool
retry_from_text(const struct config *config, int64_t entity_id, struct text ops,
                struct arena *arena, struct retry *retry)
{
    static const struct json_value entity = {.kind = JSON_NULL};
    const struct json_value *tree = &entity;
    bool is_parsed = json_parse(ops, OPS_DEPTH, arena, &tree, NULL) == 0;
    if (!is_parsed && json_array_has_object_with(ops, "op", op_kind_name(OP_FAN_OUT), NULL))
        return false;
    retry_from_ops(config, entity_id, is_parsed ? tree : &entity, retry);
    return true;
}

static int
retry_letter(struct retrier *retrier, const struct pg_result *page, int row, struct error *err)
{
    const struct config *config = retrier->cli->config;
    const struct letter_key key = {
        .name = config->producer.name,
        .epoch = pg_text(page, row, EPOCH),
        .row_id = pg_text(page, row, ROW_ID),
        .job = pg_text(page, row, JOB),
        .place = pg_text(page, row, PLACE),
    };
    struct arena arena = {0};
    struct retry retry = {0};
    int64_t entity_id = pg_integer(page, row, ENTITY);
    bool is_known = true;
    int rc = 0;
    if (pg_integer(page, row, JOB) != 0 || key.place[0] != '\0')
        retry_from_place(config, entity_id, text_of(key.place), &retry);
    else
        is_known =
            retry_from_text(config, entity_id, text_of(pg_text(page, row, OPS)), &arena, &retry);
    if (is_known)
        rc = write_retry(retrier, &key, pg_text(page, row, ENTITY), &retry, err);
    else
        refuse(retrier, &key, "the parent that its fan-out is about cannot be found in its ops",
               "");
    retry_free(&retry);
    arena_free(&arena);
    return rc;
}

/* --- pages ----------------------------------------------------------------------------------- */

/* Where the next page begins. */
struct place {
    struct buffer key[ENTITY];
};

static void
place_set(struct place *place, const struct pg_result *page, int row)
{
    for (int i = 0; i < ENTITY; i++) {
        buffer_clear(&place->key[i]);
        buffer_append_text(&place->key[i], pg_text(page, row, i));
    }
}

static int
read_page(const struct retrier *retrier, const char *id, struct place *after,
          struct pg_result **page, struct error *err)
{
    static const char *const first[ENTITY] = {"0", "0", "0", ""};
    char limit[INTEGER_TEXT_BYTES];
    const char *params[] = {retrier->cli->config->producer.name,
                            first[EPOCH],
                            first[ROW_ID],
                            first[JOB],
                            first[PLACE],
                            id,
                            cli_find_option(retrier->cli, "--job"),
                            limit};
    snprintf(limit, sizeof limit, "%d", PAGE_ROWS);
    for (int i = 0; after->key[EPOCH].bytes > 0 && i < ENTITY; i++)
        params[1 + i] = buffer_string(&after->key[i]);
    if (id != NULL && params[6] == NULL)
        params[6] = "0";
    return pg_query(retrier->pg, page_sql, 8, params, page, err);
}

/* `id` NULL: all letters that were not retried. */
static int
retry_all(struct retrier *retrier, const char *id, struct error *err)
{
    struct place after = {0};
    struct pg_result *page;
    int rows = PAGE_ROWS;
    int rc = 0;
    while (rc == 0 && rows == PAGE_ROWS) {
        rc = read_page(retrier, id, &after, &page, err);
        if (rc != 0)
            break;
        rows = pg_rows(page);
        for (int i = 0; rc == 0 && i < rows; i++)
            rc = retry_letter(retrier, page, i, err);
        if (rows > 0)
            place_set(&after, page, rows - 1);
        pg_result_clear(page);
    }
    for (int i = 0; i < ENTITY; i++)
        buffer_free(&after.key[i]);
    return rc;
}

static int
retry_id(struct retrier *retrier, const char *id, struct error *err)
{
    const char *job = cli_find_option(retrier->cli, "--job");
    const struct letter_key key = {.row_id = id, .job = job != NULL ? job : "0", .place = ""};
    uint64_t before = retrier->retried + retrier->refused;
    int rc = retry_all(retrier, id, err);
    if (rc == 0 && retrier->retried + retrier->refused == before)
        refuse(retrier, &key, "it is not an open dead letter", "");
    return rc;
}

/* --- the command ----------------------------------------------------------------------------- */

static int
check_arguments(const struct cli *cli, struct error *err)
{
    int64_t number;
    bool all = cli_find_option(cli, "--all") != NULL;
    const char *job = cli_find_option(cli, "--job");
    int rc = 0;
    if (all == (cli->argument_count > 0))
        return error_set(err, ERR_USAGE, "give either the ids of dead letters, or --all");
    for (int i = 0; rc == 0 && i < cli->argument_count; i++)
        rc = cli_read_number(cli->arguments[i], INT64_MIN, INT64_MAX, &number, err);
    if (rc == 0 && job != NULL)
        rc = cli_read_number(job, JOB_OF_ANSWERS, INT64_MAX, &number, err);
    return rc;
}

static int
retry_letters(struct retrier *retrier, struct error *err)
{
    const struct cli *cli = retrier->cli;
    int rc = source_connect(cli->config->postgres, "bitdex-producer dead-letters", NULL,
                            &retrier->pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_own_tables(retrier->pg, cli->config, err);
    if (rc == 0 && cli->argument_count == 0)
        rc = retry_all(retrier, NULL, err);
    for (int i = 0; rc == 0 && i < cli->argument_count; i++)
        rc = retry_id(retrier, cli->arguments[i], err);
    bool is_refused = rc != 0 && strcmp(pg_last_sqlstate(retrier->pg), "42501") == 0;
    pg_close(retrier->pg);
    if (is_refused)
        return error_wrap(err, rc, "the role needs the rights of bitdex_operator (docs/roles.sql)");
    return rc;
}

int
command_dead_letters_retry(const struct cli *cli, struct error *err)
{
    struct retrier retrier = {.cli = cli};
    CHECK(cli->config->postgres != NULL);
    int rc = check_arguments(cli, err);
    if (rc == 0)
        rc = retry_letters(&retrier, err);
    if (rc == 0 && cli->json)
        printf("{\"retried\":%" PRIu64 ",\"refused\":[%s]}\n", retrier.retried,
               buffer_string(&retrier.refusals));
    else if (rc == 0)
        printf("%" PRIu64 " retried, %" PRIu64 " refused\n", retrier.retried, retrier.refused);
    buffer_free(&retrier.refusals);
    if (rc == 0 && retrier.refused > 0)
        rc = error_set(err, ERR_DATA, "%" PRIu64 " dead letters were not retried", retrier.refused);
    return rc;
}
