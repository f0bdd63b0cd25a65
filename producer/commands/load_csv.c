/* Happy path: check that nothing was sent yet and that all files can be opened, take or queue the
 * job of this directory, and work on it as a producer that sends no rows.
 */
#include "producer/commands/load_csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/files/files.h"
#include "common/pg/pg.h"
#include "producer/commands/load_wait.h"
#include "producer/load/csv_source.h"
#include "producer/load/job_queue.h"
#include "producer/source/cursor.h"
#include "producer/source/guards.h"
#include "producer/source/source_connection.h"

enum { BATCH_ENTITIES = 65536, BATCH_ENTITIES_MAX = 1 << 20, EVENT_BYTES_ANY = 1 << 20 };

static int
check_options(const struct cli *cli, struct error *err)
{
    static const char *const others[] = {"--table", "--fields",  "--range",
                                         "--ids",   "--changed", "--no-wait"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (cli_find_option(cli, others[i]) != NULL)
            return error_set(err, ERR_USAGE, "--csv and %s exclude each other", others[i]);
    return 0;
}

static int
read_number(const struct cli *cli, const char *option, int64_t maximum, int64_t otherwise,
            int64_t *number, struct error *err)
{
    const char *text = cli_find_option(cli, option);
    CHECK(otherwise <= maximum);
    *number = otherwise;
    if (text == NULL)
        return 0;
    int rc = cli_read_number(text, 1, maximum, number, err);
    return rc != 0 ? error_wrap(err, rc, "%s", option) : 0;
}

static const char *
sort_directory(const struct config *config)
{
    const char *directory = config->producer.load.sort_dir;
    if (directory == NULL)
        directory = getenv("TMPDIR");
    return directory != NULL && *directory != '\0' ? directory : "/tmp";
}

/* `request->directory` is then the caller's. */
static int
read_request(const struct cli *cli, struct csv_request *request, char **directory,
             struct error *err)
{
    int64_t batch = 0;
    const char *given = cli_find_option(cli, "--csv");
    int rc = check_options(cli, err);
    *request = (struct csv_request){
        .files = files_posix(),
        .sort_directory = sort_directory(cli->config),
        .allows_rejects = cli_find_option(cli, "--allow-rejects") != NULL,
    };
    if (rc == 0)
        rc = read_number(cli, "--limit", INT64_MAX, 0, &request->entity_limit, err);
    if (rc == 0)
        rc = read_number(cli, "--batch", BATCH_ENTITIES_MAX, BATCH_ENTITIES, &batch, err);
    if (rc != 0)
        return rc;
    request->batch_entities = (uint32_t)batch;
    *directory = realpath(given, NULL);
    if (*directory == NULL)
        return error_set_errno(err, ERR_USAGE, "cannot open \"%s\"", given);
    request->directory = *directory;
    return 0;
}

/* All files can be opened. */
static int
check_files(const struct config *config, const struct csv_request *request, struct error *err)
{
    const struct csv_source_options options = {.request = request,
                                               .event_bytes_max = EVENT_BYTES_ANY};
    struct csv_source *source = NULL;
    int rc = csv_source_create(config, &options, &source, err);
    csv_source_destroy(source);
    return rc;
}

/* A producer must neither run nor have sent rows. */
static int
check_cursor(struct pg *pg, const struct config *config, struct error *err)
{
    bool locked = false;
    bool delivered = false;
    int rc = cursor_find_lock(pg, config->producer.name, &locked, err);
    if (rc == 0 && locked)
        return error_set(err, ERR_USAGE,
                         "producer \"%s\" runs: stop it, because CSV files come before everything "
                         "that it sends",
                         config->producer.name);
    if (rc == 0)
        rc = cursor_find_delivered(pg, config, &delivered, err);
    if (rc != 0 || !delivered)
        return rc;
    return error_set(err, ERR_USAGE, CURSOR_DELIVERED_MESSAGE, config->producer.name);
}

static int
queue(const struct config *config, struct csv_request *request, bool *found, struct error *err)
{
    struct pg *pg;
    int rc = source_connect(config->postgres, "bitdex-producer load command", NULL, &pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_all(pg, config, err);
    if (rc == 0)
        rc = check_cursor(pg, config, err);
    if (rc == 0)
        rc = job_queue_csv(pg, config->producer.name, request->directory,
                           "requested by the command load --csv", &request->job, found, err);
    pg_close(pg);
    return rc;
}

static int
load(const struct cli *cli, struct csv_request *request, struct error *err)
{
    struct job_view view;
    bool found = false;
    int rc = check_files(cli->config, request, err);
    if (rc == 0)
        rc = queue(cli->config, request, &found, err);
    if (rc != 0)
        return rc;
    CHECK(request->job > 0);
    if (found)
        fprintf(stderr, "job %" PRId64 " was interrupted, and continues\n", request->job);
    rc = load_wait(cli->config, request, request->job, &view, err);
    return rc == 0 ? load_report(cli, &view, err) : rc;
}

int
load_csv(const struct cli *cli, struct error *err)
{
    struct csv_request request;
    char *directory = NULL;
    int rc = read_request(cli, &request, &directory, err);
    if (rc == 0)
        rc = load(cli, &request, err);
    free(directory);
    return rc;
}
