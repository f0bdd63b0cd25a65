/* A small HTTP server: bounded, multi-threaded, JSON-minded. Owner of the server library.
 *
 * Every connection has a thread of its own, so a slow client or a long handler holds up nobody
 * else; `connections_max` bounds the threads and therefore the handlers that run at once. A handler
 * is called when the whole request is there, and must be thread-safe.
 *
 * Limits (L10): connections (a further one is closed at once), body (413), head (32 KiB: 431 or
 * 414), time. Time runs while the server waits for the client: `timeout_s` without a byte, twice
 * that for a whole request or answer; then the connection is dropped. Methods are GET, HEAD, POST,
 * PUT and DELETE; another one is answered 501.
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

/* Lives until the handler returns. */
struct http_request {
    const char *method;        /* "GET" (for HEAD as well), "POST", "PUT" or "DELETE" */
    const char *path;          /* percent-decoded, begins with '/'; never contains a control
                                * character or a ".." segment (answered 400) */
    const char *query;         /* the raw text behind '?', or NULL */
    const char *authorization; /* the header, or NULL */
    struct text body;
};

/* The handler fills it. It comes as 200, JSON, without a body; a status other than 204 that is left
 * without a body is sent with "{}". */
struct http_response {
    int status;
    const char *content_type; /* static */
    int retry_after_s;        /* of a 503: when to come again; 0: not said */
    struct buffer body;       /* the server frees it */
};

typedef void (*http_handler)(void *context, const struct http_request *request,
                             struct http_response *response);

/* ERR_USAGE when `listen` means nothing, ERR_FATAL when the address cannot be had. */
int http_server_start(const struct http_options *options, http_handler handler, void *context,
                      struct http_server **server, struct error *err);
/* Waits for the handlers that run and for their answers to be sent; what arrives meanwhile is
 * answered 503. NULL does nothing. */
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);

/* Status plus {"error":"..."}: the shape of every error answer. */
void http_respond_error(struct http_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Check of "Bearer TOKEN" in a time that tells nothing of `token` but its length. False when either
 * is NULL or the token is empty. */
bool http_bearer_matches(const char *authorization, const char *token);

#endif
