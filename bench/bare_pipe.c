/* What libpq and librdkafka achieve alone with the rows of an outbox: baselines of the bench.
 *
 *     bare_pipe copy CONNINFO                               reads the rows and discards them
 *     bare_pipe send CONNINFO BOOTSTRAP TOPIC BYTES         sends BYTES bytes for each row
 *
 * Both read the columns that the producer reads, in the order of ids, in the binary format of COPY.
 * `send` cuts each row off after BYTES bytes, or fills it up from the rows before it, so that its
 * messages compress as rows do. It hands over whole batches for each partition, and ends when every
 * message is acknowledged by all replicas. Both print rows, seconds, and seconds of processor time,
 * its own and that of its session in Postgres.
 */
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bare.h"

enum {
    BATCH = 2048,
    VALUE_BYTES_MAX = 4096,
    TRAILER_BYTES = 2, /* of a COPY in the binary format; its header comes with the first row */
};

static const char read_rows[] = "COPY (SELECT id, entity_id, txid, created_at, ops FROM"
                                " \"BitdexOps\" ORDER BY id) TO STDOUT (FORMAT binary)";

struct partition {
    uint8_t values[BATCH][VALUE_BYTES_MAX];
    rd_kafka_message_t messages[BATCH];
    int count;
};

struct pipe {
    rd_kafka_t *client; /* NULL: the rows are discarded */
    rd_kafka_topic_t *topic;
    struct partition *partitions;
    int32_t partition_count;
    size_t value_bytes;
    int64_t rows;
    double session_s; /* processor time of the session, which is a process of this machine */
};

static void
on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err != 0)
        fail("delivery", rd_kafka_err2str(message->err));
}

static void
pipe_open(struct pipe *pipe, const char *bootstrap, const char *topic)
{
    static const char *const settings[] = {
        "enable.idempotence",
        "true",
        "compression.type",
        "lz4",
        "linger.ms",
        "5",
        "queue.buffering.max.messages",
        "500000",
        NULL,
    };
    pipe->client = client_create(RD_KAFKA_PRODUCER, bootstrap, settings, on_report);
    pipe->topic = rd_kafka_topic_new(pipe->client, topic, NULL);
    pipe->partition_count = topic_partitions(pipe->client, topic);
    pipe->partitions = calloc((size_t)pipe->partition_count, sizeof *pipe->partitions);
    if (pipe->partitions == NULL)
        fail("partitions", "out of memory");
}

/* Hands over what the partition holds; waits for the broker when the queue is full. */
static void
partition_flush(struct pipe *pipe, int32_t number)
{
    struct partition *partition = &pipe->partitions[number];
    int sent = 0;
    while (sent < partition->count) {
        sent += rd_kafka_produce_batch(pipe->topic, number, RD_KAFKA_MSG_F_COPY,
                                       partition->messages + sent, partition->count - sent);
        rd_kafka_poll(pipe->client, sent < partition->count ? 10 : 0);
    }
    partition->count = 0;
}

static void
pipe_take_row(struct pipe *pipe, const char *row, size_t bytes)
{
    int32_t number = (int32_t)(pipe->rows % pipe->partition_count);
    struct partition *partition = &pipe->partitions[number];
    size_t taken = bytes < pipe->value_bytes ? bytes : pipe->value_bytes;
    memcpy(partition->values[partition->count], row, taken);
    partition->messages[partition->count] = (rd_kafka_message_t){
        .payload = partition->values[partition->count], .len = pipe->value_bytes};
    if (++partition->count == BATCH)
        partition_flush(pipe, number);
}

static void
pipe_close(struct pipe *pipe)
{
    for (int32_t i = 0; i < pipe->partition_count; i++)
        partition_flush(pipe, i);
    if (rd_kafka_flush(pipe->client, 3 * WAIT_MS) != 0)
        fail("delivery", "not everything was acknowledged in time");
    rd_kafka_topic_destroy(pipe->topic);
    rd_kafka_destroy(pipe->client);
    free(pipe->partitions);
}

/* See proc_pid_schedstat(5): nanoseconds on a processor, first of all. */
static double
session_processor_s(const PGconn *connection)
{
    char path[64];
    long long spent_ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", PQbackendPID(connection));
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%lld", &spent_ns) != 1)
        fail(path, "cannot be read: is the server on this machine?");
    fclose(file);
    return (double)spent_ns / 1e9;
}

static void
read_all(struct pipe *pipe, const char *conninfo)
{
    PGconn *connection = PQconnectdb(conninfo);
    PGresult *result = PQexec(connection, read_rows);
    char *row;
    int bytes;
    if (PQresultStatus(result) != PGRES_COPY_OUT)
        fail("copy", PQerrorMessage(connection));
    while ((bytes = PQgetCopyData(connection, &row, 0)) > 0) {
        if (pipe->client != NULL && bytes > TRAILER_BYTES)
            pipe_take_row(pipe, row, (size_t)bytes);
        pipe->rows += bytes > TRAILER_BYTES;
        PQfreemem(row);
    }
    if (bytes != -1)
        fail("copy", PQerrorMessage(connection));
    PQclear(result);
    pipe->session_s = session_processor_s(connection);
    PQfinish(connection);
}

int
main(int argc, char **argv)
{
    struct pipe pipe = {0};
    if (argc == 6 && strcmp(argv[1], "send") == 0)
        pipe.value_bytes = strtoull(argv[5], NULL, 10);
    else if (argc != 3 || strcmp(argv[1], "copy") != 0)
        fail("usage", "bare_pipe copy CONNINFO | send CONNINFO BOOTSTRAP TOPIC BYTES");
    if (pipe.value_bytes > VALUE_BYTES_MAX)
        fail("usage", "too many bytes a row");
    if (argc == 6)
        pipe_open(&pipe, argv[3], argv[4]);
    double begun_s = now_s();
    read_all(&pipe, argv[2]);
    if (pipe.client != NULL)
        pipe_close(&pipe);
    printf("%lld %.6f %.6f %.6f\n", (long long)pipe.rows, now_s() - begun_s, processor_s(),
           pipe.session_s);
    return 0;
}
