#include "consumer/api/api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/http/route_list.h"
#include "common/http/server.h"
#include "consumer/api/api_context.h"
#include "consumer/api/as_of.h"
#include "consumer/api/checkpoint.h"
#include "consumer/api/cursors.h"
#include "consumer/api/documents.h"
#include "consumer/api/dumps.h"
#include "consumer/api/health.h"
#include "consumer/api/index.h"
#include "consumer/api/metrics.h"
#include "consumer/api/ops.h"
#include "consumer/api/page.h"
#include "consumer/api/partition_status.h"
#include "consumer/api/query.h"
#include "consumer/api/replay.h"
#include "consumer/api/sync_lag.h"
#include "consumer/api/token.h"
#include "consumer/api/verify.h"
#include "consumer/ingest/http_sources.h"

enum {
    CONNECTIONS_MAX = 256, /* seats; consumer.http_threads bounds the queries */
    TIMEOUT_S = 30,
};

struct api {
    struct api_context context;
    pthread_mutex_t token_lock;
    char *token; /* under the lock; NULL: calls that change state are refused */
};

struct route {
    const char *method;
    const char *path; /* {index} is the name of this index, {id} any one segment */
    void (*answer)(struct api_call *call);
    bool needs_token; /* it changes state */
    bool is_reserved; /* answered while all seats of the server are taken */
};

static const struct route routes[] = {
    {"GET", "/", api_answer_page, false, false},
    {"GET", "/metrics", api_answer_metrics, false, false},
    {"GET", "/api/health", api_answer_health, false, true},
    {"GET", "/api/ready", api_answer_ready, false, true},
    {"GET", "/api/internal/sync-lag", api_answer_sync_lag, false, false},
    {"GET", "/api/indexes", api_answer_indexes, false, false},
    {"GET", "/api/indexes/{index}/stats", api_answer_stats, false, false},
    {"GET", "/api/indexes/{index}/entities/{id}", api_answer_entity, false, false},
    {"GET", "/api/indexes/{index}/cursors", api_answer_cursors, false, false},
    {"GET", "/api/indexes/{index}/cursors/{id}", api_answer_cursor, false, false},
    {"GET", "/api/indexes/{index}/verify", api_answer_verify, false, false},
    {"GET", "/api/indexes/{index}/dumps", api_answer_dumps, false, false},
    {"PUT", "/api/indexes/{index}/dumps", api_answer_dump_put, true, false},
    {"POST", "/api/indexes/{index}/dumps/clear", api_answer_dumps_clear, true, false},
    {"POST", "/api/indexes/{index}/dumps/{id}/loaded", api_answer_dump_loaded, true, false},
    {"DELETE", "/api/indexes/{index}/dumps/{id}", api_answer_dump_delete, true, false},
    {"POST", "/api/indexes/{index}/query", api_answer_query, false, false},
    {"POST", "/api/indexes/{index}/documents", api_answer_documents, false, false},
    {"POST", "/api/indexes/{index}/document", api_answer_document, false, false},
    {"GET", "/api/indexes/{index}/documents/{id}", api_answer_document_of, false, false},
    {"POST", "/api/indexes/{index}/ops", api_answer_ops, true, false},
    {"POST", "/api/indexes/{index}/checkpoint", api_answer_checkpoint, true, false},
    {"POST", "/api/indexes/{index}/replay", api_answer_replay, true, false},
};

enum { ROUTES = sizeof routes / sizeof routes[0] };

_Static_assert((int)ROUTES <= (int)HTTP_ROUTES_MAX, "a refusal lists all routes");

/* What the functions below and the law of the token rely on. */
static void
routes_check(void)
{
    for (size_t i = 0; i < ROUTES; i++) {
        CHECK(routes[i].path[0] == '/');
        CHECK(routes[i].answer != NULL);
        CHECK(strcmp(routes[i].method, "GET") != 0 || !routes[i].needs_token);
        CHECK(strcmp(routes[i].method, "GET") == 0 || !routes[i].is_reserved);
    }
}

/* Removes the first segment from `*path` and returns it without its slash. */
static struct text
route_cut(const char **path)
{
    CHECK(**path == '/');
    const char *begin = *path + 1;
    size_t bytes = strcspn(begin, "/");
    *path = begin + bytes;
    CHECK(**path == '/' || **path == '\0');
    return (struct text){begin, bytes};
}

