/* What the handlers of the HTTP interface share, and one call of a handler. Handlers run on the
 * threads of the HTTP server, several at once. */
#ifndef CONSUMER_API_API_CONTEXT_H
#define CONSUMER_API_API_CONTEXT_H

#include <semaphore.h>
#include <stdatomic.h>

#include "common/config/config_fields.h"
#include "common/http/server.h"
#include "common/metrics/metrics.h"
#include "consumer/api/api_limits.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/group/assignment.h"
#include "consumer/ingest/http_sources.h"

struct api_ops;

/* Owned by api.c. */
struct api_context {
    const struct config *config;
    struct api_limits limits;
    struct http_server *server;
    struct config_fields fields; /* of the index */
    struct assignment *assignment;
    struct http_sources *sources;
    struct dump_registry *dumps;
    struct api_ops *ops;
    sem_t query_slots; /* consumer.http_threads; further queries wait */
    struct metrics_histogram query_times;
    atomic_ullong refused_queries;
    atomic_ullong timed_out_queries;
    atomic_ullong overload_queries; /* more than consumer.waiting_queries */
    atomic_int waiting_queries;
    atomic_llong main_heartbeat_us; /* of the main thread, on the monotonic clock */
};

/* A request whose route was found; lives until the handler returns. */
struct api_call {
    struct api_context *api;
    const struct http_request *request;
    struct http_response *response;
    struct text id; /* the segment of the path at {id} */
};

#endif
