/* A small HTTP server with bounded resources. The only user of libmicrohttpd.
 *
 * Every connection has its own thread, so that a slow client or a long handler does not delay other
 * clients. The judge sees the head of a request before a byte of its body is taken: what it refuses
 * is answered at once, and the connection is closed. The handler is called when the whole request
 * has arrived. Both must be thread-safe.
 *
 * Limits (L10):
 * - A request that was accepted has a seat until its answer is sent. There are `connections_max`
 *   seats; without a free one a request is answered 503. The judge gives requests for the health
 *   of the program HTTP_RESERVED: they need no seat, and have no body.
 * - HTTP_RESERVE more connections are open at the same time. When a further one arrives, the oldest
 *   connection without a seat is dropped, so clients that send no head do not shut out a new one.
 * - The size of a body (413), the bytes of all bodies in memory (503), and the size of a head
 *   (32 KiB: 431 or 414). GET and HEAD have no body (413).
 * - Time: a connection is dropped when the client does not send or read a byte within `timeout_s`,
 *   or takes twice as long for a whole request or answer.
 * Methods are GET, HEAD, POST, PUT and DELETE; every other one is answered 501.
 */
#ifndef COMMON_HTTP_SERVER_H
#define COMMON_HTTP_SERVER_H

#include "common/base/error.h"
#include "common/base/memory.h"

struct http_server;

/* Connections that wait for a head, or ask for the health, beside those with a seat. */
enum { HTTP_RESERVE = 64 };

/* Valid until the handler returns. */
struct http_request {
    const char *method;        /* "GET" (for HEAD as well), "POST", "PUT" or "DELETE" */
    const char *path;          /* percent-decoded, begins with '/'; never contains a control
                                * character or a ".." segment (answered 400) */
    const char *query;         /* the raw text after '?', or NULL */
    const char *authorization; /* the header, or NULL */
    struct text body;          /* for the judge: empty */
    const void *route;         /* what the judge has set; NULL without a judge */
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

enum http_verdict { HTTP_REFUSED, HTTP_ACCEPTED, HTTP_RESERVED };

/* Fills `response` when it refuses, and else leaves it alone. May set `request->route`. */
typedef enum http_verdict (*http_judge)(void *context, struct http_request *request,
                                        struct http_response *response);
typedef void (*http_handler)(void *context, const struct http_request *request,
                             struct http_response *response);

struct http_options {
    const char *listen; /* "host:port" or "[ipv6]:port"; port 0 takes a free one */
    int connections_max;
    size_t body_bytes_max;
    size_t bodies_bytes_max; /* of all requests together; at least body_bytes_max */
    int timeout_s;
    http_judge judge; /* NULL: every request is accepted */
};

struct http_stats {
    uint64_t connections;       /* open */
    uint64_t dropped;           /* to make room for another one, since the start */
    uint64_t refused;           /* 503 for want of a seat or of memory, since the start */
    uint64_t bodies_bytes;      /* reserved for bodies */
    uint64_t bodies_bytes_peak; /* the greatest since the start */
};

/* ERR_USAGE when `listen` is invalid, ERR_FATAL when the address is not available. `context` must
 * outlive the server. `*server` is set before the first call of the judge. */
int http_server_start(const struct http_options *options, http_handler handler, void *context,
                      struct http_server **server, struct error *err);
/* Waits until the handlers that run have returned and their answers are sent. Requests that arrive
 * meanwhile are answered 503. NULL does nothing. */
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);
/* For requests whose heads arrive from now on. Any thread. */
void http_server_set_limits(struct http_server *server, size_t body_bytes_max,
                            size_t bodies_bytes_max);
/* Any thread. */
void http_server_read_stats(struct http_server *server, struct http_stats *stats);

/* Sets the status and the body {"error":"..."}, which every error answer has. */
void http_respond_error(struct http_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether `authorization` is "Bearer TOKEN". The time of the comparison depends only on the length
 * of `token`. False when either is NULL or the token is empty. */
bool http_bearer_matches(const char *authorization, const char *token);

#endif
