/* From a commit to a query that finds the row, on connections that are kept: ours, for latency.py.
 *
 *     commits stream CONNINFO PORT FIRST RATE COUNT EVERY   commits one row each, RATE a second
 *     commits single CONNINFO PORT FIRST COUNT              one after the other
 *     commits alone CONNINFO COUNT                          into a table that nobody reads
 *
 * Row n is of the entity FIRST + n, which must be new; the index of the gallery answers at PORT.
 * `stream` times one commit in EVERY, from its return to the first answer that has the entity;
 * `single` from sending the INSERT. `alone` times the INSERT alone, which is what `single` cannot
 * do without. All print p50 and p99 in milliseconds; `stream` also the rate that was reached.
 *
 * Writers take the next row when it is due, so one that waits for an answer holds up no other.
 */
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bare.h"

enum { WRITERS = 16, ANSWER_BYTES = 1 << 16, PAUSE_US = 100, WARM = 20 };

static const char into_outbox[] =
    "INSERT INTO \"BitdexOps\" (entity_id, ops) VALUES ($1::bigint, jsonb_build_array("
    "'{\"op\": \"alive\"}'::jsonb,"
    " jsonb_build_object('op', 'set', 'field', 'postId', 'value', $1::bigint)))";
static const char into_alone[] =
    "INSERT INTO bench_alone (entity_id, ops) VALUES ($1::bigint, '[]')";

struct client {
    PGconn *connection;
    int socket; /* of the index; 0: none */
};

struct work {
    const char *conninfo;
    uint16_t port; /* 0: the rows are not looked up */
    int64_t first;
    double rate; /* 0: as soon as the one before has ended */
    int64_t count;
    int64_t every;
    double begun_s;
    atomic_llong next;
    double *times; /* in milliseconds; of every row that is timed */
};

static void
client_run(struct client *client, const char *statement)
{
    PGresult *result = PQexec(client->connection, statement);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail(statement, PQerrorMessage(client->connection));
    PQclear(result);
}

static void
client_open(struct client *client, const struct work *work)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(work->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client->connection = PQconnectdb(work->conninfo);
    if (PQstatus(client->connection) != CONNECTION_OK)
        fail("connect", PQerrorMessage(client->connection));
    if (work->port == 0)
        client_run(client, "DROP TABLE IF EXISTS bench_alone; CREATE TABLE bench_alone"
                           " (id bigserial PRIMARY KEY, entity_id bigint, ops jsonb)");
    const char *statement = work->port != 0 ? into_outbox : into_alone;
    PGresult *result = PQprepare(client->connection, "insert", statement, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail("prepare", PQerrorMessage(client->connection));
    PQclear(result);
    if (work->port == 0)
        return;
    client->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client->socket, (const struct sockaddr *)&address, sizeof address) != 0)
        fail("connect", "the index does not answer");
}

static void
client_close(struct client *client)
{
    PQfinish(client->connection);
    if (client->socket != 0)
        close(client->socket);
}

static void
client_insert(struct client *client, int64_t entity)
{
    char text[32];
    const char *const values[] = {text};
    snprintf(text, sizeof text, "%lld", (long long)entity);
    PGresult *result = PQexecPrepared(client->connection, "insert", 1, values, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        fail("insert", PQerrorMessage(client->connection));
    PQclear(result);
}

/* Reads one answer, which has a Content-Length. */
static void
client_receive(struct client *client, char *answer)
{
    size_t bytes = 0;
    const char *body = NULL;
    for (size_t whole = SIZE_MAX; bytes < whole;) {
        ssize_t more = recv(client->socket, answer + bytes, ANSWER_BYTES - 1 - bytes, 0);
        if (more <= 0)
            fail("query", "the connection was closed, or the answer is too long");
        bytes += (size_t)more;
        answer[bytes] = '\0';
        const char *length = strcasestr(answer, "content-length:");
        body = strstr(answer, "\r\n\r\n");
        if (body != NULL && length != NULL)
            whole = (size_t)(body + 4 - answer) + strtoull(length + 15, NULL, 10);
    }
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0)
        fail("query", answer);
}

