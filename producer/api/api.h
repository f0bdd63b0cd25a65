/* The producer's HTTP interface: /api/health, /api/ready, /api/status, /metrics, and a text page at
 * "/". It is read-only. Each answer is rendered from one copy of the status, so that its numbers
 * belong together. Any thread.
 */
#ifndef PRODUCER_API_API_H
#define PRODUCER_API_API_H

#include "common/config/config.h"
#include "common/http/server.h"
#include "producer/drain/status.h"

/* Both are the caller's, and live until the server has stopped. */
struct api {
    const struct config *config;
    struct status *status;
};

/* Logs the status in a line. */
void api_log_report(const struct api *api);

/* An http_judge; `context` is a struct api. Refuses an unknown path with 404 and any method but GET
 * with 405. */
enum http_verdict api_judge(void *context, struct http_request *request,
                            struct http_response *response);
/* An http_handler, after api_judge(). */
void api_handle(void *context, const struct http_request *request, struct http_response *response);

#endif