/* `index` and `id` get the segments at their places. */
static bool
route_matches(const char *pattern, const char *path, struct text *index, struct text *id)
{
    while (*pattern == '/' && *path == '/') {
        struct text expected = route_cut(&pattern);
        struct text segment = route_cut(&path);
        if (text_is(expected, "{index}"))
            *index = segment;
        else if (text_is(expected, "{id}"))
            *id = segment;
        else if (!text_equal(expected, segment))
            return false;
    }
    return *pattern == '\0' && *path == '\0';
}

/* False: the call may not change state, and is answered. */
static bool
api_authorize(struct api *api, const struct http_request *request, struct http_response *response)
{
    mutex_lock(&api->token_lock);
    CHECK(api->token == NULL || api->token[0] != '\0');
    bool has_token = api->token != NULL;
    bool matches = http_bearer_matches(request->authorization, api->token);
    mutex_unlock(&api->token_lock);
    if (as_of_us(&api->context) != 0)
        http_respond_error(response, 403,
                           "the index is as of a moment (run --as-of), and does not change");
    else if (!has_token)
        http_respond_error(response, 403,
                           "calls that change state are refused: "
                           "consumer.token_file is not set");
    else if (!matches)
        http_respond_error(response, 401, "this call needs the bearer token");
    return response->status == 200;
}

/* No route has this method and path. `allowed` are the routes of the path. */
static void
api_refuse(const struct http_request *request, const struct http_route *allowed,
           uint32_t allowed_count, struct http_response *response)
{
    struct http_route all[ROUTES];
    for (size_t i = 0; i < ROUTES; i++)
        all[i] = (struct http_route){routes[i].method, routes[i].path};
    if (allowed_count > 0)
        http_respond_wrong_method(response, request->method, allowed, allowed_count);
    else
        http_respond_no_route(response, request->path, all, ROUTES);
}

/* NULL: no route has the method and the path of the request, and it is answered. `index` gets the
 * name in the path; without one, it stays. */
static const struct route *
api_find_route(const struct http_request *request, struct text *index,
               struct http_response *response)
{
    struct http_route allowed[ROUTES];
    uint32_t allowed_count = 0;
    CHECK(request->path[0] == '/');
    for (size_t i = 0; i < ROUTES; i++) {
        struct text id;
        if (!route_matches(routes[i].path, request->path, index, &id))
            continue;
        allowed[allowed_count++] = (struct http_route){routes[i].method, routes[i].path};
        if (strcmp(routes[i].method, request->method) == 0)
            return &routes[i];
    }
    api_refuse(request, allowed, allowed_count, response);
    return NULL;
}

/* Path, method, index and token are judged before the body is taken. */
static enum http_verdict
api_judge(void *context, struct http_request *request, struct http_response *response)
{
    struct api *api = context;
    struct text index = {0};
    const char *name = api->context.config->index;
    const struct route *route = api_find_route(request, &index, response);
    CHECK((route == NULL) == (response->status != 200));
    if (route == NULL)
        return HTTP_REFUSED;
    if (index.data != NULL && !text_is(index, name)) {
        http_respond_error(response, 404, "Index '%.*s' not found", TEXT_ARGS(index));
        return HTTP_REFUSED;
    }
    if (route->needs_token && !api_authorize(api, request, response))
        return HTTP_REFUSED;
    request->route = route;
    return route->is_reserved ? HTTP_RESERVED : HTTP_ACCEPTED;
}

static void
api_handle(void *context, const struct http_request *request, struct http_response *response)
{
    struct api *api = context;
    const struct route *route = request->route;
    struct api_call call = {.api = &api->context, .request = request, .response = response};
    struct text index;
    CHECK(route != NULL); /* api_judge() has set it */
    CHECK(route_matches(route->path, request->path, &index, &call.id));
    CHECK(response->status == 200);
    CHECK(response->body.bytes == 0);
    route->answer(&call);
    CHECK(response->status >= 200 && response->status <= 599);
    CHECK(response->body.bytes > 0 || response->status == 204);
}

