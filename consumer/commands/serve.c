/* Failure: an impossible configuration ends the program at once. While the broker does not answer
 * or the topic does not exist, the program waits. A worker with a fatal error stops the process.
 */
#include "consumer/commands/serve.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/kafka/kafka_admin.h"
#include "common/service/reload.h"
#include "common/service/service.h"

enum {
    POLL_MS = 50,
    TOPIC_RETRY_MS = 1000,
};

static const char *const area = "run";

/* Logs `message` unless it is the same as the last one. */
static void
serve_log_once(char *last, size_t bytes, const char *message)
{
    CHECK(bytes >= ERROR_MESSAGE_BYTES); /* else a long message never equals its copy */
    if (strcmp(last, message) == 0)
        return;
    log_warn(area, "%s", message);
    snprintf(last, bytes, "%s", message);
}

static int
serve_check_topic(struct kafka_admin *admin, const struct config_topic *config, struct error *err)
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
serve_await_topic(const struct config *config, struct api *api, struct error *err)
{
    struct kafka_admin *admin;
    char last[ERROR_MESSAGE_BYTES] = "";
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    for (;;) {
        api_heartbeat(api);
        rc = serve_check_topic(admin, &config->topic, err);
        if (rc != ERR_RETRY || shutdown_requested())
            break;
        serve_log_once(last, sizeof last, err->message);
        clock_sleep_ms(TOPIC_RETRY_MS);
    }
    kafka_admin_destroy(admin);
    CHECK(rc != ERR_RETRY || shutdown_requested());
    return rc == ERR_RETRY ? 0 : rc;
}

static int
serve_poll(struct assignment *assignment, struct api *api, struct error *err)
{
    int rc = 0;
    char last[ERROR_MESSAGE_BYTES] = "";
    while ((rc == 0 || rc == ERR_RETRY) && !shutdown_requested()) {
        api_heartbeat(api);
        rc = assignment_poll(assignment, POLL_MS, err);
        if (rc == ERR_RETRY)
            serve_log_once(last, sizeof last, err->message);
    }
    CHECK(shutdown_requested() || (rc != 0 && rc != ERR_RETRY));
    return rc == ERR_RETRY ? 0 : rc;
}

static int
serve_group(const struct serve_options *options, struct api *api, struct error *err)
{
    struct assignment *assignment = options->assignment;
    int rc = options->awaits_topic ? serve_await_topic(options->config, api, err) : 0;
    if (rc != 0 || shutdown_requested())
        return rc;
    rc = assignment_join(assignment, err);
    if (rc == 0)
        rc = serve_poll(assignment, api, err);
    log_info(area, "stopping");
    struct error worker_err = {0};
    int worker_rc = assignment_leave_group(assignment, &worker_err);
    if (worker_rc == 0)
        return rc;
    *err = worker_err;
    return worker_rc;
}

static bool
serve_is_healthy(void *context)
{
    return api_is_healthy(context);
}

static void
serve_reload(void *context)
{
    reload_config(api_config(context), CONFIG_CONSUMER, api_reload, context);
}

static void
serve_report(void *context)
{
    api_log_report(context);
}

int
serve(const struct serve_options *options, struct error *err)
{
    struct api *api;
    const struct service_calls calls = {serve_is_healthy, serve_reload, serve_report};
    CHECK(options->assignment != NULL);
    CHECK(options->sink != NULL);
    int rc = api_start(options->config, options->assignment, options->sink, &api, err);
    if (rc != 0)
        return rc;
    log_info(area, "%s, listening on port %d", options->what, api_port(api));
    struct service *service;
    rc = service_start(&calls, api, &service, err);
    if (rc == 0) {
        rc = serve_group(options, api, err);
        service_stop(service);
    }
    api_stop(api);
    return rc;
}
