#include "producer/commands/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/pg/pg.h"
#include "producer/commands/print_json.h"
#include "producer/load/job_queue.h"
#include "producer/source/guards.h"
#include "producer/source/source_connection.h"

enum { LIST_LIMIT = 100 };

/* The jobs as JSON; `job` 0: the newest ones. */
static int
read_jobs(const struct cli *cli, int64_t job, struct buffer *json, struct error *err)
{
    struct pg *pg;
    CHECK(cli->config->postgres != NULL);
    int rc = source_connect(cli->config->postgres, "bitdex-producer jobs", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_own_tables(pg, cli->config, err);
    if (rc == 0)
        rc = job_queue_print(pg, cli->config->producer.name, job, LIST_LIMIT, json, err);
    pg_close(pg);
    return rc;
}

/* Prints `before` and the text, if the member is one. */
static void
print_text_member(const struct json_value *job, const char *before, const char *key)
{
    const struct json_value *value = json_member(job, key);
    if (value != NULL && value->kind == JSON_STRING)
        printf("%s%.*s", before, TEXT_ARGS(value->string));
}

/* Those of verify and check. */
static void
print_ranges(const struct json_value *ranges)
{
    if (ranges == NULL || ranges->kind != JSON_ARRAY)
        return;
    if (ranges->array.count > 2) {
        printf(" of %" PRIu32 " ranges", ranges->array.count / 2);
        return;
    }
    printf(" --range %" PRId64 ":", ranges->array.items[0].integer);
    if (ranges->array.items[1].integer != CHUNK_NO_END)
        printf("%" PRId64, ranges->array.items[1].integer);
}

static void
print_selection(const struct json_value *job)
{
    const struct json_value *fields = json_member(job, "fields");
    const struct json_value *begin = json_member(job, "begin");
    const struct json_value *end = json_member(job, "end");
    const struct json_value *ids = json_member(job, "ids");
    print_text_member(job, " --csv ", "csv");
    print_text_member(job, " --table ", "table");
    for (uint32_t i = 0; fields->kind == JSON_ARRAY && i < fields->array.count; i++)
        printf("%s%.*s", i == 0 ? " --fields " : ",", TEXT_ARGS(fields->array.items[i].string));
    if (begin->kind == JSON_INTEGER || end->kind == JSON_INTEGER) {
        printf(" --range %" PRId64 ":", begin->kind == JSON_INTEGER ? begin->integer : 0);
        if (end->kind == JSON_INTEGER)
            printf("%" PRId64, end->integer);
    }
    print_ranges(json_member(job, "ranges"));
    if (ids->kind == JSON_INTEGER)
        printf(" of %" PRId64 " ids", ids->integer);
}

static void
print_line(const struct json_value *job)
{
    const struct json_value *cancel = json_member(job, "cancel_requested");
    printf("%" PRId64, json_member(job, "id")->integer);
    print_text_member(job, " ", "kind");
    print_selection(job);
    print_text_member(job, ": ", "state");
    if (cancel->boolean && strcmp(json_member(job, "state")->string.data, "running") == 0)
        printf(", will be cancelled");
    printf(", %" PRId64 " rows", json_member(job, "rows")->integer);
    print_text_member(job, ", requested ", "created_at");
    print_text_member(job, ", ended ", "finished_at");
    print_text_member(job, ": ", "error");
    printf("\n");
}

static void
print_lines(const struct json_value *jobs)
{
    CHECK(jobs->kind == JSON_ARRAY);
    for (uint32_t i = 0; i < jobs->array.count; i++)
        print_line(&jobs->array.items[i]);
    if (jobs->array.count == 0)
        printf("no jobs\n");
}

int
command_jobs_list(const struct cli *cli, struct error *err)
{
    struct buffer json = {0};
    struct arena arena = {0};
    const struct json_value *jobs;
    int rc = read_jobs(cli, 0, &json, err);
    struct text text = {(const char *)json.data, json.bytes};
    if (rc == 0 && cli->json)
        printf("%s\n", buffer_string(&json));
    else if (rc == 0 && (rc = json_parse(text, PRINT_JSON_DEPTH, &arena, &jobs, err)) == 0)
        print_lines(jobs);
    arena_free(&arena);
    buffer_free(&json);
    return rc;
}

static void
print_job(const struct json_value *job)
{
    const struct json_value *dumps = json_member(job, "dumps");
    print_json_members(job);
    for (uint32_t i = 0; i < dumps->array.count; i++) {
        printf("\n");
        print_json_members(&dumps->array.items[i]);
    }
}

int
jobs_print(const struct cli *cli, int64_t job, struct error *err)
{
    struct buffer json = {0};
    struct arena arena = {0};
    const struct json_value *jobs;
    CHECK(job > 0);
    int rc = read_jobs(cli, job, &json, err);
    struct text text = {(const char *)json.data, json.bytes};
    if (rc == 0)
        rc = json_parse(text, PRINT_JSON_DEPTH, &arena, &jobs, err);
    if (rc == 0 && jobs->array.count == 0)
        rc = error_set(err, ERR_FATAL, "producer \"%s\" has no job %" PRId64,
                       cli->config->producer.name, job);
    else if (rc == 0 && cli->json) /* the one item of the list */
        printf("%.*s\n", (int)text.bytes - 2, text.data + 1);
    else if (rc == 0)
        print_job(&jobs->array.items[0]);
    arena_free(&arena);
    buffer_free(&json);
    return rc;
}

int
command_jobs_show(const struct cli *cli, struct error *err)
{
    int64_t job;
    CHECK(cli->argument_count == 1);
    int rc = cli_read_number(cli->arguments[0], 1, INT64_MAX, &job, err);
    return rc == 0 ? jobs_print(cli, job, err) : rc;
}

int
command_jobs_cancel(const struct cli *cli, struct error *err)
{
    bool found = false;
    bool ended = false;
    int64_t job;
    struct pg *pg;
    CHECK(cli->argument_count == 1);
    int rc = cli_read_number(cli->arguments[0], 1, INT64_MAX, &job, err);
    if (rc == 0)
        rc = source_connect(cli->config->postgres, "bitdex-producer jobs", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_own_tables(pg, cli->config, err);
    if (rc == 0)
        rc = job_queue_cancel(pg, cli->config->producer.name, job, &found, &ended, err);
    pg_close(pg);
    if (rc == 0 && !found)
        rc = error_set(err, ERR_FATAL, "producer \"%s\" has no unfinished job %" PRId64,
                       cli->config->producer.name, job);
    else if (rc == 0)
        printf("job %" PRId64 " %s\n", job,
               ended ? "is cancelled" : "will be cancelled by the producer that works on it");
    return rc;
}
