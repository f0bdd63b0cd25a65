/* Happy path: read the selection, check it against the configuration and the tables, queue a job
 * for it, and wait for the job's end. Whoever works on the job checks the selection again.
 */
#include "producer/commands/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/cli/cli.h"
#include "common/config/config.h"
#include "common/json/json_write.h"
#include "common/pg/pg.h"
#include "producer/commands/jobs.h"
#include "producer/commands/load_changed.h"
#include "producer/commands/load_csv.h"
#include "producer/commands/load_wait.h"
#include "producer/commands/selection.h"
#include "producer/commands/source_session.h"
#include "producer/load/job_queue.h"
#include "producer/load/load_plan.h"
#include "producer/source/source_connection.h"

enum { IDS_MAX = 100 * 1000 };

const struct cli_option load_options[] = {
    {"--table", "T", "only what the triggers of this table set"},
    {"--fields", "A,B,...", "only these fields"},
    {"--range", "BEGIN:END", "only entities from BEGIN on, before END; either may be left out"},
    {"--ids", "N,N,...,@FILE", "only these entities; a file has an id a line"},
    {"--changed", NULL, "leave out what every consumer that can be asked has loaded already"},
    {"--no-wait", NULL, "print the job and leave it to the running producer"},
    {"--csv", "DIR", "the CSV files of dump_phases, before anything is sent"},
    {"--limit", "N", "with --csv: only N entities, as a trial that completes no field"},
    {"--batch", "N", "with --csv: entities of one chunk, by default 65536"},
    {"--allow-rejects", NULL, "with --csv: what is rejected keeps no field incomplete"},
    {0},
};

static int
add_id(const char *text, int64_t *ids, uint32_t *count, struct error *err)
{
    if (*count == IDS_MAX)
        return error_set(err, ERR_USAGE, "--ids takes at most %d ids: load a range instead",
                         IDS_MAX);
    return cli_read_number(text, 0, INT64_MAX - 1, &ids[(*count)++], err);
}

static int
add_ids_of_file(const char *path, int64_t *ids, uint32_t *count, struct error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    int rc = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set_errno(err, ERR_USAGE, "cannot read %s", path);
    while (rc == 0 && getline(&line, &capacity, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0')
            rc = add_id(line, ids, count, err);
    }
    if (rc == 0 && ferror(file))
        rc = error_set_errno(err, ERR_USAGE, "cannot read %s", path);
    else if (rc != 0)
        rc = error_wrap(err, rc, "%s", path);
    free(line);
    fclose(file);
    return rc;
}

static int
compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int
read_ids(const char *list, struct arena *arena, struct load_selection *selection, struct error *err)
{
    int64_t *ids = arena_alloc(arena, IDS_MAX * sizeof *ids);
    uint32_t count = 0;
    int rc = 0;
    for (const char *at = list; rc == 0 && *at != '\0'; at += *at == ',') {
        size_t bytes = strcspn(at, ",");
        const char *item = arena_strdup(arena, (struct text){at, bytes});
        rc = *item == '@' ? add_ids_of_file(item + 1, ids, &count, err)
                          : add_id(item, ids, &count, err);
        at += bytes;
    }
    if (rc != 0)
        return error_wrap(err, rc, "--ids");
    if (count == 0)
        return error_set(err, ERR_USAGE, "--ids names no entity");
    qsort(ids, count, sizeof *ids, compare_ids);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < count; i++)
        if (ids[i] != ids[kept - 1])
            ids[kept++] = ids[i];
    selection->ids = ids;
    selection->id_count = kept;
    return 0;
}

static int
read_selection(const struct cli *cli, struct arena *arena, struct load_selection *selection,
               struct error *err)
{
    const char *range = cli_find_option(cli, "--range");
    const char *ids = cli_find_option(cli, "--ids");
    if (range != NULL && ids != NULL)
        return error_set(err, ERR_USAGE, "--range and --ids exclude each other");
    if (cli_find_option(cli, "--changed") != NULL &&
        (cli_find_option(cli, "--fields") != NULL || range != NULL || ids != NULL))
        return error_set(err, ERR_USAGE,
                         "--changed loads whole sources: not with --fields, --range or --ids");
    int rc = selection_read(cli, arena, selection, err);
    return rc == 0 && ids != NULL ? read_ids(ids, arena, selection, err) : rc;
}

