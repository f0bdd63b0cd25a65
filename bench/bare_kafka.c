/* What librdkafka achieves alone: baselines of the bench.
 *
 *     bare_kafka consume BOOTSTRAP TOPIC         reads all partitions from the beginning to the end
 *     bare_kafka latency BOOTSTRAP TOPIC COUNT   produces and consumes one message at a time
 *     bare_kafka stream BOOTSTRAP TOPIC RATE COUNT EVERY
 *                                                produces RATE messages a second to all partitions
 *
 * `consume` prints messages, bytes, seconds, and seconds of processor time. The others print p50
 * and p99, in milliseconds, of the time from produce to consume; `stream` times one message in
 * EVERY.
 * As in the product, linger is 1 ms and every message is acknowledged by all replicas.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bare.h"

enum { BATCH = 4096 };

static rd_kafka_t *
consumer_create(const char *bootstrap)
{
    static const char *const settings[] = {
        "group.id", "bare", "enable.auto.commit", "false", "fetch.wait.max.ms", "500", NULL};
    rd_kafka_t *consumer = client_create(RD_KAFKA_CONSUMER, bootstrap, settings, NULL);
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

/* `offsets`: of each partition; NULL: from the beginning. */
static void
consumer_assign(rd_kafka_t *consumer, const char *topic, int32_t partitions, const int64_t *offsets)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t p = 0; p < partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset =
            offsets != NULL ? offsets[p] : RD_KAFKA_OFFSET_BEGINNING;
    if (rd_kafka_assign(consumer, list) != 0)
        fail(topic, "cannot assign its partitions");
    rd_kafka_topic_partition_list_destroy(list);
}

/* How many messages the topic holds, control records included. */
static int64_t
topic_end(rd_kafka_t *consumer, const char *topic, int32_t partitions, int64_t *ends)
{
    int64_t total = 0;
    for (int32_t p = 0; p < partitions; p++) {
        int64_t low;
        if (rd_kafka_query_watermark_offsets(consumer, topic, p, &low, &ends[p], WAIT_MS) != 0)
            fail(topic, "no offsets");
        total += ends[p] - low;
    }
    return total;
}

static void
run_consume(const char *bootstrap, const char *topic)
{
    static rd_kafka_message_t *batch[BATCH];
    int64_t ends[PARTITIONS_MAX];
    rd_kafka_t *consumer = consumer_create(bootstrap);
    int32_t partitions = topic_partitions(consumer, topic);
    int64_t left = topic_end(consumer, topic, partitions, ends);
    int64_t messages = 0, bytes = 0;
    double begin = now_s();
    consumer_assign(consumer, topic, partitions, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    while (messages < left) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 100, batch, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            messages += batch[i]->err == 0 && batch[i]->offset < ends[batch[i]->partition];
            bytes += (int64_t)batch[i]->len;
            rd_kafka_message_destroy(batch[i]);
        }
    }
    printf("%lld %lld %.6f %.6f\n", (long long)messages, (long long)bytes, now_s() - begin,
           processor_s());
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

static double
round_trip_ms(rd_kafka_t *producer, rd_kafka_t *consumer, rd_kafka_topic_t *topic)
{
    static const char payload[100];
    double begin = now_s();
    if (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)payload, sizeof payload,
                         NULL, 0, NULL) != 0)
        fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, WAIT_MS);
        if (message == NULL)
            fail("consume", "no message arrived in time");
        int arrived = message->err == 0;
        rd_kafka_message_destroy(message);
        rd_kafka_poll(producer, 0);
        if (arrived)
            return (now_s() - begin) * 1000;
    }
}

static void
run_latency(const char *bootstrap, const char *topic_name, int count)
{
    static const char *const settings[] = {"enable.idempotence", "true", "linger.ms", "1", NULL};
    int64_t ends[PARTITIONS_MAX];
    rd_kafka_t *producer = client_create(RD_KAFKA_PRODUCER, bootstrap, settings, NULL);
    rd_kafka_t *consumer = consumer_create(bootstrap);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, topic_name, NULL);
    topic_end(consumer, topic_name, 1, ends);
    consumer_assign(consumer, topic_name, 1, ends);
    round_trip_ms(producer, consumer, topic); /* opens the connections */
    double *times = calloc((size_t)count, sizeof *times);
    for (int i = 0; i < count; i++)
        times[i] = round_trip_ms(producer, consumer, topic);
    print_percentiles(times, count);
    free(times);
    rd_kafka_topic_destroy(topic);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
}

