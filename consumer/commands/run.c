/* `run`. Happy path: lock the data directory, serve HTTP, wait for the topic, join the group, and
 * poll it until a shutdown is requested; then the workers finish their batches. Without Kafka there
 * is nothing to wait for, and the workers start at once. With --as-of see as_of.c.
 *
 * Failure: serve.c.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/daemon_signals.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/config/config_rules.h"
#include "common/config/config_wal.h"
#include "common/files/files.h"
#include "consumer/commands/as_of.h"
#include "consumer/commands/commands.h"
#include "consumer/commands/serve.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/group/assignment.h"
#include "consumer/group/cursor_table.h"
#include "consumer/group/feed_local.h"
#include "consumer/ingest/ops_topic.h"
#include "consumer/partition/data_dir.h"

static const char *const area = "run";

static int
run_serve(const struct config *config, struct assignment *assignment, struct ops_sink *sink,
          struct error *err)
{
    bool grouped = config->kafka.present;
    char *what = memory_format("index %s, %s%s", config->index, grouped ? "group " : "stand-alone",
                               grouped ? config->consumer.group : "");
    const struct serve_options options = {config, assignment, sink, what, grouped};
    int rc = serve(&options, err);
    free(what);
    return rc;
}

/* The group works without it; whoever asks the group for its members does not find this one. */
static void
run_check_advertise(const struct config *config)
{
    const char *problem = config_rule_reachable(config->consumer.advertise);
    CHECK(config->kafka.present);
    if (problem != NULL)
        log_warn(area,
                 "the group cannot publish the address of this member: set consumer.advertise; "
                 "consumer.listen is %s, and the address %s",
                 config->consumer.listen, problem);
}

/* The group assigns partitions of the topic to this process. */
static int
run_kafka(const struct config *config, const struct data_dir *data_dir, struct dump_registry *dumps,
          struct error *err)
{
    struct ops_sink *sink;
    struct cursor_table *table;
    run_check_advertise(config);
    int rc = ops_topic_create(config, &sink, err);
    if (rc != 0)
        return rc;
    rc = cursor_table_start(config, &table, err);
    if (rc == 0) {
        CHECK((table != NULL) == (config->postgres != NULL));
        struct assignment *assignment = assignment_create(config, data_dir, NULL, table, dumps);
        rc = run_serve(config, assignment, sink, err);
        assignment_destroy(assignment);
        cursor_table_stop(table);
    }
    sink->destroy(sink);
    return rc;
}

/* This process owns all partitions; POST /ops is their only source. */
static int
run_alone(const struct config *config, const struct data_dir *data_dir, struct dump_registry *dumps,
          struct error *err)
{
    CHECK(!config->kafka.present);
    CHECK(config->topic.partitions > 0);
    struct feed_local *local = feed_local_create(config);
    struct ops_sink *sink = feed_local_sink(local);
    struct assignment *assignment =
        assignment_create(config, data_dir, feed_local_source(local), NULL, dumps);
    int rc = run_serve(config, assignment, sink, err);
    assignment_destroy(assignment);
    sink->destroy(sink);
    return rc;
}

static void
run_check_wal(const struct config_consumer *consumer)
{
    int64_t wanted;
    if (config_wal_is_tight(consumer, &wanted))
        log_warn(area,
                 "a checkpoint is taken after each %" PRId64 " bytes of the log, not %" PRId64
                 " (consumer.checkpoint_bytes): consumer.wal_limit_bytes is below 2 * "
                 "checkpoint_bytes + wal_segment_bytes, %" PRId64,
                 config_wal_checkpoint_bytes(consumer), consumer->checkpoint_bytes, wanted);
}

static int
run_with_dumps(const struct config *config, const struct data_dir *data_dir, struct error *err)
{
    struct dump_registry *dumps;
    bool grouped = config->kafka.present;
    int rc = dump_registry_open(data_dir->files, config->consumer.data_dir,
                                grouped ? config->topic.name : config->index,
                                config->topic.partitions, &dumps, err);
    if (rc != 0)
        return rc;
    rc =
        grouped ? run_kafka(config, data_dir, dumps, err) : run_alone(config, data_dir, dumps, err);
    dump_registry_close(dumps);
    return rc;
}

int
command_run(const struct cli *cli, struct error *err)
{
    const struct config *config = cli->config;
    const char *as_of = cli_find_option(cli, "--as-of");
    const char *listen = cli_find_option(cli, "--listen");
    struct data_dir data_dir;
    shutdown_install();
    daemon_signals_install();
    if (as_of != NULL)
        return as_of_run(config, as_of, listen, err);
    if (listen != NULL)
        return error_set(err, ERR_USAGE, "--listen is an option of --as-of; set consumer.listen");
    int rc = data_dir_open(files_posix(), config->consumer.data_dir, &data_dir, err);
    if (rc != 0)
        return rc;
    CHECK(data_dir.lock >= 0);
    run_check_wal(&config->consumer);
    if (!config->kafka.present)
        rc = data_dir_fix_partitions(&data_dir, config->consumer.data_dir, config->topic.partitions,
                                     err);
    if (rc == 0)
        rc = run_with_dumps(config, &data_dir, err);
    data_dir_close(&data_dir);
    if (rc == 0)
        log_info(area, "stopped");
    return rc;
}
