/* Rows of the outbox that could not be events, as bitdex_dead_letters keeps them. What a consumer
 * could not apply is on the topic `<name>.dead`.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/pg/pg.h"
#include "producer/commands/commands.h"

enum { DEFAULT_LIMIT = 100, LIMIT_MAX = 10000 };

/* $1 is the producer, $2 the row to begin behind, $3 how many; a row of several epochs is not torn
 * apart. */
#define LIST                                                                            \
    "SELECT row_id, epoch, tick, entity_id, created_at, rejected_at, reason"            \
    " FROM bitdex_dead_letters WHERE name = $1 AND row_id > $2::bigint ORDER BY row_id" \
    " FETCH FIRST ($3::bigint) ROWS WITH TIES"
/* $2 is the row; the newest epoch counts. */
#define SHOW                                                                              \
    "SELECT row_id, epoch, tick, generation, entity_id, created_at, rejected_at, reason," \
    " ops FROM bitdex_dead_letters WHERE name = $1 AND row_id = $2::bigint"               \
    " ORDER BY epoch DESC LIMIT 1"

static int
ask(const struct config *config, const char *sql, int count, const char *const *params,
    struct pg_result **result, struct error *err)
{
    struct pg *pg;
    int rc = pg_connect(config->postgres, "bitdex-producer dead-letters", &pg, err);
    if (rc != 0)
        return rc;
    rc = pg_query(pg, sql, count, params, result, err);
    pg_close(pg);
    return rc == 0 ? 0 : error_wrap(err, rc, "could not read dead letters");
}

static void
print_list(const struct pg_result *letters, const char *limit)
{
    int rows = pg_rows(letters);
    for (int i = 0; i < rows; i++)
        printf("row %s, entity %s, rejected %s: %s\n", pg_text(letters, i, 0),
               pg_text(letters, i, 3), pg_text(letters, i, 5), pg_text(letters, i, 6));
    if (rows == 0)
        printf("no dead letters\n");
    else if (rows >= strtoll(limit, NULL, 10))
        printf("the next: dead-letters list %s %s\n", limit, pg_text(letters, rows - 1, 0));
}

int
command_dead_letters_list(const struct cli *cli, struct error *err)
{
    char default_limit[16];
    snprintf(default_limit, sizeof default_limit, "%d", DEFAULT_LIMIT);
    const char *limit = cli->argument_count > 0 ? cli->arguments[0] : default_limit;
    const char *after = cli->argument_count > 1 ? cli->arguments[1] : "-1";
    const char *const params[] = {cli->config->producer.name, after, limit};
    struct pg_result *letters;
    int64_t number;
    int rc = cli_read_number(limit, 1, LIMIT_MAX, &number, err);
    if (rc == 0)
        rc = cli_read_number(after, -1, INT64_MAX, &number, err);
    if (rc == 0)
        rc = ask(cli->config,
                 cli->json ? "SELECT coalesce(json_agg(letter), '[]') FROM (" LIST ") AS letter"
                           : LIST,
                 3, params, &letters, err);
    if (rc != 0)
        return rc;
    if (cli->json)
        printf("%s\n", pg_text(letters, 0, 0));
    else
        print_list(letters, limit);
    pg_result_clear(letters);
    return 0;
}

static void
print_letter(const struct pg_result *letter)
{
    static const char *const names[] = {
        "row", "epoch", "tick", "generation", "entity", "created", "rejected", "reason", "ops",
    };
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        printf("%-12s %s\n", names[i], pg_text(letter, 0, i));
}

int
command_dead_letters_show(const struct cli *cli, struct error *err)
{
    const char *row_id = cli->arguments[0];
    const char *const params[] = {cli->config->producer.name, row_id};
    struct pg_result *letter;
    int64_t number;
    int rc = cli_read_number(row_id, INT64_MIN, INT64_MAX, &number, err);
    if (rc == 0)
        rc = ask(cli->config,
                 cli->json ? "SELECT row_to_json(letter) FROM (" SHOW ") AS letter" : SHOW, 2,
                 params, &letter, err);
    if (rc != 0)
        return rc;
    if (pg_rows(letter) == 0)
        rc = error_set(err, ERR_FATAL, "row %s is no dead letter of producer \"%s\"", row_id,
                       params[0]);
    else if (cli->json)
        printf("%s\n", pg_text(letter, 0, 0));
    else
        print_letter(letter);
    pg_result_clear(letter);
    return rc;
}
