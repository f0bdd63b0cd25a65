/* Happy path of a request: the library parses the head and passes the raw target to on_target(). It
 * then calls on_access() once for the head, once for every piece of the body, and once at the end,
 * where the handler runs and the answer is queued. When the answer is sent, it calls
 * on_request_completed().
 *
 * Failure modes: an invalid head is answered at once, and the library closes the connection without
 * reading the body. A body that is too large, and has no Content-Length that shows it, is read to
 * its end and discarded before it is answered. The library drops idle connections. The watch thread
 * shuts down the sockets of connections that send or read too slowly.
 *
 * A connection belongs to its own thread, except for the fields that the server's lock guards.
 */
#include "common/http/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
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
#include "common/http/listen.h"
#include "common/http/target.h"
#include "common/json/json_write.h"

enum { HEAD_BYTES_MAX = 32 * 1024 };

struct http_connection {
    struct http_connection *next, *previous; /* lock */
    int64_t waiting_since_us;                /* lock: waits for the client; 0: a handler runs */
    int socket;
    /* the current request */
    char *target; /* `path` and `query` point into it */
    const char *path;
    const char *query;
    struct buffer body;
    bool has_head; /* the head has been checked */
    bool is_too_large;
    bool is_running; /* counted in the server's `running` */
};

struct http_server {
    http_handler handler;
    void *context;
    size_t body_bytes_max;
    int64_t client_timeout_us; /* for a whole request or answer */
    int port;
    struct MHD_Daemon *daemon;
    pthread_t watch;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct http_connection *connections;
    int running; /* requests from their handler's start until their answer is sent */
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

/* Under the lock: the list is linked both ways, and `running` counts it. */
static void
http_check_connections(const struct http_server *server)
{
    int running = 0;
    const struct http_connection *previous = NULL;
    for (const struct http_connection *one = server->connections; one != NULL; one = one->next) {
        CHECK(one->previous == previous);
        CHECK(one->waiting_since_us >= 0);
        running += one->is_running;
        previous = one;
    }
    CHECK(running == server->running);
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
    http_check_connections(server);
    mutex_unlock(&server->lock);
    *slot = connection;
}

static void
http_request_clear(struct http_connection *connection)
{
    free(connection->target);
    connection->target = NULL;
    connection->path = NULL;
    connection->query = NULL;
    buffer_free(&connection->body);
    connection->has_head = false;
    connection->is_too_large = false;
}

static void
http_connection_close(struct http_server *server, struct http_connection *connection)
{
    mutex_lock(&server->lock);
    CHECK(!connection->is_running);
    CHECK((connection->previous == NULL) == (server->connections == connection));
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    http_check_connections(server);
    mutex_unlock(&server->lock);
    http_request_clear(connection);
    free(connection);
}

/* The library closes the socket after this call, so the watch thread never shuts down a descriptor
 * that has been reused. */
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
    (void)context;
    struct http_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    CHECK(!connection->is_running);
    http_request_clear(connection);
    connection->target = memory_strdup(target);
    return connection;
}

static void
on_request_completed(void *context, struct MHD_Connection *mhd, void **slot,
                     enum MHD_RequestTerminationCode how)
{
    (void)mhd;
    (void)how;
    struct http_connection *connection = *slot;
    CHECK(connection != NULL);
    http_request_clear(connection);
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

static enum MHD_Result
http_take_head(const struct http_server *server, struct http_connection *connection,
               struct MHD_Connection *mhd, const char *method)
{
    CHECK(!connection->has_head);
    CHECK(connection->target != NULL);
    connection->has_head = true;
    if (http_method(method) == NULL)
        return http_refuse(mhd, MHD_HTTP_NOT_IMPLEMENTED, "unknown method");
    if (!http_target_parse(connection->target, &connection->path, &connection->query))
        return http_refuse(mhd, MHD_HTTP_BAD_REQUEST, "the path is not valid");
    const char *length = http_header(mhd, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length != NULL && strtoull(length, NULL, 10) > server->body_bytes_max)
        return http_refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    return MHD_YES;
}

static void
http_take_body(const struct http_server *server, struct http_connection *connection,
               const char *data, size_t bytes)
{
    CHECK(connection->body.bytes <= server->body_bytes_max);
    if (connection->is_too_large || bytes > server->body_bytes_max - connection->body.bytes) {
        connection->is_too_large = true;
        buffer_free(&connection->body);
        return;
    }
    buffer_append(&connection->body, data, bytes);
}

static enum MHD_Result
http_answer(struct http_server *server, struct http_connection *connection,
            struct MHD_Connection *mhd, const char *method)
{
    CHECK(connection->path != NULL);
    if (connection->is_too_large)
        return http_refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
    if (!http_begin_running(server, connection))
        return http_refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
    struct http_request request = {
        .method = http_method(method),
        .path = connection->path,
        .query = connection->query,
        .authorization = http_header(mhd, MHD_HTTP_HEADER_AUTHORIZATION),
        .body = {(const char *)connection->body.data, connection->body.bytes},
    };
    struct http_response response = http_response_new();
    CHECK(request.method != NULL);
    server->handler(server->context, &request, &response);
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
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, server, MHD_OPTION_LISTEN_SOCKET, socket,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connections_max,
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
    CHECK(handler != NULL);
    int socket;
    int port;
    int rc = http_listen(options->listen, &socket, &port, err);
    if (rc != 0)
        return rc;
    struct http_server *server = memory_zalloc(sizeof *server);
    server->handler = handler;
    server->context = context;
    server->body_bytes_max = options->body_bytes_max;
    server->client_timeout_us = (int64_t)options->timeout_s * 2 * US_PER_S;
    server->port = port;
    mutex_init(&server->lock);
    condition_init(&server->changed);
    rc = thread_start(&server->watch, "http watch", http_watch, server, err);
    if (rc != 0) {
        error_wrap(err, rc, "could not start the server on %s", options->listen);
        goto fail_socket;
    }
    server->daemon = http_start_daemon(server, options, socket); /* owns the socket */
    if (server->daemon == NULL) {
        rc = error_set(err, ERR_FATAL, "could not start the server on %s", options->listen);
        goto fail_watch;
    }
    *out = server;
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
