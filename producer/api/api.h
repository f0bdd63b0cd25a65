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

/* An http_handler; `context` is a struct api. Answers 404 to an unknown path and 405 to any method
 * but GET. */
void api_handle(void *context, const struct http_request *request, struct http_response *response);

#endif
