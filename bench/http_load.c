/* Entities of the gallery over HTTP, and by the engine alone.
 *
 *     bench_http post PORT TOKEN CLIENTS ENTITIES     posts them, on one kept connection a client
 *     bench_http engine THREADS ENTITIES              applies them, to an engine of each thread
 *
 * Everything that is posted or applied is made before the time begins. Both print seconds, from the
 * first request or row to the last answer or row; a request is answered when its ops are durable.
 * POST_ENTITIES go into one request, and into one batch of the engine.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/entities.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/ops/ops_json.h"

enum { CLIENTS_MAX = 64, POST_ENTITIES = 500, ANSWER_BYTES = 4096 };

static pthread_barrier_t begin; /* of all clients and the main thread, when everything is made */
static uint16_t port;
static const char *token;
static uint32_t client_count;

/* The entities number, number + client_count, ... */
struct client {
    uint32_t number;
    struct buffer *requests;
    uint32_t request_count;
    struct arena arena;
    struct ops *ops;
    uint64_t entity_count;
};

static void
require(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "bench_http: %s\n", what);
    exit(1);
}

/* Entities `from` to `to` of the client, as one request. */
static void
make_request(struct client *client, uint64_t from, uint64_t to, struct buffer *request)
{
    struct buffer body = {0};
    buffer_append_text(&body, "{\"ops\":[");
    for (uint64_t n = from; n < to; n++) {
        uint64_t id = client->number + n * client_count;
        struct ops ops;
        make_entity(id, &client->arena, &ops);
        buffer_append_format(&body, "%s{\"entity_id\":%llu,\"ops\":", n > from ? "," : "",
                             (unsigned long long)id);
        ops_json_write(&ops, &body);
        buffer_append_text(&body, "}");
        arena_reset(&client->arena);
    }
    buffer_append_text(&body, "]}");
    buffer_append_format(request,
                         "POST /api/indexes/gallery/ops HTTP/1.1\r\nHost: localhost\r\n"
                         "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\n\r\n",
                         token, body.bytes);
    buffer_append(request, body.data, body.bytes);
    buffer_free(&body);
}

static void
make_requests(struct client *client)
{
    client->request_count = (uint32_t)((client->entity_count - 1) / POST_ENTITIES + 1);
    client->requests = memory_alloc(client->request_count * sizeof *client->requests);
    for (uint32_t i = 0; i < client->request_count; i++) {
        uint64_t from = (uint64_t)i * POST_ENTITIES, to = from + POST_ENTITIES;
        client->requests[i] = (struct buffer){0};
        make_request(client, from, to < client->entity_count ? to : client->entity_count,
                     &client->requests[i]);
    }
}

static void
send_request(int connection, const struct buffer *request)
{
    for (size_t sent = 0; sent < request->bytes;) {
        const char *data = (const char *)request->data + sent;
        ssize_t more = send(connection, data, request->bytes - sent, MSG_NOSIGNAL);
        require(more > 0, "a request cannot be sent");
        sent += (size_t)more;
    }
}

/* The answers are short, and have a Content-Length. */
static void
receive_answer(int connection)
{
    char answer[ANSWER_BYTES];
    size_t bytes = 0;
    for (size_t whole = SIZE_MAX; bytes < whole;) {
        ssize_t more = recv(connection, answer + bytes, sizeof answer - 1 - bytes, 0);
        require(more > 0, "the connection was closed");
        bytes += (size_t)more;
        answer[bytes] = '\0';
        const char *length = strcasestr(answer, "content-length:");
        const char *body = strstr(answer, "\r\n\r\n");
        if (body != NULL && length != NULL)
            whole = (size_t)(body + 4 - answer) + strtoull(length + 15, NULL, 10);
    }
    require(strncmp(answer, "HTTP/1.1 200", 12) == 0, answer);
}

static void *
post_all(void *context)
{
    struct client *client = context;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    require(connect(connection, (const struct sockaddr *)&address, sizeof address) == 0,
            "the index does not answer");
    make_requests(client);
    pthread_barrier_wait(&begin);
    for (uint32_t i = 0; i < client->request_count; i++) {
        send_request(connection, &client->requests[i]);
        receive_answer(connection);
    }
    pthread_barrier_wait(&begin);
    for (uint32_t i = 0; i < client->request_count; i++)
        buffer_free(&client->requests[i]);
    free(client->requests);
    close(connection);
    return NULL;
}

static void *
apply_all(void *context)
{
    struct client *client = context;
    struct engine *engine = engine_open(&index_config);
    client->ops = memory_alloc(client->entity_count * sizeof *client->ops);
    for (uint64_t n = 0; n < client->entity_count; n++)
        make_entity(client->number + n * client_count, &client->arena, &client->ops[n]);
    pthread_barrier_wait(&begin);
    for (uint64_t n = 0; n < client->entity_count;) {
        uint64_t end = n + POST_ENTITIES;
        engine_begin_rows(engine);
        for (; n < client->entity_count && n < end; n++)
            engine_apply_row(engine, (int64_t)n, &client->ops[n]);
        engine_end_rows(engine);
    }
    pthread_barrier_wait(&begin);
    engine_destroy(engine);
    free(client->ops);
    return NULL;
}

static void
run(void *work(void *))
{
    static struct client clients[CLIENTS_MAX];
    pthread_t threads[CLIENTS_MAX];
    pthread_barrier_init(&begin, NULL, client_count + 1);
    for (uint32_t i = 0; i < client_count; i++) {
        clients[i] = (struct client){.number = i, .entity_count = entities / client_count};
        arena_init(&clients[i].arena);
        require(pthread_create(&threads[i], NULL, work, &clients[i]) == 0, "no thread");
    }
    pthread_barrier_wait(&begin);
    int64_t begin_us = clock_monotonic_us();
    pthread_barrier_wait(&begin);
    printf("%.6f\n", (double)(clock_monotonic_us() - begin_us) / 1e6);
    for (uint32_t i = 0; i < client_count; i++) {
        pthread_join(threads[i], NULL);
        arena_free(&clients[i].arena);
    }
    pthread_barrier_destroy(&begin);
}

int
main(int argc, char **argv)
{
    bool posts = argc == 6 && strcmp(argv[1], "post") == 0;
    if (!posts && (argc != 4 || strcmp(argv[1], "engine") != 0)) {
        fprintf(stderr,
                "usage: bench_http post PORT TOKEN CLIENTS ENTITIES | engine THREADS ENTITIES\n");
        return 2;
    }
    port = posts ? (uint16_t)strtoul(argv[2], NULL, 10) : 0;
    token = posts ? argv[3] : NULL;
    client_count = (uint32_t)strtoul(argv[argc - 2], NULL, 10);
    entities = strtoull(argv[argc - 1], NULL, 10);
    require(client_count > 0 && client_count <= CLIENTS_MAX, "too many clients, or none");
    require(entities >= client_count, "too few entities");
    run(posts ? post_all : apply_all);
    return 0;
}