static bool
client_finds(struct client *client, int64_t entity)
{
    char body[128], request[512], answer[ANSWER_BYTES];
    int bytes = snprintf(body, sizeof body,
                         "{\"filters\":[{\"Eq\":[\"postId\",{\"Integer\":%lld}]}],\"limit\":1}",
                         (long long)entity);
    bytes = snprintf(request, sizeof request,
                     "POST /api/indexes/gallery/query HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                     bytes, body);
    if (send(client->socket, request, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        fail("query", "cannot be sent");
    client_receive(client, answer);
    const char *total = strstr(answer, "\"total_matched\":");
    if (total == NULL)
        fail("query", answer);
    return strtoll(total + 16, NULL, 10) > 0;
}

static void
client_await(struct client *client, int64_t entity)
{
    double begin = now_s();
    while (!client_finds(client, entity)) {
        if (now_s() > begin + WAIT_MS / 1000.0)
            fail("query", "the row was not found in time");
        sleep_until(now_s() + PAUSE_US / 1e6);
    }
}

static void
work_do(struct work *work, struct client *client, int64_t n)
{
    double begin = now_s();
    client_insert(client, work->first + n);
    if (work->rate > 0)
        begin = now_s();
    if (n % work->every != 0)
        return;
    if (work->port != 0)
        client_await(client, work->first + n);
    work->times[n / work->every] = (now_s() - begin) * 1000;
}

static void *
write_rows(void *context)
{
    struct work *work = context;
    struct client client = {0};
    client_open(&client, work);
    for (int64_t n; (n = atomic_fetch_add(&work->next, 1)) < work->count;) {
        if (work->rate > 0)
            sleep_until(work->begun_s + (double)n / work->rate);
        work_do(work, &client, n);
    }
    client_close(&client);
    return NULL;
}

static void
work_run(struct work *work, int writers)
{
    pthread_t threads[WRITERS];
    int64_t samples = (work->count - 1) / work->every + 1;
    work->times = calloc((size_t)samples, sizeof *work->times);
    work->begun_s = now_s() + 1; /* the writers connect first */
    for (int i = 0; i < writers; i++)
        if (pthread_create(&threads[i], NULL, write_rows, work) != 0)
            fail("thread", "cannot start");
    for (int i = 0; i < writers; i++)
        pthread_join(threads[i], NULL);
    double took_s = now_s() - work->begun_s;
    if (work->rate > 0)
        printf("%.1f ", (double)work->count / took_s);
    /* What the first rows wait for is not of every row. */
    int64_t skipped = work->rate == 0 && samples > 2 * WARM ? WARM : 0;
    print_percentiles(work->times + skipped, (int)(samples - skipped));
    free(work->times);
}

int
main(int argc, char **argv)
{
    struct work work = {.conninfo = argc > 2 ? argv[2] : NULL, .every = 1};
    if (argc == 8 && strcmp(argv[1], "stream") == 0) {
        work.rate = (double)parse_positive(argv[5]);
        work.count = parse_positive(argv[6]);
        work.every = parse_positive(argv[7]);
    } else if (argc == 6 && strcmp(argv[1], "single") == 0) {
        work.count = parse_positive(argv[5]);
    } else if (argc == 4 && strcmp(argv[1], "alone") == 0) {
        work.count = parse_positive(argv[3]);
    } else {
        fail("usage", "commits stream CONNINFO PORT FIRST RATE COUNT EVERY |"
                      " single CONNINFO PORT FIRST COUNT | alone CONNINFO COUNT");
    }
    if (argc > 4) {
        work.port = (uint16_t)parse_positive(argv[3]);
        work.first = parse_positive(argv[4]);
    }
    work_run(&work, work.rate > 0 ? WRITERS : 1);
    return 0;
}
