/* Happy path of a request: the library parses the head and passes the raw target to on_target(). It
 * then calls on_access() once for the head, which the judge sees, once for every piece of the body,
 * and once at the end, where the handler runs and the answer is queued. When the answer is sent, it
 * calls on_request_completed().
 *
 * Memory: a body with a Content-Length reserves its bytes in the budget of all bodies before the
 * client is asked for it (100 Continue). One without reserves them while it grows.
 *
 * Failure modes: a refused head is answered at once. The library does not read the body and closes
 * the connection; before that, what the client still sends is discarded for a moment, because a
 * socket that is closed with unread bytes would take the answer from the client. A body without a
 * Content-Length that is too large, or finds the budget used up, is read to its end and discarded
 * before it is answered. The library drops idle connections. The watch thread shuts down the
 * sockets of connections that send or read too slowly. on_connection() shuts down that of the
 * oldest connection without a seat when there are too many.
 *
 * A connection belongs to its own thread, except for the fields that the server's lock guards.
 */
#include "common/http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/thread.h"
#include "common/http/body_budget.h"
#include "common/http/listen.h"
#include "common/http/target.h"
#include "common/json/json_write.h"

enum {
    HEAD_BYTES_MAX = 32 * 1024,
    DISCARD_MS = 1000, /* of what a client sends after a refusal */
    RETRY_AFTER_S = 1,
};

struct http_connection {
    struct http_connection *next, *previous; /* lock */
    int64_t waiting_since_us;                /* lock: waits for the client; 0: a handler runs */
    bool has_seat;                           /* lock: counted in the server's `seats` */
    bool is_dropped;                         /* lock: its socket was shut down to make room */
    int socket;
    /* the current request */
    char *target; /* `path` and `query` point into it */
    const char *path;
    const char *query;
    const void *route; /* of the judge */
    struct buffer body;
    size_t body_bytes_max; /* of this request */
    size_t reserved_bytes; /* of the budget */
    int failed_status;     /* the body is discarded and then answered so; 0: it is kept */
    bool has_head;         /* the head has been checked */
    bool has_unread_body;  /* the head was refused, and a body follows it */
    bool is_running;       /* counted in the server's `running` */
};

struct http_server {
    http_judge judge; /* NULL: every request is accepted */
    http_handler handler;
    void *context;
    atomic_size_t body_bytes_max;
    struct body_budget budget;
    uint32_t seats_max;
    int64_t client_timeout_us; /* for a whole request or answer */
    int port;
    struct MHD_Daemon *daemon;
    pthread_t watch;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct http_connection *connections; /* newest first */
    uint32_t open;                       /* connections that were not dropped */
    uint32_t seats;
    uint64_t dropped; /* since the start */
    uint64_t refused; /* since the start */
    int running;      /* requests from their handler's start until their answer is sent */
    bool stopping;
    bool stopped;
};

static void
http_wait_for_client(struct http_server *server, struct http_connection *connection)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(now_us > 0); /* 0 means that a handler runs */
    mutex_lock(&server->lock);
    connection->waiting_since_us = now_us;
    mutex_unlock(&server->lock);
}

/* False when the server is stopping. */
static bool
http_begin_running(struct http_server *server, struct http_connection *connection)
{
    mutex_lock(&server->lock);
    CHECK(!connection->is_running);
    CHECK(connection->has_head);
    connection->is_running = !server->stopping;
    if (connection->is_running) {
        connection->waiting_since_us = 0;
        server->running++;
    }
    mutex_unlock(&server->lock);
    return connection->is_running;
}

static void
http_end_running(struct http_server *server, struct http_connection *connection)
{
    mutex_lock(&server->lock);
    CHECK(connection->is_running);
    CHECK(server->running > 0);
    connection->is_running = false;
    server->running--;
    condition_broadcast(&server->changed);
    mutex_unlock(&server->lock);
}

/* False: all seats are taken. */
static bool
http_take_seat(struct http_server *server, struct http_connection *connection)
{
    mutex_lock(&server->lock);
    CHECK(!connection->has_seat);
    CHECK(server->seats <= server->seats_max);
    connection->has_seat = server->seats < server->seats_max;
    server->seats += connection->has_seat;
    mutex_unlock(&server->lock);
    return connection->has_seat;
}

static void
http_leave_seat(struct http_server *server, struct http_connection *connection)
{
    mutex_lock(&server->lock);
    CHECK(server->seats >= connection->has_seat);
    server->seats -= connection->has_seat;
    connection->has_seat = false;
    mutex_unlock(&server->lock);
}

