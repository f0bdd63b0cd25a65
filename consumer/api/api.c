#include "consumer/api/api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/api/token.h"

enum {
    CONNECTIONS_MAX = 256, /* each has a thread; consumer.http_threads bounds the queries */
    TIMEOUT_S = 30,
};

struct route {
    const char *method;
    const char *path; /* {index} is this index's name, {id} one segment */
    void (*answer)(struct api_call *call);
    bool changes_state; /* needs the token */
};

static const struct route routes[] = {
    {"GET", "/", api_answer_page, false},
    {"GET", "/metrics", api_answer_metrics, false},
    {"GET", "/api/health", api_answer_health, false},
    {"GET", "/api/ready", api_answer_ready, false},
    {"GET", "/api/internal/sync-lag", api_answer_sync_lag, false},
    {"GET", "/api/indexes", api_answer_indexes, false},
    {"GET", "/api/indexes/{index}/stats", api_answer_stats, false},
    {"GET", "/api/indexes/{index}/entities/{id}", api_answer_entity, false},
    {"POST", "/api/indexes/{index}/query", api_answer_query, false},
    {"POST", "/api/indexes/{index}/ops", api_answer_ops, true},
    {"POST", "/api/indexes/{index}/checkpoint", api_answer_checkpoint, true},
};

enum { ROUTES = sizeof routes / sizeof routes[0] };

/* Cuts the first segment, without its slash, off `*path`. */
static struct text
route_cut(const char **path)
{
    const char *begin = *path + 1;
    size_t bytes = strcspn(begin, "/");
    *path = begin + bytes;
    return (struct text){begin, bytes};
}

/* Walks both paths; `index` and `id` get what stands at their places. */
static bool
route_matches(const char *pattern, const char *path, struct text *index, struct text *id)
{
    while (*pattern == '/' && *path == '/') {
        struct text wanted = route_cut(&pattern);
        struct text segment = route_cut(&path);
        if (text_is(wanted, "{index}"))
            *index = segment;
        else if (text_is(wanted, "{id}"))
            *id = segment;
        else if (!text_equal(wanted, segment))
            return false;
    }
    return *pattern == '\0' && *path == '\0';
}

/* May the call change state? Else it is answered. */
static bool
api_authorize(struct api_call *call)
{
    const char *token = call->api->token;
    if (token == NULL)
        http_respond_error(call->response, 403,
                           "calls that change state are refused: "
                           "consumer.token_file is not set");
    else if (!http_bearer_matches(call->request->authorization, token))
        http_respond_error(call->response, 401, "this call needs the bearer token");
    else
        return true;
    return false;
}

static void
api_handle(void *context, const struct http_request *request, struct http_response *response)
{
    struct api_call call = {.api = context, .request = request, .response = response};
    bool path_known = false;
    for (size_t i = 0; i < ROUTES; i++) {
        struct text index = {0};
        if (!route_matches(routes[i].path, request->path, &index, &call.id))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, request->method) != 0)
            continue;
        if (index.data != NULL && !text_is(index, call.api->config->index))
            http_respond_error(response, 404, "Index '%.*s' not found", TEXT_ARGS(index));
        else if (!routes[i].changes_state || api_authorize(&call))
            routes[i].answer(&call);
        return;
    }
    if (path_known)
        http_respond_error(response, 405, "%s is not for this path", request->method);
    else
        http_respond_error(response, 404, "no such path: see /");
}

static void
api_free(struct api *api)
{
    api_ops_destroy(api->ops);
    http_sources_destroy(api->posters);
    sem_destroy(&api->query_slots);
    free(api->token);
    free(api);
}

static int
api_serve(struct api *api, struct error *err)
{
    const struct config_consumer *config = &api->config->consumer;
    const struct http_options options = {
        .listen = config->listen,
        .connections_max = CONNECTIONS_MAX,
        .body_bytes_max = (size_t)config->body_bytes,
        .timeout_s = TIMEOUT_S,
    };
    return http_server_start(&options, api_handle, api, &api->server, err);
}

int
api_start(const struct config *config, struct assignment *assignment, struct ops_sink *sink,
          struct api **api, struct error *err)
{
    struct api *made = memory_zalloc(sizeof *made);
    made->config = config;
    made->assignment = assignment;
    CHECK(sem_init(&made->query_slots, 0, (unsigned)config->consumer.http_threads) == 0);
    api_beat(made);
    made->posters = http_sources_create();
    int rc = api_ops_create(config, sink, made->posters, &made->ops, err);
    if (rc == 0 && config->consumer.token_file != NULL)
        rc = token_read(config->consumer.token_file, &made->token, err);
    if (rc == 0)
        rc = api_serve(made, err);
    if (rc != 0) {
        api_free(made);
        return rc;
    }
    *api = made;
    return 0;
}

void
api_stop(struct api *api)
{
    if (api == NULL)
        return;
    http_server_stop(api->server);
    api_free(api);
}

int
api_port(const struct api *api)
{
    return http_server_port(api->server);
}

void
api_beat(struct api *api)
{
    atomic_store(&api->main_heartbeat_us, clock_monotonic_us());
}
