/* The consumer's HTTP interface: what it answers, over the shards that this process owns.
 *
 *     POST /api/indexes/{index}/query
 *     POST /api/indexes/{index}/ops            with the bearer token of consumer.token_file
 *     POST /api/indexes/{index}/checkpoint     of every partition, with the token as well
 *     GET  /api/indexes/{index}/entities/{id}
 *     GET  /api/indexes/{index}/stats          GET /api/indexes
 *     GET  /api/internal/sync-lag              position and lag of each partition
 *     GET  /api/health                         fails for a dead or stuck thread only
 *     GET  /api/ready                          fails unless all that is owned is complete and fresh
 *     GET  /metrics                            Prometheus text
 *     GET  /                                   the same for people
 *
 * Handlers run on the server's threads. What changes state goes through `sink` to the log (law
 * L8).
 */
#ifndef CONSUMER_API_API_H
#define CONSUMER_API_API_H

#include "consumer/group/assignment.h"
#include "consumer/ingest/ops_sink.h"

struct api;

/* Serves on consumer.listen. `config`, `assignment` and `sink` must outlive it. */
int api_start(const struct config *config, struct assignment *assignment, struct ops_sink *sink,
              struct api **api, struct error *err);
/* Waits for the handlers that run. NULL is nothing to do. */
void api_stop(struct api *api);
int api_port(const struct api *api);

/* The main thread says that it is alive; at least every few seconds. */
void api_beat(struct api *api);

#endif
