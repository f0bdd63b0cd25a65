#include "producer/commands/run.h"

#include "common/base/check.h"
#include "common/base/daemon_signals.h"
#include "common/base/log.h"
#include "common/base/shutdown.h"
#include "common/config/config.h"
#include "common/http/server.h"
#include "common/service/reload.h"
#include "common/service/service.h"
#include "producer/api/api.h"
#include "producer/drain/drain.h"
#include "producer/drain/status.h"
#include "producer/drain/trimmer.h"
#include "producer/verify/patrol.h"

enum { CONNECTIONS_MAX = 32, BODY_BYTES_MAX = 4096, CLIENT_TIMEOUT_S = 10 };

static bool
run_is_healthy(void *context)
{
    const struct api *api = context;
    struct status_view view;
    CHECK(api->status != NULL);
    status_read(api->status, &view);
    return status_is_healthy(&view);
}

static void
run_reload(void *context)
{
    const struct api *api = context;
    reload_config(api->config, CONFIG_PRODUCER, NULL, NULL);
}

static void
run_report(void *context)
{
    const struct api *api = context;
    api_log_report(api);
}

/* Retention, patrol and drain, until a shutdown is requested. */
static int
run_drain(const struct config *config, struct status *status, struct error *err)
{
    struct trimmer *trimmer;
    struct patrol *patrol;
    int rc = trimmer_start(config, status, &trimmer, err);
    if (rc != 0)
        return rc;
    rc = patrol_start(config, status, &patrol, err);
    if (rc == 0) {
        rc = drain_run(config, NULL, status, err);
        CHECK(rc != 0 || shutdown_requested());
        patrol_stop(patrol);
    }
    trimmer_stop(trimmer);
    return rc;
}

static int
run_with_status(const struct config *config, struct status *status, struct error *err)
{
    struct api api = {config, status};
    struct http_server *server;
    struct service *service;
    const struct service_calls calls = {run_is_healthy, run_reload, run_report};
    CHECK(config->producer.listen != NULL);
    const struct http_options options = {
        .listen = config->producer.listen,
        .connections_max = CONNECTIONS_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .bodies_bytes_max = BODY_BYTES_MAX,
        .timeout_s = CLIENT_TIMEOUT_S,
        .judge = api_judge,
    };
    int rc = http_server_start(&options, api_handle, &api, &server, err);
    if (rc != 0)
        return rc;
    log_info("api", "listening on %s", config->producer.listen);
    rc = service_start(&calls, &api, &service, err);
    if (rc == 0) {
        rc = run_drain(config, status, err);
        service_stop(service);
    }
    if (rc == 0)
        log_info("drain", "stopped");
    status_set_phase(status, STATUS_STOPPED);
    http_server_stop(server);
    return rc;
}

int
command_run(const struct cli *cli, struct error *err)
{
    struct status status;
    shutdown_install();
    daemon_signals_install();
    status_init(&status);
    int rc = run_with_status(cli->config, &status, err);
    status_free(&status);
    return rc;
}
