/* Happy path: find the moment in the topic, freeze the files of all partitions, and serve what the
 * ordinary workers make of them; to them, the frozen files are a data directory of their own. No
 * group is joined, nothing is committed, and no file of the data directory is written, locked or
 * created.
 *
 * Failure: a moment that nothing reaches back to, or of which nothing is known yet, is refused. A
 * broker that does not answer ends the program.
 */
#include "consumer/commands/as_of.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rfc3339.h"
#include "consumer/commands/serve.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/group/feed_as_of.h"
#include "consumer/partition/data_dir.h"

/* Files stay open as long as the index is served. */
static void
as_of_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The sink of calls that are refused before they get here. */
static int
as_of_store(struct ops_sink *sink, const struct ops_post *post, struct error *err)
{
    (void)sink;
    (void)post;
    return error_set(err, ERR_DATA, "the index is as of a moment, and does not change");
}

static int
as_of_serve(const struct config *config, const struct data_dir *data_dir,
            struct feed_source *source, struct error *err)
{
    struct ops_sink sink = {.store = as_of_store};
    struct dump_registry *dumps;
    char moment[CLOCK_TEXT_BYTES];
    int rc = dump_registry_open(data_dir->files, config->consumer.data_dir, config->topic.name,
                                config->topic.partitions, &dumps, err);
    if (rc != 0)
        return rc;
    clock_format_utc(source->as_of_us, moment, sizeof moment);
    char *what = memory_format("index %s as of %s", config->index, moment);
    struct assignment *assignment = assignment_create(config, data_dir, source, NULL, dumps);
    const struct serve_options options = {config, assignment, &sink, what, false};
    rc = serve(&options, err);
    assignment_destroy(assignment);
    free(what);
    dump_registry_close(dumps);
    return rc;
}

static int
as_of_open(const struct config *config, int64_t moment_us, struct frozen_files *frozen,
           struct error *err)
{
    struct feed_as_of *feeds;
    struct data_dir data_dir;
    int rc = feed_as_of_create(config, moment_us, frozen, &feeds, err);
    if (rc != 0)
        return rc;
    rc = data_dir_open(frozen_files_vtable(frozen), config->consumer.data_dir, &data_dir, err);
    if (rc == 0) {
        rc = as_of_serve(config, &data_dir, feed_as_of_source(feeds), err);
        data_dir_close(&data_dir);
    }
    feed_as_of_destroy(feeds);
    return rc;
}

/* HOST:0 of HOST:PORT. */
static char *
as_of_free_port(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    CHECK(colon != NULL);
    return memory_format("%.*s:0", (int)(colon - listen), listen);
}

int
as_of_run(const struct config *config, const char *moment, const char *listen, struct error *err)
{
    int64_t moment_us;
    if (!config->kafka.present)
        return error_set(err, ERR_USAGE,
                         "--as-of needs a topic with watermarks: an index without "
                         "Kafka has no clock of a source");
    if (!rfc3339_parse(moment, &moment_us) || moment_us == 0)
        return error_set(err, ERR_USAGE,
                         "--as-of %s: not a moment by RFC 3339, for example "
                         "2026-11-30T14:00:00Z",
                         moment);
    as_of_raise_file_limit();
    char *free_port = as_of_free_port(config->consumer.listen);
    struct config frozen_config = *config; /* its log is never full, and takes no checkpoint */
    frozen_config.consumer.listen = listen != NULL ? listen : free_port;
    frozen_config.consumer.wal_limit_bytes = INT64_MAX;
    frozen_config.consumer.checkpoint_bytes = INT64_MAX;
    frozen_config.consumer.ready_requires_verified_s = 0; /* by the present clock */
    struct frozen_files *frozen = frozen_files_create(files_posix());
    int rc = as_of_open(&frozen_config, moment_us, frozen, err);
    frozen_files_destroy(frozen);
    free(free_port);
    return rc;
}