static void
api_free(struct api *api)
{
    api_ops_destroy(api->context.ops);
    config_fields_free(&api->context.fields);
    http_sources_destroy(api->context.sources);
    sem_destroy(&api->context.query_slots);
    free(api->token);
    mutex_destroy(&api->token_lock);
    free(api);
}

static int
api_serve(struct api *api, struct error *err)
{
    const struct config_consumer *config = &api->context.config->consumer;
    const struct http_options options = {
        .listen = config->listen,
        .connections_max = CONNECTIONS_MAX,
        .body_bytes_max = (size_t)config->body_bytes,
        .bodies_bytes_max = (size_t)config->bodies_bytes,
        .timeout_s = TIMEOUT_S,
        .judge = api_judge,
    };
    CHECK(api->context.server == NULL);
    CHECK(api->context.ops != NULL);
    int rc = http_server_start(&options, api_handle, api, &api->context.server, err);
    CHECK(rc != 0 || api->context.server != NULL);
    return rc;
}

int
api_start(const struct config *config, struct assignment *assignment, struct ops_sink *sink,
          struct api **api, struct error *err)
{
    struct api *made = memory_zalloc(sizeof *made);
    struct api_context *context = &made->context;
    CHECK(config->topic.partitions > 0);
    CHECK(assignment != NULL);
    CHECK(sink != NULL);
    routes_check();
    context->config = config;
    api_limits_set(&context->limits, &config->consumer);
    mutex_init(&made->token_lock);
    config_fields_init(&context->fields, &config->index_config);
    context->assignment = assignment;
    context->sources = http_sources_create();
    context->dumps = assignment_dumps(assignment);
    CHECK(sem_init(&context->query_slots, 0, (unsigned)config->consumer.http_threads) == 0);
    api_heartbeat(made);
    int rc = api_ops_create(config, sink, context->sources, context->dumps, &context->ops, err);
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
    CHECK(api->context.server != NULL);
    http_server_stop(api->context.server);
    api_free(api);
}

int
api_port(const struct api *api)
{
    CHECK(api->context.server != NULL);
    return http_server_port(api->context.server);
}

const struct config *
api_config(const struct api *api)
{
    CHECK(api->context.config != NULL);
    return api->context.config;
}

int
api_reload(void *context, const struct config *fresh, struct error *err)
{
    struct api *api = context;
    const struct config_consumer *consumer = &fresh->consumer;
    char *token = NULL;
    CHECK(api->context.server != NULL);
    if (consumer->token_file != NULL) {
        int rc = token_read(consumer->token_file, &token, err);
        if (rc != 0)
            return rc;
    }
    mutex_lock(&api->token_lock);
    char *before = api->token;
    api->token = token;
    mutex_unlock(&api->token_lock);
    free(before);
    api_limits_set(&api->context.limits, consumer);
    http_server_set_limits(api->context.server, (size_t)consumer->body_bytes,
                           (size_t)consumer->bodies_bytes);
    return 0;
}

void
api_log_report(struct api *api)
{
    struct http_stats http;
    struct partition_status_list list;
    partition_status_read(&api->context, true, &list);
    http_server_read_stats(api->context.server, &http);
    log_info("status", "%u partitions, %" PRIu64 " HTTP connections, %" PRIu64 " bytes of bodies",
             list.count, http.connections, http.bodies_bytes);
    for (uint32_t i = 0; i < list.count; i++) {
        const struct partition_status *one = &list.items[i];
        CHECK(one->partition >= 0);
        log_info("status",
                 "partition %d: %s%s, %" PRId64 " messages behind, lag %.1f s, %" PRIu64
                 " entities%s%s",
                 one->partition, one->complete ? "complete" : "incomplete: ", one->reason,
                 one->lag_rows, one->lag_s, one->engine.alive_slots,
                 one->shard.error[0] != '\0' ? ", error: " : "", one->shard.error);
    }
    partition_status_free(&list);
}

bool
api_is_healthy(struct api *api)
{
    return health_passes(&api->context);
}

void
api_heartbeat(struct api *api)
{
    int64_t now_us = clock_monotonic_us();
    int64_t before_us = atomic_exchange(&api->context.main_heartbeat_us, now_us);
    CHECK(before_us <= now_us);
}