/* A message of `stream`, with the size of those of `latency`. */
struct stamp {
    double sent_s; /* 0: it is not timed */
    char more[92];
};

struct stream {
    rd_kafka_t *consumer;
    double *times;
    int count; /* to receive */
};

static void *
receive_stamps(void *context)
{
    struct stream *stream = context;
    for (int received = 0; received < stream->count;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(stream->consumer, WAIT_MS);
        struct stamp stamp;
        if (message == NULL)
            fail("consume", "no message arrived in time");
        if (message->err == 0) {
            memcpy(&stamp, message->payload, sizeof stamp);
            if (stamp.sent_s > 0)
                stream->times[received++] = (now_s() - stamp.sent_s) * 1000;
        }
        rd_kafka_message_destroy(message);
    }
    return NULL;
}

/* The first messages open the connections, and are not timed. */
static void
send_stamps(rd_kafka_t *producer, rd_kafka_topic_t *topic, int32_t partitions, int64_t rate,
            int64_t count, int64_t every)
{
    double begin = now_s() + 1;
    for (int64_t n = -rate; n < count; n++) {
        sleep_until(begin + (double)n / (double)rate);
        struct stamp stamp = {.sent_s = n >= 0 && n % every == 0 ? now_s() : 0};
        int32_t partition = (int32_t)((n + rate) % partitions);
        if (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, &stamp, sizeof stamp, NULL, 0,
                             NULL) != 0)
            fail("produce", rd_kafka_err2str(rd_kafka_last_error()));
        rd_kafka_poll(producer, 0);
    }
    if (rd_kafka_flush(producer, WAIT_MS) != 0)
        fail("delivery", "not everything was acknowledged in time");
}

static void
run_stream(const char *bootstrap, const char *topic_name, int64_t rate, int64_t count,
           int64_t every)
{
    static const char *const settings[] = {"enable.idempotence", "true", "linger.ms", "1", NULL};
    int64_t ends[PARTITIONS_MAX];
    pthread_t receiver;
    rd_kafka_t *producer = client_create(RD_KAFKA_PRODUCER, bootstrap, settings, NULL);
    struct stream stream = {consumer_create(bootstrap), NULL, (int)((count - 1) / every + 1)};
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, topic_name, NULL);
    int32_t partitions = topic_partitions(stream.consumer, topic_name);
    topic_end(stream.consumer, topic_name, partitions, ends);
    consumer_assign(stream.consumer, topic_name, partitions, ends);
    stream.times = calloc((size_t)stream.count, sizeof *stream.times);
    if (pthread_create(&receiver, NULL, receive_stamps, &stream) != 0)
        fail("thread", "cannot start");
    send_stamps(producer, topic, partitions, rate, count, every);
    pthread_join(receiver, NULL);
    print_percentiles(stream.times, stream.count);
    free(stream.times);
    rd_kafka_topic_destroy(topic);
    rd_kafka_consumer_close(stream.consumer);
    rd_kafka_destroy(stream.consumer);
    rd_kafka_destroy(producer);
}

int
main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "consume") == 0)
        run_consume(argv[2], argv[3]);
    else if (argc == 5 && strcmp(argv[1], "latency") == 0)
        run_latency(argv[2], argv[3], (int)parse_positive(argv[4]));
    else if (argc == 7 && strcmp(argv[1], "stream") == 0)
        run_stream(argv[2], argv[3], parse_positive(argv[4]), parse_positive(argv[5]),
                   parse_positive(argv[6]));
    else
        fail("usage", "bare_kafka consume BOOTSTRAP TOPIC | latency BOOTSTRAP TOPIC COUNT |"
                      " stream BOOTSTRAP TOPIC RATE COUNT EVERY");
    return 0;
}
