/* The table bitdex_dead_letters. Dead letters of a consumer are in the topic `<topic>.dead`.
 */
#include "producer/commands/dead_letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

enum { DEFAULT_LIMIT = 100, LIMIT_MAX = 10000 };

/* $1: the producer; $2: the row id after which the list begins; $3: the limit. Ties are included,
 * so that the next page does not skip a row that is a dead letter in several epochs. */
#define LIST                                                                            \
    "SELECT row_id, epoch, tick, entity_id, created_at, rejected_at, reason"            \
    " FROM bitdex_dead_letters WHERE name = $1 AND row_id > $2::bigint ORDER BY row_id" \
    " FETCH FIRST ($3::bigint) ROWS WITH TIES"
/* $1: the producer; $2: the row id. The newest epoch is shown. */
#define SHOW                                                                              \
    "SELECT row_id, epoch, tick, generation, entity_id, created_at, rejected_at, reason," \
    " ops FROM bitdex_dead_letters WHERE name = $1 AND row_id = $2::bigint"               \
    " ORDER BY epoch DESC LIMIT 1"

static int
query_dead_letters(const struct config *config, const char *sql, int count,
                   const char *const *params, struct pg_result **result, struct error *err)
{
    struct pg *pg;
    CHECK(config->postgres != NULL);
    CHECK(count > 0);
    int rc = pg_connect(config->postgres, "bitdex-producer dead-letters", &pg, err);
    if (rc != 0)
        return rc;
    rc = pg_query(pg, sql, count, params, result, err);
    pg_close(pg);
    return rc == 0 ? 0 : error_wrap(err, rc, "cannot read the dead letters");
}

static void
print_list(const struct pg_result *result, int64_t limit)
{
    int rows = pg_rows(result);
    CHECK(limit >= 1 && limit <= LIMIT_MAX);
    for (int i = 0; i < rows; i++)
        printf("row %s, entity %s, rejected %s: %s\n", pg_text(result, i, 0), pg_text(result, i, 3),
               pg_text(result, i, 5), pg_text(result, i, 6));
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
    int64_t after = -1;
    char limit_text[24];
    char after_text[24];
    int rc = 0;
    CHECK(cli->argument_count <= 2);
    if (cli->argument_count > 0)
        rc = cli_read_number(cli->arguments[0], 1, LIMIT_MAX, &limit, err);
    if (rc == 0 && cli->argument_count > 1)
        rc = cli_read_number(cli->arguments[1], -1, INT64_MAX, &after, err);
    if (rc != 0)
        return rc;
    snprintf(limit_text, sizeof limit_text, "%" PRId64, limit);
    snprintf(after_text, sizeof after_text, "%" PRId64, after);
    const char *const params[] = {cli->config->producer.name, after_text, limit_text};
    struct pg_result *result;
    rc = query_dead_letters(cli->config,
                            cli->json ? "SELECT coalesce(json_agg(dead_letter), '[]') FROM (" LIST
                                        ") AS dead_letter"
                                      : LIST,
                            3, params, &result, err);
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
print_dead_letter(const struct pg_result *result)
{
    static const char *const names[] = {
        "row", "epoch", "tick", "generation", "entity", "created", "rejected", "reason", "ops",
    };
    CHECK(pg_rows(result) == 1);
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        printf("%-12s %s\n", names[i], pg_text(result, 0, i));
}

int
command_dead_letters_show(const struct cli *cli, struct error *err)
{
    CHECK(cli->argument_count == 1);
    const char *row_id = cli->arguments[0];
    const char *const params[] = {cli->config->producer.name, row_id};
    struct pg_result *result;
    int64_t number;
    int rc = cli_read_number(row_id, INT64_MIN, INT64_MAX, &number, err);
    if (rc == 0)
        rc = query_dead_letters(
            cli->config,
            cli->json ? "SELECT row_to_json(dead_letter) FROM (" SHOW ") AS dead_letter" : SHOW, 2,
            params, &result, err);
    if (rc != 0)
        return rc;
    if (pg_rows(result) == 0)
        rc = error_set(err, ERR_FATAL, "row %s is not a dead letter of producer \"%s\"", row_id,
                       params[0]);
    else if (cli->json)
        printf("%s\n", pg_text(result, 0, 0));
    else
        print_dead_letter(result);
    pg_result_clear(result);
    return rc;
}
