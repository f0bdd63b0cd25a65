/* `dead-letters`: the topic of what could not be applied. Dead letters of the producer are in the
 * table bitdex_dead_letters.
 *
 * A letter is retried by a request: the producer reads the source, and its answer replaces what the
 * index has (common/retry). The rows are inserted in one transaction, each only once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/key_table.h"
#include "common/json/json_write.h"
#include "common/pg/pg.h"
#include "common/retry/retry.h"
#include "consumer/commands/commands.h"
#include "consumer/dead_letter/dead_letter_scan.h"

enum { DEFAULT_LIMIT = 100, LIMIT_MAX = 1000000, TIME_BYTES = 32, NUMBER_BYTES = 24 };

/* PARTITION/OFFSET. */
struct letter_name {
    int32_t partition;
    int64_t offset;
    bool is_found;
};

static int
letters_scan(const struct cli *cli, dead_letter_visit visit, void *context, struct error *err)
{
    const char *group = cli_find_option(cli, "--group");
    if (!cli->config->kafka.present)
        return error_set(err, ERR_USAGE,
                         "a stand-alone index has no dead letters: POST /ops refuses the ops");
    return dead_letter_scan(cli->config, group != NULL ? group : cli->config->consumer.group, visit,
                            context, err);
}

static int
letter_name_read(const char *argument, struct letter_name *name, struct error *err)
{
    char *end;
    long partition = strtol(argument, &end, 10);
    bool is_valid = end != argument && *end == '/' && partition >= 0 && partition <= INT32_MAX;
    if (!is_valid)
        return error_set(err, ERR_USAGE, "\"%s\" is not PARTITION/OFFSET", argument);
    *name = (struct letter_name){.partition = (int32_t)partition};
    return cli_read_number(end + 1, 0, INT64_MAX, &name->offset, err);
}

static bool
letter_has_name(const struct dead_letter_found *letter, const struct letter_name *name)
{
    return letter->partition == name->partition && letter->offset == name->offset;
}

/* --- list ------------------------------------------------------------------------------------- */

struct letter_list {
    bool is_json;
    int64_t left;
    int64_t count;
};

