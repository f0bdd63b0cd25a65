#include "tests/unit/http_site.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/client.h"
#include "common/http/route_list.h"

static void
site_wait(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    site->waiting++;
    pthread_cond_broadcast(&site->changed);
    while (!site->open)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
}

void
site_await_waiting(struct site *site, int count)
{
    pthread_mutex_lock(&site->lock);
    while (site->waiting < count)
        pthread_cond_wait(&site->changed, &site->lock);
    pthread_mutex_unlock(&site->lock);
}

void
site_open(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    site->open = true;
    pthread_cond_broadcast(&site->changed);
    pthread_mutex_unlock(&site->lock);
}

static const struct http_route dumps_routes[] = {
    {"GET", "/api/indexes/{index}/dumps"},
    {"PUT", "/api/indexes/{index}/dumps"},
};

static void
on_request(void *context, const struct http_request *request, struct http_response *response)
{
    const char *path = request->path;
    if (strcmp(path, "/untouched") == 0)
        return;
    if (strcmp(path, "/nothing") == 0) {
        response->status = 204;
    } else if (strcmp(path, "/secret") == 0) {
        http_respond_error(response, 401, "who are you, \"%s\"?", "x\n");
    } else if (strcmp(path, "/dumps") == 0) {
        http_respond_wrong_method(response, request->method, dumps_routes, 2);
    } else if (strcmp(path, "/large") == 0) {
        size_t bytes = strtoul(request->query, NULL, 10);
        memset(buffer_reserve(&response->body, bytes), 'x', bytes);
        response->body.bytes = bytes;
        response->content_type = "text/plain";
    } else {
        if (strcmp(path, "/wait") == 0)
            site_wait(context);
        buffer_append_format(&response->body, "%s %s %s %zu %.*s", request->method, path,
                             request->query != NULL ? request->query : "-", request->body.bytes,
                             TEXT_ARGS(request->body));
    }
}

/* Reserves /health and refuses /refused; every other request is accepted. */
static enum http_verdict
on_judge(void *context, struct http_request *request, struct http_response *response)
{
    (void)context;
    if (strcmp(request->path, "/health") == 0)
        return HTTP_RESERVED;
    if (strcmp(request->path, "/refused") != 0)
        return HTTP_ACCEPTED;
    http_respond_error(response, 401, "refused");
    return HTTP_REFUSED;
}

void
site_start(struct site *site, const char *listen, int connections_max, int timeout_s)
{
    struct http_options options = {
        .listen = listen,
        .connections_max = connections_max,
        .body_bytes_max = BODY_BYTES_MAX,
        .bodies_bytes_max = BODIES_BYTES_MAX,
        .timeout_s = timeout_s,
        .judge = on_judge,
    };
    struct error err = {0};
    pthread_mutex_init(&site->lock, NULL);
    pthread_cond_init(&site->changed, NULL);
    if (http_server_start(&options, on_request, site, &site->server, &err) != 0)
        fail_msg("%s", err.message);
    snprintf(site->address, sizeof site->address, "%.*s%d", (int)strlen(listen) - 1, listen,
             http_server_port(site->server));
}

int
site_setup(void **state)
{
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", CONNECTIONS_MAX, PATIENT_S);
    *state = site;
    return 0;
}

int
site_setup_impatient(void **state)
{
    struct site *site = calloc(1, sizeof *site);
    site_start(site, "127.0.0.1:0", CONNECTIONS_MAX, TIMEOUT_S);
    *state = site;
    return 0;
}

int
site_teardown(void **state)
{
    struct site *site = *state;
    site_open(site);
    http_server_stop(site->server);
    pthread_cond_destroy(&site->changed);
    pthread_mutex_destroy(&site->lock);
    free(site);
    return 0;
}

bool
site_answers(struct site *site, const char *path, const char *body, int status, const char *answer)
{
    struct buffer out = {0};
    struct error err = {0};
    int got = 0;
    int rc = http_client_call(site->address, path, body, NULL, 20, &out, &got, &err);
    bool same = rc == 0 && got == status && strcmp(buffer_string(&out), answer) == 0;
    if (!same)
        print_error("%s: %d %s%.100s\n", path, got, err.message, buffer_string(&out));
    buffer_free(&out);
    return same;
}

void
site_check_call(struct site *site, const char *path, const char *body, int status,
                const char *answer)
{
    assert_true(site_answers(site, path, body, status, answer));
}

void
site_check_alive(struct site *site)
{
    site_check_call(site, "/alive", NULL, 200, "GET /alive - 0 ");
}

bool
site_has_room(struct site *site)
{
    struct buffer out = {0};
    struct error err;
    int status = 0;
    int rc = http_client_call(site->address, "/a", NULL, NULL, 20, &out, &status, &err);
    assert_int_equal(rc, 0);
    assert_true(status == 200 || status == 503);
    buffer_free(&out);
    return status == 200;
}

int
site_connect(struct site *site)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_server_port(site->server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

bool
site_send(int fd, const void *data, size_t bytes)
{
    return send(fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

bool
site_receive(int fd, struct buffer *out)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    if (poll(&one, 1, PATIENCE_MS) != 1)
        fail_msg("the server neither answers nor closes");
    ssize_t bytes = recv(fd, buffer_reserve(out, 65536), 65536, 0);
    if (bytes <= 0)
        return false;
    out->bytes += (size_t)bytes;
    return true;
}

const char *
site_receive_all(int fd, struct buffer *out)
{
    while (site_receive(fd, out))
        continue;
    close(fd);
    return buffer_string(out);
}

void
site_exchange(struct site *site, const void *data, size_t bytes, struct buffer *out)
{
    int fd = site_connect(site);
    site_send(fd, data, bytes);
    site_receive_all(fd, out);
}

void
site_check_raw(struct site *site, const char *text, const char *wanted)
{
    struct buffer out = {0};
    site_exchange(site, text, strlen(text), &out);
    if (strncmp(buffer_string(&out), wanted, strlen(wanted)) != 0)
        fail_msg("%.60s: wanted \"%s\", got \"%.60s\"", text, wanted, buffer_string(&out));
    buffer_free(&out);
}
