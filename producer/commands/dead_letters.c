/* The table bitdex_dead_letters. Dead letters of a consumer are in the topic `<topic>.dead`.
 */
#include "producer/commands/dead_letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/job.h"
#include "producer/source/guards.h"
#include "producer/source/letters.h"
#include "producer/source/source_connection.h"

enum { DEFAULT_LIMIT = 100, LIMIT_MAX = 10000 };

/* $1: the producer; $2: the id after which the list begins; $3: the limit; $4: resolved ones too.
 * Ties are included, so
 * that the next page does not skip an id that has several dead letters. */
#define LIST                                                                                   \
    "SELECT row_id, epoch, tick, entity_id, created_at, rejected_at, reason, job, "            \
    "place, " LETTER_STATE " AS state, invalid_values FROM bitdex_dead_letters d"              \
    " WHERE name = $1"                                                                         \
    " AND row_id > $2::bigint AND ($4::boolean OR NOT " LETTER_IS_RESOLVED ") ORDER BY row_id" \
    " FETCH FIRST ($3::bigint) ROWS WITH TIES"
/* $1: the producer; $2: the id; $3: the job. The newest epoch is shown. */
#define SHOW                                                                                    \
    "SELECT row_id, epoch, tick, generation, entity_id, created_at, rejected_at, "              \
    "reason, " LETTER_STATE " AS state, " LETTER_OPS " AS ops, job, place, invalid_values FROM" \
    " bitdex_dead_letters d WHERE name = $1 AND row_id = $2::bigint"                            \
    " AND job = $3::bigint AND epoch = (SELECT max(epoch) FROM bitdex_dead_letters WHERE"       \
    " name = d.name AND row_id = d.row_id AND job = d.job) ORDER BY place"