static void
list_print_time(int64_t timestamp_ms)
{
    char text[TIME_BYTES] = "-";
    time_t seconds = timestamp_ms / 1000;
    struct tm parts;
    if (timestamp_ms >= 0 && gmtime_r(&seconds, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    printf("%s  ", text);
}

static int
list_visit(void *context, const struct dead_letter_found *letter, struct error *err)
{
    struct letter_list *list = context;
    (void)err;
    CHECK(list->left > 0);
    list->count++;
    if (list->is_json) {
        printf("%.*s\n", TEXT_ARGS(letter->json));
    } else {
        const struct json_value *entity = json_member(letter->event, "entity_id");
        printf("%d/%" PRId64 "  ", letter->partition, letter->offset);
        list_print_time(letter->timestamp_ms);
        if (entity != NULL && entity->kind == JSON_INTEGER)
            printf("entity %" PRId64 ": ", entity->integer);
        printf("%.*s\n", TEXT_ARGS(letter->reason));
    }
    return --list->left == 0 ? 1 : 0;
}

int
command_dead_letters_list(const struct cli *cli, struct error *err)
{
    struct letter_list list = {.is_json = cli->json, .left = DEFAULT_LIMIT};
    int rc = 0;
    CHECK(cli->argument_count <= 1);
    if (cli->argument_count > 0)
        rc = cli_read_number(cli->arguments[0], 1, LIMIT_MAX, &list.left, err);
    if (rc == 0)
        rc = letters_scan(cli, list_visit, &list, err);
    if (rc == 0 && list.count == 0 && !cli->json)
        printf("no dead letters\n");
    return rc < 0 ? rc : 0;
}

/* --- show ------------------------------------------------------------------------------------- */

struct letter_shown {
    bool is_json;
    struct letter_name name;
};

static void
show_print(const struct dead_letter_found *letter)
{
    struct buffer event = {0};
    struct json_writer json;
    printf("%-10s %d/%" PRId64 "\n%-10s ", "message", letter->partition, letter->offset, "written");
    list_print_time(letter->timestamp_ms);
    printf("\n%-10s %.*s\n", "reason", TEXT_ARGS(letter->reason));
    json_writer_init(&json, &event);
    if (letter->event != NULL)
        json_tree(&json, letter->event);
    else
        json_null(&json);
    printf("%-10s %s\n", "event", buffer_string(&event));
    for (uint32_t i = 0; letter->ops->kind == JSON_ARRAY && i < letter->ops->array.count; i++) {
        buffer_clear(&event);
        json_writer_init(&json, &event);
        json_tree(&json, &letter->ops->array.items[i]);
        printf("%-10s %s\n", "dropped", buffer_string(&event));
        if (i < letter->reasons->array.count)
            printf("%-10s %.*s\n", "", TEXT_ARGS(letter->reasons->array.items[i].string));
    }
    buffer_free(&event);
}

static int
show_visit(void *context, const struct dead_letter_found *letter, struct error *err)
{
    struct letter_shown *shown = context;
    (void)err;
    if (!letter_has_name(letter, &shown->name))
        return 0;
    shown->name.is_found = true;
    if (shown->is_json)
        printf("%.*s\n", TEXT_ARGS(letter->json));
    else
        show_print(letter);
    return 1;
}

int
command_dead_letters_show(const struct cli *cli, struct error *err)
{
    struct letter_shown shown = {.is_json = cli->json};
    CHECK(cli->argument_count == 1);
    int rc = letter_name_read(cli->arguments[0], &shown.name, err);
    if (rc == 0)
        rc = letters_scan(cli, show_visit, &shown, err);
    if (rc == 0 && !shown.name.is_found)
        rc = error_set(err, ERR_FATAL, "%s is not a dead letter of this group", cli->arguments[0]);
    return rc < 0 ? rc : 0;
}

/* --- retry ------------------------------------------------------------------------------------ */

struct letter_retry {
    const struct config *config;
    struct letter_name names[CLI_ARGUMENTS_MAX];
    int name_count;            /* 0: all letters */
    struct pg *pg;             /* in a transaction */
    struct key_table inserted; /* entity and hash of the ops of every row */
    int64_t letters;
    int64_t by_hand; /* letters with something that is not retried */
};

static bool
retry_wants(struct letter_retry *retry, const struct dead_letter_found *letter)
{
    bool wants = retry->name_count == 0;
    for (int i = 0; i < retry->name_count; i++) {
        if (!letter_has_name(letter, &retry->names[i]))
            continue;
        retry->names[i].is_found = true;
        wants = true;
    }
    return wants;
}

static int
retry_insert(struct letter_retry *retry, int64_t entity_id, struct buffer *ops, struct error *err)
{
    const struct key_entry row = {
        .id = entity_id, .word = text_hash((struct text){(const char *)ops->data, ops->bytes})};
    char entity[NUMBER_BYTES];
    struct pg_result *result = NULL;
    CHECK(ops->bytes > 0);
    if (key_table_find(&retry->inserted, &row) != NULL)
        return 0;
    key_table_put(&retry->inserted, &row);
    snprintf(entity, sizeof entity, "%" PRId64, entity_id);
    const char *const params[] = {entity, buffer_string(ops)};
    int rc = pg_query(retry->pg,
                      "INSERT INTO \"BitdexOps\" (entity_id, ops) VALUES ($1::bigint, $2::jsonb)",
                      2, params, &result, err);
    pg_result_clear(result);
    return rc;
}

static void
retry_print_row(struct letter_retry *retry, int64_t entity_id, struct buffer *ops)
{
    struct buffer quoted = {0};
    CHECK(retry->by_hand > 0);
    pg_append_literal(&quoted, buffer_string(ops));
    printf("    INSERT INTO \"BitdexOps\" (entity_id, ops) VALUES (%" PRId64 ", %s);\n", entity_id,
           buffer_string(&quoted));
    buffer_free(&quoted);
}

/* Inserts the rows, or prints them when a person has to correct them. */
static int
retry_take_rows(struct letter_retry *retry, const struct dead_letter_found *letter,
                int64_t entity_id, struct retry *rows, struct error *err)
{
    int rc = 0;
    if (rows->by_hand) {
        retry->by_hand++;
        printf("%d/%" PRId64 ": %s; correct the ops and write them by hand:\n", letter->partition,
               letter->offset, buffer_string(&rows->reason));
    }
    for (int i = 0; rc == 0 && i < RETRY_ROWS; i++) {
        if (rows->rows[i].bytes > 0 && rows->by_hand)
            retry_print_row(retry, entity_id, &rows->rows[i]);
        else if (rows->rows[i].bytes > 0)
            rc = retry_insert(retry, entity_id, &rows->rows[i], err);
    }
    return rc;
}

static struct text
retry_field(const struct json_value *op)
{
    const struct json_value *field = json_member(op, "field");
    return field != NULL && field->kind == JSON_STRING ? field->string : (struct text){NULL, 0};
}

/* Values of a chunk: each of its own entity. */
static int
retry_values(struct letter_retry *retry, const struct dead_letter_found *letter, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < letter->entity_ids->array.count; i++) {
        const struct json_value *entity = &letter->entity_ids->array.items[i];
        bool has_op = letter->ops->kind == JSON_ARRAY && i < letter->ops->array.count;
        struct text field = {NULL, 0};
        struct retry rows;
        if (entity->kind != JSON_INTEGER)
            continue;
        if (has_op)
            field = retry_field(&letter->ops->array.items[i]);
        retry_from_field(retry->config, field, &rows);
        rc = retry_take_rows(retry, letter, entity->integer, &rows, err);
        retry_free(&rows);
    }
    return rc;
}

static void
retry_refuse(struct letter_retry *retry, const struct dead_letter_found *letter, const char *what)
{
    retry->by_hand++;
    printf("%d/%" PRId64 ": cannot be retried: %.*s%s\n", letter->partition, letter->offset,
           TEXT_ARGS(letter->reason), what);
}

static int
retry_visit(void *context, const struct dead_letter_found *letter, struct error *err)
{
    struct letter_retry *retry = context;
    struct retry rows;
    if (!retry_wants(retry, letter))
        return 0;
    retry->letters++;
    if (letter->entity_ids->array.count > 0)
        return retry_values(retry, letter, err);
    if (letter->event == NULL ||
        (letter->ops->kind == JSON_ARRAY && letter->ops->array.count == 0)) {
        retry_refuse(retry, letter, "");
        return 0;
    }
    const struct json_value *entity = json_member(letter->event, "entity_id");
    if (entity == NULL || entity->kind != JSON_INTEGER) {
        retry_refuse(retry, letter, ": it is part of a load: bitdex-producer load");
        return 0;
    }
    retry_from_ops(retry->config, entity->integer, letter->ops, &rows);
    int rc = retry_take_rows(retry, letter, entity->integer, &rows, err);
    retry_free(&rows);
    return rc;
}

static int
retry_read_names(const struct cli *cli, struct letter_retry *retry, struct error *err)
{
    bool all = cli_find_option(cli, "--all") != NULL;
    int rc = 0;
    if (all == (cli->argument_count > 0))
        return error_set(err, ERR_USAGE, "name the letters, or --all");
    if (cli->config->postgres == NULL)
        return error_set(err, ERR_USAGE,
                         "the configuration has no `postgres`, where the requests "
                         "are to be inserted");
    for (int i = 0; rc == 0 && i < cli->argument_count; i++)
        rc = letter_name_read(cli->arguments[i], &retry->names[i], err);
    retry->name_count = cli->argument_count;
    return rc;
}

static int
retry_conclude(const struct cli *cli, const struct letter_retry *retry, struct error *err)
{
    for (int i = 0; i < retry->name_count; i++)
        if (!retry->names[i].is_found)
            return error_set(err, ERR_FATAL, "%s is not a dead letter of this group",
                             cli->arguments[i]);
    printf("%" PRId64 " dead letters: %u refreshes requested\n", retry->letters,
           retry->inserted.count);
    if (retry->by_hand > 0)
        return error_set(err, ERR_FATAL, "%" PRId64 " entries need a person", retry->by_hand);
    return 0;
}

int
command_dead_letters_retry(const struct cli *cli, struct error *err)
{
    struct letter_retry retry = {.config = cli->config, .inserted = {.keyed_by_word = true}};
    int rc = retry_read_names(cli, &retry, err);
    if (rc != 0)
        return rc;
    rc = pg_connect(cli->config->postgres, "bitdex-consumer dead-letters", &retry.pg, err);
    if (rc != 0)
        return rc;
    rc = pg_exec(retry.pg, "BEGIN", err);
    if (rc == 0)
        rc = letters_scan(cli, retry_visit, &retry, err);
    if (rc == 0)
        rc = pg_exec(retry.pg, "COMMIT", err);
    if (rc == 0)
        rc = retry_conclude(cli, &retry, err);
    pg_close(retry.pg);
    key_table_clear(&retry.inserted);
    return rc;
}
