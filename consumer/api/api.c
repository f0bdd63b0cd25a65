#include "consumer/api/api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum {
    CONNECTIONS_MAX = 256, /* each has a thread; consumer.http_threads bounds the queries */
    BODY_BYTES_MAX = 1024 * 1024,
    TIMEOUT_S = 30,
};

struct route {
    const char *method;
    const char *path; /* {index} is this index's name, {id} one segment */
    void (*answer)(struct api_call *call);
};

static const struct route routes[] = {
    {"GET", "/", api_answer_page},
    {"GET", "/metrics", api_answer_metrics},
    {"GET", "/api/health", api_answer_health},
    {"GET", "/api/ready", api_answer_ready},
    {"GET", "/api/internal/sync-lag", api_answer_sync_lag},
    {"GET", "/api/indexes", api_answer_indexes},
    {"GET", "/api/indexes/{index}/stats", api_answer_stats},
    {"GET", "/api/indexes/{index}/entities/{id}", api_answer_entity},
    {"POST", "/api/indexes/{index}/query", api_answer_query},
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
        else
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
    sem_destroy(&api->query_slots);
    free(api);
}

int
api_start(const struct config *config, struct assignment *assignment, struct api **api,
          struct error *err)
{
    struct api *made = memory_zalloc(sizeof *made);
    made->config = config;
    made->assignment = assignment;
    CHECK(sem_init(&made->query_slots, 0, (unsigned)config->consumer.http_threads) == 0);
    api_beat(made);
    const struct http_options options = {
        .listen = config->consumer.listen,
        .connections_max = CONNECTIONS_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .timeout_s = TIMEOUT_S,
    };
    int rc = http_server_start(&options, api_handle, made, &made->server, err);
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
