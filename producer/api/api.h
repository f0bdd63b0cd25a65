/* What the producer says over HTTP: /api/health, /api/ready, /api/status, /metrics and a page for
 * people. Read only; every answer is made from one copy of the state. Any thread. */
#ifndef PRODUCER_API_API_H
#define PRODUCER_API_API_H

#include "common/config/config.h"
#include "common/http/server.h"
#include "producer/drain/state.h"

struct api {
    const struct config *config;
    struct state *state;
};

/* An http_handler; `context` is a struct api. */
void api_handle(void *context, const struct http_request *request, struct http_response *response);

#endif
