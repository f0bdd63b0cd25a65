/* `wal list`: prints one line for each segment. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/files/files.h"
#include "common/json/json_write.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/wal_logs.h"
#include "consumer/wal/wal_scan.h"

enum { FILE_COLUMNS = 32 };

struct wal_list {
    bool json;
    const struct wal_log *log; /* the current one */
    uint32_t problems;
};

/* `problem`: NULL, or the problem of the segment; likewise below. */
static void
wal_list_print(const struct wal_list *list, const struct wal_segment *segment, const char *state,
               const char *problem)
{
    CHECK(strlen(list->log->name) < FILE_COLUMNS);
    CHECK(strrchr(segment->path, '/') != NULL);
    printf("%9d  %s%-*s  %12" PRId64 "  %12" PRId64 "  %9" PRId64 "  %12" PRId64 "  %s%s%s\n",
           list->log->partition, list->log->name, (int)(FILE_COLUMNS - strlen(list->log->name)),
           strrchr(segment->path, '/'), segment->first_offset, segment->next_offset,
           segment->frames, segment->bytes, state, problem != NULL ? ": " : "",
           problem != NULL ? problem : "");
}

static void
wal_list_print_json(const struct wal_list *list, const struct wal_segment *segment,
                    const char *state, const char *problem)
{
    struct buffer line = {0};
    struct json_writer json;
    json_writer_init(&json, &line);
    json_object_begin(&json);
    json_key(&json, "partition");
    json_integer(&json, list->log->partition);
    json_key(&json, "file");
    json_string(&json, segment->path);
    json_key(&json, "first_offset");
    json_integer(&json, segment->first_offset);
    json_key(&json, "next_offset");
    json_integer(&json, segment->next_offset);
    json_key(&json, "frames");
    json_integer(&json, segment->frames);
    json_key(&json, "bytes");
    json_integer(&json, segment->bytes);
    json_key(&json, "whole_bytes");
    json_integer(&json, segment->end_bytes);
    json_key(&json, "state");
    json_string(&json, state);
    if (problem != NULL) {
        json_key(&json, "problem");
        json_string(&json, problem);
    }
    json_object_end(&json);
    puts(buffer_string(&line));
    buffer_free(&line);
}

static int
wal_list_segment(void *context, const struct wal_segment *segment, struct error *err)
{
    const struct wal_list *list = context;
    const char *state = wal_logs_state(list->log, segment);
    (void)err;
    CHECK(segment->frames >= 0);
    CHECK(segment->next_offset >= segment->first_offset);
    CHECK((segment->frames == 0) == (segment->next_offset == segment->first_offset));
    if (list->json)
        wal_list_print_json(list, segment, state, NULL);
    else
        wal_list_print(list, segment, state, NULL);
    return 0;
}

static int
wal_list_problem(void *context, const struct wal_segment *segment, const struct error *problem)
{
    struct wal_list *list = context;
    CHECK(problem->code != 0);
    CHECK(list->log != NULL);
    list->problems++;
    if (list->json)
        wal_list_print_json(list, segment, "problem", problem->message);
    else
        wal_list_print(list, segment, "problem", problem->message);
    return 0;
}

static int
wal_list_log(void *context, const struct wal_log *log, struct error *err)
{
    struct wal_list *list = context;
    const struct wal_visitor visitor = {
        .context = list,
        .segment = wal_list_segment,
        .problem = wal_list_problem,
    };
    const struct wal_place place = {
        .files = files_posix(),
        .directory = log->directory,
        .begin_offset = log->begin_offset,
    };
    CHECK(log->partition >= 0);
    CHECK(log->begin_offset >= 0);
    list->log = log;
    return wal_scan(&place, &visitor, err);
}

int
command_wal_list(const struct cli *cli, struct error *err)
{
    struct wal_list list = {.json = cli->json};
    if (!cli->json)
        printf("%9s  %-*s  %12s  %12s  %9s  %12s  %s\n", "partition", FILE_COLUMNS, "file", "first",
               "next", "frames", "bytes", "state");
    int rc = wal_logs_visit(cli, wal_list_log, &list, err);
    if (rc == 0 && list.problems > 0)
        rc = error_set(err, ERR_FATAL, "problems found: %u", list.problems);
    return rc;
}