/* Under the lock: the list is linked both ways, and `running` counts it. */
static void
http_check_connections(const struct http_server *server)
{
    int running = 0;
    uint32_t seats = 0;
    uint32_t open = 0;
    const struct http_connection *previous = NULL;
    for (const struct http_connection *one = server->connections; one != NULL; one = one->next) {
        CHECK(one->previous == previous);
        CHECK(one->waiting_since_us >= 0);
        running += one->is_running;
        seats += one->has_seat;
        open += !one->is_dropped;
        previous = one;
    }
    CHECK(running == server->running);
    CHECK(seats == server->seats);
    CHECK(open == server->open);
}

/* Under the lock: drops the oldest connection that has no seat and waits for its client, if there
 * are more than the seats and the reserve. */
static void
http_make_room(struct http_server *server)
{
    struct http_connection *oldest = NULL;
    if (server->open <= server->seats_max + HTTP_RESERVE)
        return;
    for (struct http_connection *one = server->connections; one != NULL; one = one->next)
        if (!one->has_seat && !one->is_dropped && one->waiting_since_us != 0)
            oldest = one;
    CHECK(oldest != NULL); /* the newest is one */
    oldest->is_dropped = true;
    server->open--;
    server->dropped++;
    shutdown(oldest->socket, SHUT_RDWR); /* the thread of the connection closes it */
}

static void
http_connection_open(struct http_server *server, struct MHD_Connection *mhd, void **slot)
{
    struct http_connection *connection = memory_zalloc(sizeof *connection);
    connection->socket =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->waiting_since_us = clock_monotonic_us();
    CHECK(connection->socket >= 0);
    mutex_lock(&server->lock);
    connection->next = server->connections;
    if (connection->next != NULL) {
        CHECK(connection->next->previous == NULL);
        connection->next->previous = connection;
    }
    server->connections = connection;
    server->open++;
    http_make_room(server);
    http_check_connections(server);
    mutex_unlock(&server->lock);
    *slot = connection;
}

static void
http_body_free(struct http_server *server, struct http_connection *connection)
{
    buffer_free(&connection->body);
    body_budget_release(&server->budget, connection->reserved_bytes);
    connection->reserved_bytes = 0;
}

static void
http_request_clear(struct http_server *server, struct http_connection *connection)
{
    free(connection->target);
    connection->target = NULL;
    connection->path = NULL;
    connection->query = NULL;
    connection->route = NULL;
    http_body_free(server, connection);
    http_leave_seat(server, connection);
    connection->failed_status = 0;
    connection->has_head = false;
}

/* Reads what a client sends that has been refused, until it closes or is slow. */
static void
http_discard(const struct http_connection *connection)
{
    char bytes[16384];
    int64_t until_us = clock_monotonic_us() + (int64_t)DISCARD_MS * US_PER_MS;
    struct pollfd one = {.fd = connection->socket, .events = POLLIN};
    shutdown(connection->socket, SHUT_WR);
    for (int64_t now_us = 0; now_us < until_us; now_us = clock_monotonic_us()) {
        if (poll(&one, 1, DISCARD_MS) <= 0)
            return;
        if (recv(connection->socket, bytes, sizeof bytes, MSG_DONTWAIT) <= 0)
            return;
    }
}

static void
http_connection_close(struct http_server *server, struct http_connection *connection)
{
    http_request_clear(server, connection);
    mutex_lock(&server->lock);
    CHECK(!connection->is_running);
    CHECK((connection->previous == NULL) == (server->connections == connection));
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    server->open -= !connection->is_dropped;
    http_check_connections(server);
    mutex_unlock(&server->lock);
    free(connection);
}

/* On the thread that accepts, which must not wait for a client. The library closes the socket after
 * this call, so the watch thread never shuts down a descriptor that has been reused. */
static void
on_connection(void *context, struct MHD_Connection *mhd, void **slot,
              enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        http_connection_open(context, mhd, slot);
    else
        http_connection_close(context, *slot);
}

static void *
on_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct http_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    CHECK(!connection->is_running);
    http_request_clear(context, connection);
    connection->target = memory_strdup(target);
    return connection;
}

