/* What the handlers share: the routes, and a look at the partitions as one value. */
#ifndef CONSUMER_API_API_INTERNAL_H
#define CONSUMER_API_API_INTERNAL_H

#include <semaphore.h>
#include <stdatomic.h>

#include "common/http/server.h"
#include "common/json/json.h"
#include "consumer/api/api.h"
#include "consumer/ingest/http_sources.h"

struct api {
    const struct config *config;
    struct assignment *assignment;
    struct http_server *server;
    sem_t query_slots; /* queries beyond consumer.http_threads wait */
    struct metrics_histogram query_times;
    atomic_ullong failed_queries; /* refused */
    atomic_ullong late_queries;   /* stopped by the time limit */
    atomic_llong main_heartbeat_us;
    char *token; /* NULL: calls that change state are refused */
    struct http_sources *posters;
    struct api_ops *ops;
};

/* One request that found its route. */
struct api_call {
    struct api *api;
    const struct http_request *request;
    struct http_response *response;
    struct text id; /* what stands at {id} */
};

/* A partition that this process owns, at one moment. */
struct partition_status {
    int32_t partition;
    struct shard_status status;
    struct engine_stats engine; /* when asked for */
    struct feed_bounds bounds;
    int64_t mirrored_offset; /* that bitdex_cursors has; -1: none */
    int64_t lag_rows;        /* messages that are not applied yet; -1: not known */
    double lag_s;            /* age of the last watermark; negative: none yet */
    int64_t silent_us;       /* since the worker last came by */
    bool complete;
    char reason[ERROR_MESSAGE_BYTES]; /* why not */
};

struct partition_status_list {
    struct partition_status *items; /* by partition */
    uint32_t count;
    char trouble[ERROR_MESSAGE_BYTES]; /* what the client says about its brokers; "" */
    char cursor_table_error[ERROR_MESSAGE_BYTES];
};

/* The numbers of the engine wait for a batch that is being applied; the rest waits for nobody. */
void partition_status_read(struct api *api, bool with_engine, struct partition_status_list *looks);
void partition_status_free(struct partition_status_list *looks);

/* A source of ops. What is negative is not known. */
struct source_status {
    const char *name;
    int64_t cursor;     /* every row that was sent up to this id is applied */
    int64_t max_row_id; /* greatest id in the outbox */
    int64_t lag_rows;   /* not sent yet, or not applied yet */
    int64_t ops;
    int64_t wal_bytes;
};

/* The topic's numbered source, summed up over what is owned, if it is known; then those who post,
 * as they say. */
struct source_status_list {
    bool has_numbered; /* it is the first */
    struct source_status items[1 + HTTP_SOURCES_MAX];
    uint32_t count;
    struct http_source posters[HTTP_SOURCES_MAX]; /* what names point to */
};

void partition_status_sources(struct api *api, const struct partition_status_list *looks,
                              struct source_status_list *sources);

/* Names each thread that has not come by for a minute, the main one (silent for so long) first.
 * Returns whether there is none. */
bool health_list_stuck(const struct partition_status_list *looks, int64_t main_silent_us,
                       struct json_writer *json);

/* --- handlers -------------------------------------------------------------------------------- */

void api_answer_health(struct api_call *call);
void api_answer_ready(struct api_call *call);
void api_answer_page(struct api_call *call);
void api_answer_sync_lag(struct api_call *call);
void api_answer_metrics(struct api_call *call);
void api_answer_indexes(struct api_call *call);
void api_answer_stats(struct api_call *call);
void api_answer_query(struct api_call *call);
void api_answer_entity(struct api_call *call);
void api_answer_ops(struct api_call *call);
void api_answer_checkpoint(struct api_call *call);

/* What POST /ops needs. */
int api_ops_create(const struct config *config, struct ops_sink *sink, struct http_sources *posters,
                   struct api_ops **ops, struct error *err);
/* NULL is nothing to do. Nobody may be answering. */
void api_ops_destroy(struct api_ops *ops);

#endif
