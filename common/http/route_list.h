/* The routes of a server, and the refusals that name them: 404 with the closest routes and all of
 * them, 405 with the methods that the path takes. Pure; any thread.
 *
 *     {"error":"no such path /api/indexes/shop/qeury; closest: ...",
 *      "closest":["POST /api/indexes/{index}/query"],"routes":["GET /", ...]}
 */
#ifndef COMMON_HTTP_ROUTE_LIST_H
#define COMMON_HTTP_ROUTE_LIST_H

#include "common/http/server.h"

enum { HTTP_ROUTES_MAX = 64 };

struct http_route {
    const char *method;
    const char *path; /* a segment in braces stands for any one: "/api/indexes/{index}/stats" */
};

/* `count` is at most HTTP_ROUTES_MAX. */
void http_respond_no_route(struct http_response *response, const char *path,
                           const struct http_route *routes, uint32_t count);
/* `routes` are those of the requested path. */
void http_respond_wrong_method(struct http_response *response, const char *method,
                               const struct http_route *routes, uint32_t count);

#endif
