/* The HTTP interface of the consumer, over the shards that this process owns.
 *
 *     POST /api/indexes/{index}/query          index.h
 *     GET  /api/indexes/{index}/entities/{id}  index.h
 *     POST /api/indexes/{index}/documents      documents.h; also .../document
 *     GET  /api/indexes/{index}/documents/{id} documents.h
 *     GET  /api/indexes/{index}/stats          index.h
 *     GET  /api/indexes/{index}/cursors        cursors.h; also .../cursors/{name}
 *     GET  /api/indexes                        index.h
 *     GET  /api/indexes/{index}/verify         the newest verdict of each range: verify.h
 *     /api/indexes/{index}/dumps               the dump registry: dumps.h
 *     POST /api/indexes/{index}/ops            ops.h, with the bearer token of consumer.token_file
 *     POST /api/indexes/{index}/checkpoint     checkpoint.h, with the bearer token
 *     GET  /api/internal/sync-lag              position and lag of each partition: sync_lag.h
 *     GET  /api/health                         fails for a dead or stuck thread only: health.h
 *     GET  /api/ready                          fails unless all partitions can serve: health.h
 *     GET  /metrics                            Prometheus text: metrics.h
 *     GET  /                                   a page for a browser: page.h
 *
 * A request that changes state goes through `sink` to the log (law L8).
 */
#ifndef CONSUMER_API_API_H
#define CONSUMER_API_API_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/group/assignment.h"
#include "consumer/ingest/ops_sink.h"

struct api;

/* Serves on consumer.listen. `config`, `assignment` and `sink` must outlive the interface. */
int api_start(const struct config *config, struct assignment *assignment, struct ops_sink *sink,
              struct api **api, struct error *err);
/* Waits for the handlers that run. NULL does nothing. */
void api_stop(struct api *api);
int api_port(const struct api *api);

/* Does GET /api/health pass? Any thread. */
bool api_is_healthy(struct api *api);

/* The configuration of api_start(). */
const struct config *api_config(const struct api *api);
/* A reload_apply (reload.h); `context` is the api: the token and the limits of requests. */
int api_reload(void *context, const struct config *fresh, struct error *err);
/* Logs the status: a line for each partition. Any thread. */
void api_log_report(struct api *api);

/* The main thread is alive. It calls this at least every few seconds. */
void api_heartbeat(struct api *api);

#endif