static void
on_request_completed(void *context, struct MHD_Connection *mhd, void **slot,
                     enum MHD_RequestTerminationCode how)
{
    (void)mhd;
    struct http_connection *connection = *slot;
    CHECK(connection != NULL);
    if (connection->has_unread_body && how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        http_discard(connection);
    http_request_clear(context, connection);
    http_wait_for_client(context, connection);
    if (connection->is_running)
        http_end_running(context, connection);
}

/* The library or this function frees the body of the response. MHD_NO closes the connection. */
static enum MHD_Result
http_send(struct MHD_Connection *mhd, struct http_response *response)
{
    CHECK(response->status >= 200 && response->status <= 599);
    CHECK(response->content_type != NULL);
    if (response->body.bytes == 0 && response->status != MHD_HTTP_NO_CONTENT)
        buffer_append_text(&response->body, "{}");
    struct MHD_Response *answer = MHD_create_response_from_buffer(
        response->body.bytes, response->body.data, MHD_RESPMEM_MUST_FREE);
    if (answer == NULL) { /* out of memory */
        buffer_free(&response->body);
        return MHD_NO;
    }
    if (response->status != MHD_HTTP_NO_CONTENT)
        MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    if (response->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(answer, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (response->retry_after_s > 0) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", response->retry_after_s);
        MHD_add_response_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (response->header != NULL)
        MHD_add_response_header(answer, response->header, response->header_value);
    enum MHD_Result queued = MHD_queue_response(mhd, (unsigned)response->status, answer);
    MHD_destroy_response(answer);
    return queued;
}

static struct http_response
http_response_new(void)
{
    return (struct http_response){.status = MHD_HTTP_OK, .content_type = "application/json"};
}

static enum MHD_Result
http_refuse(struct MHD_Connection *mhd, int status, const char *why)
{
    struct http_response response = http_response_new();
    http_respond_error(&response, status, "%s", why);
    return http_send(mhd, &response);
}

static const char *
http_method(const char *method)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(method, methods[i]) == 0)
            return methods[i];
    return strcmp(method, "HEAD") == 0 ? methods[0] : NULL; /* the library does not send the body */
}

static const char *
http_header(struct MHD_Connection *mhd, const char *name)
{
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

static struct http_request
http_request_of(const struct http_connection *connection, struct MHD_Connection *mhd,
                const char *method)
{
    CHECK(connection->path != NULL);
    return (struct http_request){
        .method = http_method(method),
        .path = connection->path,
        .query = connection->query,
        .authorization = http_header(mhd, MHD_HTTP_HEADER_AUTHORIZATION),
        .body = {(const char *)connection->body.data, connection->body.bytes},
        .route = connection->route,
    };
}

static enum MHD_Result
http_refuse_busy(struct http_server *server, struct MHD_Connection *mhd, const char *why)
{
    struct http_response response = http_response_new();
    mutex_lock(&server->lock);
    server->refused++;
    mutex_unlock(&server->lock);
    response.retry_after_s = RETRY_AFTER_S;
    http_respond_error(&response, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", why);
    return http_send(mhd, &response);
}

/* The request was judged, and has a body of `length` bytes, or one of an unknown length. */
static enum MHD_Result
http_admit(struct http_server *server, struct http_connection *connection,
           struct MHD_Connection *mhd, const char *method, size_t length)
{
    CHECK(connection->reserved_bytes == 0);
    if (connection->has_unread_body && strcmp(http_method(method), "GET") == 0)
        return http_refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "GET has no body");
    if (length > connection->body_bytes_max)
        return http_refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    if (!http_take_seat(server, connection))
        return http_refuse_busy(server, mhd, "too many requests at the same time");
    if (!body_budget_reserve(&server->budget, length))
        return http_refuse_busy(server, mhd,
                                "the bodies of other requests use the memory for them");
    connection->reserved_bytes = length;
    connection->has_unread_body = false; /* it will be read */
    return MHD_YES;
}

static enum MHD_Result
http_judge_head(struct http_server *server, struct http_connection *connection,
                struct MHD_Connection *mhd, const char *method, size_t length)
{
    enum http_verdict verdict = HTTP_ACCEPTED;
    struct http_request request = http_request_of(connection, mhd, method);
    struct http_response response = http_response_new();
    CHECK(request.method != NULL);
    if (server->judge != NULL)
        verdict = server->judge(server->context, &request, &response);
    if (verdict == HTTP_REFUSED)
        return http_send(mhd, &response);
    CHECK(response.body.bytes == 0);
    connection->route = request.route;
    if (verdict == HTTP_RESERVED && !connection->has_unread_body)
        return MHD_YES;
    return http_admit(server, connection, mhd, method, length);
}

static enum MHD_Result
http_take_head(struct http_server *server, struct http_connection *connection,
               struct MHD_Connection *mhd, const char *method)
{
    CHECK(!connection->has_head);
    CHECK(connection->target != NULL);
    const char *text = http_header(mhd, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t length = text != NULL ? strtoull(text, NULL, 10) : 0;
    connection->has_head = true;
    connection->has_unread_body =
        length > 0 || http_header(mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    connection->body_bytes_max = atomic_load(&server->body_bytes_max);
    if (http_method(method) == NULL)
        return http_refuse(mhd, MHD_HTTP_NOT_IMPLEMENTED, "unknown method");
    if (!http_target_parse(connection->target, &connection->path, &connection->query))
        return http_refuse(mhd, MHD_HTTP_BAD_REQUEST, "the path is not valid");
    return http_judge_head(server, connection, mhd, method, length);
}

/* Of a body without a Content-Length. */
static bool
http_reserve_more(struct http_server *server, struct http_connection *connection, size_t bytes)
{
    CHECK(bytes <= connection->body_bytes_max);
    size_t wanted = 2 * bytes; /* the buffer doubles */
    if (wanted > connection->body_bytes_max)
        wanted = connection->body_bytes_max;
    if (!body_budget_reserve(&server->budget, wanted - connection->reserved_bytes))
        return false;
    connection->reserved_bytes = wanted;
    return true;
}

static void
http_take_body(struct http_server *server, struct http_connection *connection, const char *data,
               size_t bytes)
{
    struct buffer *body = &connection->body;
    CHECK(body->bytes <= connection->body_bytes_max);
    CHECK(body->bytes <= connection->reserved_bytes);
    if (connection->failed_status != 0)
        return;
    if (bytes > connection->body_bytes_max - body->bytes)
        connection->failed_status = MHD_HTTP_CONTENT_TOO_LARGE;
    else if (body->bytes + bytes > connection->reserved_bytes &&
             !http_reserve_more(server, connection, body->bytes + bytes))
        connection->failed_status = MHD_HTTP_SERVICE_UNAVAILABLE;
    else
        buffer_append(body, data, bytes);
    if (connection->failed_status != 0)
        http_body_free(server, connection);
}

static enum MHD_Result
http_answer(struct http_server *server, struct http_connection *connection,
            struct MHD_Connection *mhd, const char *method)
{
    CHECK(connection->path != NULL);
    if (connection->failed_status == MHD_HTTP_CONTENT_TOO_LARGE)
        return http_refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    if (connection->failed_status != 0)
        return http_refuse_busy(server, mhd,
                                "the bodies of other requests use the memory for them");
    if (!http_begin_running(server, connection))
        return http_refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
    struct http_request request = http_request_of(connection, mhd, method);
    struct http_response response = http_response_new();
    CHECK(request.method != NULL);
    server->handler(server->context, &request, &response);
    http_body_free(server, connection);
    http_wait_for_client(server, connection);
    return http_send(mhd, &response);
}

static enum MHD_Result
on_access(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
          const char *version, const char *data, size_t *bytes, void **slot)
{
    (void)url; /* decoded by other rules than those of target.h */
    (void)version;
    struct http_server *server = context;
    struct http_connection *connection = *slot;
    CHECK(connection != NULL);
    if (!connection->has_head)
        return http_take_head(server, connection, mhd, method);
    if (*bytes == 0)
        return http_answer(server, connection, mhd, method);
    http_take_body(server, connection, data, *bytes);
    *bytes = 0;
    return MHD_YES;
}

static void
http_drop_overdue(struct http_server *server)
{
    CHECK(server->client_timeout_us > 0);
    int64_t now = clock_monotonic_us();
    for (struct http_connection *one = server->connections; one != NULL; one = one->next)
        if (one->waiting_since_us != 0 && now - one->waiting_since_us > server->client_timeout_us)
            shutdown(one->socket, SHUT_RDWR); /* the thread of the connection closes it */
}

static void *
http_watch(void *context)
{
    struct http_server *server = context;
    mutex_lock(&server->lock);
    while (!server->stopped) {
        condition_wait_until(&server->changed, &server->lock, clock_monotonic_us() + US_PER_S);
        http_drop_overdue(server);
    }
    mutex_unlock(&server->lock);
    return NULL;
}

/* NULL: the library could not start. */
static struct MHD_Daemon *
http_start_daemon(struct http_server *server, const struct http_options *options, int socket)
{
    /* Twice the reserve: connections that were dropped are open until their threads notice. */
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, server, MHD_OPTION_LISTEN_SOCKET, socket,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connections_max + 2 * HTTP_RESERVE,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_target,
        server, MHD_OPTION_NOTIFY_COMPLETED, on_request_completed, server, MHD_OPTION_END);
}

/* Waits for the requests that run, then asks the watch thread to end. */
static void
http_drain(struct http_server *server)
{
    mutex_lock(&server->lock);
    CHECK(!server->stopping);
    server->stopping = true;
    while (server->running > 0)
        condition_wait(&server->changed, &server->lock);
    CHECK(server->running == 0);
    server->stopped = true;
    condition_broadcast(&server->changed);
    mutex_unlock(&server->lock);
}

static void
http_server_free(struct http_server *server)
{
    CHECK(server->connections == NULL);
    CHECK(server->running == 0);
    CHECK(server->seats == 0);
    CHECK(body_budget_held_bytes(&server->budget) == 0);
    condition_destroy(&server->changed);
    mutex_destroy(&server->lock);
    free(server);
}

int
http_server_start(const struct http_options *options, http_handler handler, void *context,
                  struct http_server **out, struct error *err)
{
    CHECK(options->connections_max > 0);
    CHECK(options->timeout_s > 0);
    CHECK(options->body_bytes_max <= options->bodies_bytes_max);
    CHECK(handler != NULL);
    int socket;
    int port;
    int rc = http_listen(options->listen, &socket, &port, err);
    if (rc != 0)
        return rc;
    struct http_server *server = memory_zalloc(sizeof *server);
    server->judge = options->judge;
    server->handler = handler;
    server->context = context;
    atomic_init(&server->body_bytes_max, options->body_bytes_max);
    body_budget_init(&server->budget, options->bodies_bytes_max);
    server->seats_max = (uint32_t)options->connections_max;
    server->client_timeout_us = (int64_t)options->timeout_s * 2 * US_PER_S;
    server->port = port;
    mutex_init(&server->lock);
    condition_init(&server->changed);
    rc = thread_start(&server->watch, "http watch", http_watch, server, err);
    if (rc != 0) {
        error_wrap(err, rc, "could not start the server on %s", options->listen);
        goto fail_socket;
    }
    *out = server; /* before the first request, whose handler may use it */
    server->daemon = http_start_daemon(server, options, socket); /* owns the socket */
    if (server->daemon == NULL) {
        *out = NULL;
        rc = error_set(err, ERR_FATAL, "could not start the server on %s", options->listen);
        goto fail_watch;
    }
    return 0;
fail_watch:
    http_drain(server);
    thread_join(server->watch);
fail_socket:
    close(socket);
    http_server_free(server);
    return rc;
}

void
http_server_stop(struct http_server *server)
{
    if (server == NULL)
        return;
    CHECK(server->daemon != NULL);
    http_drain(server);
    MHD_stop_daemon(server->daemon);
    thread_join(server->watch);
    http_server_free(server);
}

int
http_server_port(const struct http_server *server)
{
    return server->port;
}

void
http_server_set_limits(struct http_server *server, size_t body_bytes_max, size_t bodies_bytes_max)
{
    CHECK(body_bytes_max <= bodies_bytes_max);
    atomic_store(&server->body_bytes_max, body_bytes_max);
    body_budget_set_limit(&server->budget, bodies_bytes_max);
}

void
http_server_read_stats(struct http_server *server, struct http_stats *stats)
{
    mutex_lock(&server->lock);
    CHECK(server->seats <= server->seats_max);
    stats->connections = server->open;
    stats->dropped = server->dropped;
    stats->refused = server->refused;
    mutex_unlock(&server->lock);
    stats->bodies_bytes = body_budget_held_bytes(&server->budget);
    stats->bodies_bytes_peak = body_budget_peak_bytes(&server->budget);
}

void
http_respond_error(struct http_response *response, int status, const char *format, ...)
{
    char message[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    CHECK(status >= 400 && status <= 599);
    response->status = status;
    response->content_type = "application/json";
    buffer_clear(&response->body);
    struct json_writer writer;
    json_writer_init(&writer, &response->body);
    json_object_begin(&writer);
    json_key(&writer, "error");
    json_string(&writer, message);
    json_object_end(&writer);
}

bool
http_bearer_matches(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    const size_t scheme_bytes = sizeof scheme - 1;
    if (authorization == NULL || token == NULL || *token == '\0' ||
        strncasecmp(authorization, scheme, scheme_bytes) != 0)
        return false;
    const char *given = authorization + scheme_bytes;
    size_t bytes = strlen(token);
    if (strlen(given) != bytes)
        return false;
    volatile unsigned char difference = 0; /* volatile: every byte is compared */
    for (size_t i = 0; i < bytes; i++)
        difference |= (unsigned char)(given[i] ^ token[i]);
    return difference == 0;
}
