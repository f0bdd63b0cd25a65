/* `status`: prints /api/internal/sync-lag as a table, or as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/consumer_client.h"

enum { ANSWER_DEPTH = 8 };

/* "-": not known. */
static const char *
status_number(const struct json_value *object, const char *key, char *out, size_t bytes)
{
    const struct json_value *value = json_member(object, key);
    CHECK(bytes >= 21); /* an int64_t */
    snprintf(out, bytes, "-");
    if (value != NULL && value->kind == JSON_INTEGER)
        snprintf(out, bytes, "%" PRId64, value->integer);
    else if (value != NULL && value->kind == JSON_FLOAT)
        snprintf(out, bytes, "%.1f s", value->real);
    return out;
}

static const char *
status_text(const struct json_value *object, const char *key)
{
    const struct json_value *value = json_member(object, key);
    return value != NULL && value->kind == JSON_STRING ? value->string.data : "";
}

/* A line below the partition; nothing for a count of 0. */
static void
status_print_count(const struct json_value *row, const char *key, const char *what)
{
    const struct json_value *count = json_member(row, key);
    if (count != NULL && count->kind == JSON_INTEGER && count->integer > 0)
        printf("%9s  %" PRId64 " %s\n", "", count->integer, what);
}

/* A line below the partition: how far a rebuild is, and why it does not continue. */
static void
status_print_replay(const struct json_value *row)
{
    const struct json_value *offset = json_member(row, "rebuild_offset");
    const char *note = status_text(row, "replay");
    char high[24];
    if (offset != NULL && offset->kind == JSON_INTEGER)
        printf("%9s  rebuilt up to offset %" PRId64 " of %s\n", "", offset->integer,
               status_number(row, "high_offset", high, sizeof high));
    if (note[0] != '\0')
        printf("%9s  %s\n", "", note);
}

static void
status_print_partition(const struct json_value *row)
{
    char partition[24], offset[24], seq[24], rows[24], age[24];
    const char *reason = status_text(row, "reason");
    const char *error = status_text(row, "error");
    const char *shown = strcmp(error, reason) != 0 ? error : "";
    printf("%9s  %-10s  %12s  %12s  %9s  %9s  %s%s%s\n",
           status_number(row, "partition", partition, sizeof partition), status_text(row, "state"),
           status_number(row, "offset", offset, sizeof offset),
           status_number(row, "seq", seq, sizeof seq),
           status_number(row, "lag_rows", rows, sizeof rows),
           status_number(row, "lag_seconds", age, sizeof age), reason[0] != '\0' ? reason : "yes",
           shown[0] != '\0' ? "; " : "", shown);
    status_print_replay(row);
    status_print_count(row, "owed_refreshes", "refreshes wait for the producer's answers");
    status_print_count(row, "verify_ranges_differing",
                       "ranges differ from the source: bitdex-producer verify --repair");
    status_print_count(row, "dead_letters_open",
                       "values could not be applied: bitdex-consumer dead-letters list");
}

static void
status_print_field(const struct json_value *field)
{
    const struct json_value *partitions = json_member(field, "partitions");
    printf("\nincomplete field %s, partition", status_text(field, "field"));
    for (uint32_t i = 0; partitions != NULL && i < partitions->array.count; i++)
        printf("%s %lld", i > 0 ? "," : "", (long long)partitions->array.items[i].integer);
    printf(":\n    %s\n", status_text(field, "reason"));
}

static void
status_print_source(const struct json_value *source)
{
    char cursor[24], max_id[24], rows[24];
    printf("source %s: row %s of %s, %s rows behind\n\n", status_text(source, "source"),
           status_number(source, "cursor", cursor, sizeof cursor),
           status_number(source, "max_id", max_id, sizeof max_id),
           status_number(source, "lag_rows", rows, sizeof rows));
}

static void
status_print_error(const char *where, const char *error)
{
    if (error[0] != '\0')
        printf("%s: %s\n\n", where, error);
}

/* NULL unless the member is a list. */
static const struct json_value *
status_list(const struct json_value *root, const char *key)
{
    const struct json_value *list = json_member(root, key);
    return list != NULL && list->kind == JSON_ARRAY ? list : NULL;
}

static int
status_print(struct text answer, struct error *err)
{
    struct arena arena;
    const struct json_value *root;
    arena_init(&arena);
    int rc = json_parse(answer, ANSWER_DEPTH, &arena, &root, err);
    const struct json_value *sources = rc == 0 ? status_list(root, "sources") : NULL;
    const struct json_value *partitions = rc == 0 ? status_list(root, "partitions") : NULL;
    const struct json_value *fields = rc == 0 ? status_list(root, "incomplete_fields") : NULL;
    if (rc == 0 && (sources == NULL || partitions == NULL || fields == NULL))
        rc = error_set(err, ERR_DATA, "the answer is not from a bitdex-consumer");
    if (rc == 0) {
        status_print_error("Kafka", status_text(root, "broker_error"));
        status_print_error("bitdex_cursors", status_text(root, "cursor_table_error"));
        for (uint32_t i = 0; i < sources->array.count; i++)
            status_print_source(&sources->array.items[i]);
        printf("%9s  %-10s  %12s  %12s  %9s  %9s  %s\n", "partition", "state", "offset", "seq",
               "lag", "age", "complete");
        for (uint32_t i = 0; i < partitions->array.count; i++)
            status_print_partition(&partitions->array.items[i]);
        for (uint32_t i = 0; i < fields->array.count; i++)
            status_print_field(&fields->array.items[i]);
    }
    arena_free(&arena);
    return rc;
}

int
command_status(const struct cli *cli, struct error *err)
{
    struct buffer answer;
    CHECK(cli->argument_count == 0);
    buffer_init(&answer);
    int rc = consumer_client_call(cli->config, "/api/internal/sync-lag", NULL, &answer, err);
    if (rc == 0 && cli->json)
        puts(buffer_string(&answer));
    else if (rc == 0)
        rc = status_print((struct text){(const char *)answer.data, answer.bytes}, err);
    buffer_free(&answer);
    return rc;
}