/* A range names no entities of a pass; the operator may have expected its fields. */
static void
report_left_out(const struct load_plan *plan)
{
    struct buffer names = {0};
    if (plan->left_out_count == 0)
        return;
    for (uint32_t i = 0; i < plan->left_out_count; i++)
        buffer_append_format(&names, "%s%.*s", i > 0 ? ", " : "", TEXT_ARGS(plan->left_out[i]));
    fprintf(stderr,
            "not loaded: %s: only the index knows the entities of these fields, so they are loaded"
            " for all entities or not at all\n",
            buffer_string(&names));
    buffer_free(&names);
}

/* Checks the selection, and leaves out what is loaded if that is asked for; `*nothing`: then all of
 * it is. In a session of its own, because making a plan changes settings. */
static int
prepare_selection(const struct cli *cli, struct arena *arena, struct load_selection *selection,
                  bool *nothing, struct error *err)
{
    const struct config *config = cli->config;
    struct load_plan *plan;
    struct pg *pg;
    *nothing = false;
    int rc = source_session_open(config, "bitdex-producer load check", &pg, err);
    if (rc != 0)
        return rc;
    rc = load_plan_create(config, pg, selection, arena, &plan, err);
    pg_close(pg);
    if (rc == 0)
        report_left_out(plan);
    if (rc == 0 && cli_find_option(cli, "--changed") != NULL)
        rc = load_changed_select(config, plan, arena, selection, nothing, err);
    return rc;
}

/* `*job` is 0 when there is nothing to load. */
static int
queue(const struct cli *cli, struct arena *arena, struct load_selection *selection, int64_t *job,
      bool *found, struct error *err)
{
    const struct config *config = cli->config;
    struct pg *pg;
    bool nothing;
    int rc = prepare_selection(cli, arena, selection, &nothing, err);
    if (rc != 0 || nothing)
        return rc;
    rc = source_connect(config->postgres, "bitdex-producer load command", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = job_queue_load(pg, config->producer.name, selection, "requested by the command load", job,
                        found, err);
    pg_close(pg);
    return rc;
}

static void
print_job(const struct cli *cli, int64_t job, bool found)
{
    struct buffer out = {0};
    struct json_writer json;
    if (!cli->json) {
        printf("job %" PRId64 "%s\n", job, found ? ", which was requested before" : "");
        return;
    }
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_key(&json, "id");
    json_integer(&json, job);
    json_key(&json, "found");
    json_boolean(&json, found);
    json_object_end(&json);
    printf("%s\n", buffer_string(&out));
    buffer_free(&out);
}

static void
print_nothing(const struct cli *cli)
{
    printf("%s\n", cli->json ? "[]" : "everything is loaded already");
}

int
command_load(const struct cli *cli, struct error *err)
{
    struct load_selection selection;
    struct arena arena = {0};
    struct job_view view;
    int64_t job = 0;
    bool found = false;
    if (cli->config->log.level == LOG_INFO)
        log_set_level(LOG_WARN); /* the progress of the job says more */
    if (cli_find_option(cli, "--csv") != NULL)
        return load_csv(cli, err);
    int rc = read_selection(cli, &arena, &selection, err);
    if (rc == 0)
        rc = queue(cli, &arena, &selection, &job, &found, err);
    arena_free(&arena);
    if (rc != 0)
        return rc;
    if (job == 0) {
        print_nothing(cli);
        return 0;
    }
    if (cli_find_option(cli, "--no-wait") != NULL) {
        print_job(cli, job, found);
        return 0;
    }
    if (found)
        fprintf(stderr, "job %" PRId64 " was requested before, and is not finished\n", job);
    rc = load_wait(cli->config, NULL, job, &view, err);
    return rc == 0 ? load_report(cli, &view, err) : rc;
}
