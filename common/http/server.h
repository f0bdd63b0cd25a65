/* A small HTTP server with bounded resources. The only user of libmicrohttpd.
 *
 * Every connection has its own thread, so that a slow client or a long handler does not delay other
 * clients; `connections_max` bounds the threads and therefore the handlers that run at once. The
 * handler is called when the whole request has arrived, and must be thread-safe.
 *
 * Limits (L10): the number of connections (a further one is closed at once), the size of a body
 * (413) and of a head (32 KiB: 431 or 414), and time. The connection is dropped when the client
 * does not send or read a byte within `timeout_s`, or takes twice as long for a whole request or
 * answer. Methods are GET, HEAD, POST, PUT and DELETE; every other one is answered 501.
 */
#ifndef COMMON_HTTP_SERVER_H
#define COMMON_HTTP_SERVER_H

#include "common/base/error.h"
#include "common/base/memory.h"

struct http_server;

struct http_options {
    const char *listen; /* "host:port" or "[ipv6]:port"; port 0 takes a free one */
    int connections_max;
    size_t body_bytes_max;
    int timeout_s;
};

/* Valid until the handler returns. */
struct http_request {
    const char *method;        /* "GET" (for HEAD as well), "POST", "PUT" or "DELETE" */
    const char *path;          /* percent-decoded, begins with '/'; never contains a control
                                * character or a ".." segment (answered 400) */
    const char *query;         /* the raw text after '?', or NULL */
    const char *authorization; /* the header, or NULL */
    struct text body;
};

/* The handler fills it. It is initialised with status 200, the type of JSON, and no body. If the
 * handler leaves the body empty, "{}" is sent, unless the status is 204. */
struct http_response {
    int status;
    const char *content_type; /* static */
    int retry_after_s;        /* for 503: the header Retry-After; 0: none */
    const char *header;       /* the name of one more header, static; NULL: none */
    char header_value[64];
    struct buffer body; /* the server frees it */
};

typedef void (*http_handler)(void *context, const struct http_request *request,
                             struct http_response *response);

/* ERR_USAGE when `listen` is invalid, ERR_FATAL when the address is not available. `context` must
 * outlive the server. */
int http_server_start(const struct http_options *options, http_handler handler, void *context,
                      struct http_server **server, struct error *err);
/* Waits until the handlers that run have returned and their answers are sent. Requests that arrive
 * meanwhile are answered 503. NULL does nothing. */
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);

/* Sets the status and the body {"error":"..."}, which every error answer has. */
void http_respond_error(struct http_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether `authorization` is "Bearer TOKEN". The time of the comparison depends only on the length
 * of `token`. False when either is NULL or the token is empty. */
bool http_bearer_matches(const char *authorization, const char *token);

#endif