static int
query_dead_letters(const struct config *config, const char *sql, int count,
                   const char *const *params, struct pg_result **result, struct error *err)
{
    struct pg *pg;
    CHECK(config->postgres != NULL);
    CHECK(count > 0);
    int rc = source_connect(config->postgres, "bitdex-producer dead-letters", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_own_tables(pg, config, err);
    if (rc == 0)
        rc = pg_query(pg, sql, count, params, result, err);
    pg_close(pg);
    return rc == 0 ? 0 : error_wrap(err, rc, "cannot read the dead letters");
}

static void
print_letter(const struct pg_result *result, int row)
{
    const char *place = pg_text(result, row, 8);
    if (pg_integer(result, row, 7) == 0)
        printf("row %s, entity %s", pg_text(result, row, 0), pg_text(result, row, 3));
    else if (pg_integer(result, row, 7) == JOB_OF_ANSWERS)
        printf("entity %s of an answer (job %lld)%s%s", pg_text(result, row, 3),
               (long long)JOB_OF_ANSWERS, *place != '\0' ? ", " : "", place);
    else
        printf("entity %s of job %s%s%s", pg_text(result, row, 3), pg_text(result, row, 7),
               *place != '\0' ? ", " : "", place);
    const char *state = pg_text(result, row, 9);
    printf(", %s %s%s%s: %s\n", pg_is_null(result, row, 10) ? "rejected" : "values rejected",
           pg_text(result, row, 5), strcmp(state, "open") != 0 ? ", " : "",
           strcmp(state, "open") != 0 ? state : "", pg_text(result, row, 6));
}

static void
print_list(const struct pg_result *result, int64_t limit)
{
    int rows = pg_rows(result);
    CHECK(limit >= 1 && limit <= LIMIT_MAX);
    for (int i = 0; i < rows; i++)
        print_letter(result, i);
    if (rows == 0)
        printf("no dead letters\n");
    else if (rows >= limit)
        printf("next page: bitdex-producer dead-letters list %" PRId64 " %s\n", limit,
               pg_text(result, rows - 1, 0));
}

int
command_dead_letters_list(const struct cli *cli, struct error *err)
{
    int64_t limit = DEFAULT_LIMIT;
    int64_t after = INT64_MIN;
    char limit_text[24];
    char after_text[24];
    int rc = 0;
    CHECK(cli->argument_count <= 2);
    if (cli->argument_count > 0)
        rc = cli_read_number(cli->arguments[0], 1, LIMIT_MAX, &limit, err);
    if (rc == 0 && cli->argument_count > 1)
        rc = cli_read_number(cli->arguments[1], INT64_MIN, INT64_MAX, &after, err);
    if (rc != 0)
        return rc;
    snprintf(limit_text, sizeof limit_text, "%" PRId64, limit);
    snprintf(after_text, sizeof after_text, "%" PRId64, after);
    const char *const params[] = {cli->config->producer.name, after_text, limit_text,
                                  cli_find_option(cli, "--resolved") != NULL ? "true" : "false"};
    struct pg_result *result;
    rc = query_dead_letters(
        cli->config,
        cli->json ? "SELECT coalesce(pg_catalog.json_agg(dead_letter), '[]') FROM (" LIST
                    ") AS dead_letter"
                  : LIST,
        4, params, &result, err);
    if (rc != 0)
        return rc;
    CHECK(!cli->json || pg_rows(result) == 1);
    if (cli->json)
        printf("%s\n", pg_text(result, 0, 0));
    else
        print_list(result, limit);
    pg_result_clear(result);
    return 0;
}

static void
print_dead_letters(const struct pg_result *result)
{
    static const char *const names[] = {
        "row",      "epoch",  "tick",  "generation", "entity", "created",
        "rejected", "reason", "state", "ops",        "job",    "place",
    };
    enum { JOB = 10, INVALID_VALUES = 12 };
    CHECK(pg_rows(result) > 0);
    for (int row = 0; row < pg_rows(result); row++) {
        int columns = pg_integer(result, row, JOB) == 0 ? JOB : JOB + 2;
        printf("%s", row > 0 ? "\n" : "");
        for (int i = 0; i < columns; i++)
            printf("%-12s %s\n", names[i], pg_text(result, row, i));
        if (!pg_is_null(result, row, INVALID_VALUES))
            printf("%-12s %s\n", "invalid", pg_text(result, row, INVALID_VALUES));
    }
}

/* With --json the letter of a row is an object, and those of an entity in a job are a list. */
static int
query_shown(const struct cli *cli, const char *row_id, const char *job, struct pg_result **result,
            struct error *err)
{
    const char *const params[] = {cli->config->producer.name, row_id, job};
    int64_t number;
    int rc = cli_read_number(row_id, INT64_MIN, INT64_MAX, &number, err);
    if (rc == 0)
        rc = cli_read_number(job, JOB_OF_ANSWERS, INT64_MAX, &number, err);
    if (rc != 0)
        return rc;
    const char *sql = SHOW;
    if (cli->json)
        sql = number == 0 ? "SELECT pg_catalog.row_to_json(letter) FROM (" SHOW ") AS letter"
                          : "SELECT pg_catalog.json_agg(letter) FROM (" SHOW ") AS letter"
                            " HAVING count(*) > 0";
    return query_dead_letters(cli->config, sql, 3, params, result, err);
}

int
command_dead_letters_show(const struct cli *cli, struct error *err)
{
    CHECK(cli->argument_count == 1 || cli->argument_count == 2);
    const char *row_id = cli->arguments[0];
    bool has_job = cli->argument_count == 2;
    struct pg_result *result;
    int rc = query_shown(cli, row_id, has_job ? cli->arguments[1] : "0", &result, err);
    if (rc != 0)
        return rc;
    if (pg_rows(result) == 0)
        rc = error_set(err, ERR_FATAL, "%s %s is not a dead letter of producer \"%s\"",
                       has_job ? "entity" : "row", row_id, cli->config->producer.name);
    else if (cli->json)
        printf("%s\n", pg_text(result, 0, 0));
    else
        print_dead_letters(result);
    pg_result_clear(result);
    return rc;
}
