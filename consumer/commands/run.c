/* `run`. Happy path: lock the data directory, serve HTTP, wait for the topic, join the group, and
 * poll it until a shutdown is requested; then the workers finish their batches. Without Kafka there
 * is nothing to wait for, and the workers start at once.
 *
 * Failure: an impossible configuration ends the program at once. While the broker does not answer
 * or the topic does not exist, the program waits. A worker with a fatal error stops the process.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/daemon_signals.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/config/config_rules.h"
#include "common/files/files.h"
#include "common/kafka/kafka_admin.h"
#include "common/service/reload.h"
#include "common/service/service.h"
#include "consumer/api/api.h"
#include "consumer/commands/commands.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/group/assignment.h"
#include "consumer/group/cursor_table.h"
#include "consumer/group/feed_local.h"
#include "consumer/ingest/ops_topic.h"
#include "consumer/partition/data_dir.h"

enum {
    POLL_MS = 50,
    TOPIC_RETRY_MS = 1000,
};

static const char *const area = "run";

/* Logs `message` unless it is the same as the last one. */
static void
run_log_once(char *last, size_t bytes, const char *message)
{
    CHECK(bytes >= ERROR_MESSAGE_BYTES); /* else a long message never equals its copy */
    if (strcmp(last, message) == 0)
        return;
    log_warn(area, "%s", message);
    snprintf(last, bytes, "%s", message);
}

static int
run_check_topic(struct kafka_admin *admin, const struct config_topic *config, struct error *err)
{
    struct kafka_topic topic;
    CHECK(config->name != NULL);
    CHECK(config->partitions > 0);
    int rc = kafka_admin_describe(admin, config->name, &topic, err);
    if (rc != 0)
        return rc;
    if (!topic.exists)
        return error_set(err, ERR_RETRY, "topic %s does not exist: bitdex-producer init creates it",
                         config->name);
    if (topic.partitions != config->partitions)
        return error_set(err, ERR_USAGE, "topic %s has %d partitions, but topic.partitions is %d",
                         config->name, topic.partitions, config->partitions);
    return 0;
}

/* Waits until the topic exists. */
static int
run_await_topic(const struct config *config, struct api *api, struct error *err)
{
    struct kafka_admin *admin;
    char last[ERROR_MESSAGE_BYTES] = "";
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    for (;;) {
        api_heartbeat(api);
        rc = run_check_topic(admin, &config->topic, err);
        if (rc != ERR_RETRY || shutdown_requested())
            break;
        run_log_once(last, sizeof last, err->message);
        clock_sleep_ms(TOPIC_RETRY_MS);
    }
    kafka_admin_destroy(admin);
    CHECK(rc != ERR_RETRY || shutdown_requested());
    return rc == ERR_RETRY ? 0 : rc;
}

static int
run_poll(struct assignment *assignment, struct api *api, struct error *err)
{
    int rc = 0;
    char last[ERROR_MESSAGE_BYTES] = "";
    while ((rc == 0 || rc == ERR_RETRY) && !shutdown_requested()) {
        api_heartbeat(api);
        rc = assignment_poll(assignment, POLL_MS, err);
        if (rc == ERR_RETRY)
            run_log_once(last, sizeof last, err->message);
    }
    CHECK(shutdown_requested() || (rc != 0 && rc != ERR_RETRY));
    return rc == ERR_RETRY ? 0 : rc;
}

static int
run_group(const struct config *config, struct assignment *assignment, struct api *api,
          struct error *err)
{
    int rc = config->kafka.present ? run_await_topic(config, api, err) : 0;
    if (rc != 0 || shutdown_requested())
        return rc;
    rc = assignment_join(assignment, err);
    if (rc == 0)
        rc = run_poll(assignment, api, err);
    log_info(area, "stopping");
    struct error worker_err = {0};
    int worker_rc = assignment_leave_group(assignment, &worker_err);
    if (worker_rc == 0)
        return rc;
    *err = worker_err;
    return worker_rc;
}

static bool
run_is_healthy(void *context)
{
    return api_is_healthy(context);
}

static void
run_reload(void *context)
{
    reload_config(api_config(context), CONFIG_CONSUMER, api_reload, context);
}

static void
run_report(void *context)
{
    api_log_report(context);
}

static int
run_api(const struct config *config, struct assignment *assignment, struct ops_sink *sink,
        struct error *err)
{
    struct api *api;
    bool grouped = config->kafka.present;
    const struct service_calls calls = {run_is_healthy, run_reload, run_report};
    CHECK(assignment != NULL);
    CHECK(sink != NULL);
    int rc = api_start(config, assignment, sink, &api, err);
    if (rc != 0)
        return rc;
    log_info(area, "index %s, %s%s, listening on port %d", config->index,
             grouped ? "group " : "stand-alone", grouped ? config->consumer.group : "",
             api_port(api));
    struct service *service;
    rc = service_start(&calls, api, &service, err);
    if (rc == 0) {
        rc = run_group(config, assignment, api, err);
        service_stop(service);
    }
    api_stop(api);
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
        rc = run_api(config, assignment, sink, err);
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
    struct assignment *assignment = assignment_create(config, data_dir, local, NULL, dumps);
    int rc = run_api(config, assignment, sink, err);
    assignment_destroy(assignment);
    sink->destroy(sink);
    return rc;
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
    struct data_dir data_dir;
    shutdown_install();
    daemon_signals_install();
    int rc = data_dir_open(files_posix(), config->consumer.data_dir, &data_dir, err);
    if (rc != 0)
        return rc;
    CHECK(data_dir.lock >= 0);
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
