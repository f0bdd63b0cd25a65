/* The messages that librdkafka queues are a prefix of the call: it takes the messages of one
 * partition in order until its queue is full, and none after that. It would only skip a message
 * that is too large, and such a message is refused here before anything is queued.
 *
 * The idempotent producer keeps the order on the topic. Each message carries its number within the
 * partition, and reports must arrive in the order of these numbers, so the number of acknowledged
 * messages is a position. The gapless guarantee prevents the delivery of messages after a refused
 * one.
 *
 * Acknowledged offsets grow. One that does not proves that the topic was created again, or that the
 * cluster has lost what it had acknowledged, and is an error.
 *
 * The first error ends the producer: `failed` holds the reason, and later reports are not counted.
 */
#include "common/kafka/kafka_producer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_conf.h"
#include "common/kafka/kafka_last_error.h"
#include "common/kafka/kafka_wakeup.h"

enum { SEND_MESSAGES = 4096 }; /* of one call of librdkafka */

/* acked <= sent */
struct producer_partition {
    uint64_t sent;
    uint64_t acked;
    int64_t acked_offset;
    bool is_offset_missing; /* the last acknowledgement had none */
    int64_t gap_first;      /* gap_first <= offset < gap_end were not acknowledged */
    int64_t gap_end;        /* 0: there is no gap */
};

struct kafka_producer {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    struct kafka_wakeup reports; /* something may be in the queue of reports */
    size_t message_bytes_max;
    uint64_t outstanding; /* of all partitions: sent - acked, until an error */
    struct error failed;  /* code 0: no error */
    struct kafka_last_error last_error;
    rd_kafka_message_t scratch[SEND_MESSAGES];
    int32_t partition_count;
    struct producer_partition partitions[];
};

static void
producer_fail(struct kafka_producer *producer, const char *what, const char *reason)
{
    if (producer->failed.code != 0)
        return;
    error_set(&producer->failed, ERR_RETRY, "kafka: %s: %s", what, reason);
}

static int
producer_status(const struct kafka_producer *producer, struct error *err)
{
    if (producer->failed.code == 0)
        return 0;
    return error_set(err, producer->failed.code, "%s", producer->failed.message);
}

/* Until an error, the counts of the partitions add up to what is outstanding. */
static void
producer_check(const struct kafka_producer *producer)
{
    uint64_t outstanding = 0;
    for (int32_t i = 0; i < producer->partition_count; i++) {
        const struct producer_partition *partition = &producer->partitions[i];
        CHECK(partition->acked <= partition->sent);
        CHECK(partition->acked_offset >= -1);
        outstanding += partition->sent - partition->acked;
    }
    CHECK(outstanding == producer->outstanding);
}

/* The broker does not report the offset of a duplicate. */
static void
producer_take_offset(struct kafka_producer *producer, struct producer_partition *partition,
                     int64_t offset)
{
    CHECK(partition->acked_offset >= -1);
    partition->is_offset_missing = offset < 0;
    if (offset < 0)
        return;
    if (offset <= partition->acked_offset) {
        producer_fail(producer, "delivery failed",
                      "the topic was created again, or has lost messages that were acknowledged");
        return;
    }
    if (partition->acked_offset >= 0 && offset > partition->acked_offset + 1) {
        if (partition->gap_end == 0)
            partition->gap_first = partition->acked_offset + 1;
        partition->gap_end = offset;
        CHECK(partition->gap_first < partition->gap_end);
    }
    partition->acked_offset = offset;
}

static void
producer_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct kafka_producer *producer = opaque;
    CHECK(message->partition >= 0 && message->partition < producer->partition_count);
    struct producer_partition *partition = &producer->partitions[message->partition];
    uint64_t number = (uintptr_t)message->_private;
    if (producer->failed.code != 0)
        return;
    if (message->err != 0) {
        /* rd_kafka_message_errstr() is for consumers: here it would return the payload */
        producer_fail(producer, "delivery failed", rd_kafka_err2str(message->err));
    } else if (number != partition->acked + 1) {
        producer_fail(producer, "delivery failed", "acknowledged out of order");
    } else {
        CHECK(number <= partition->sent);
        CHECK(producer->outstanding > 0);
        partition->acked = number;
        producer->outstanding--;
        producer_take_offset(producer, partition, message->offset);
    }
}

static void
producer_on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    struct kafka_producer *producer = opaque;
    char fatal[512];
    if (code == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(client, fatal, sizeof fatal) != 0)
        producer_fail(producer, "delivery failed", fatal);
    else
        kafka_last_error_set(&producer->last_error, (rd_kafka_resp_err_t)code, reason);
}

/* The largest message that fits into an empty queue. */
static size_t
producer_message_bytes_max(const rd_kafka_t *client)
{
    char kbytes[32];
    size_t bytes = sizeof kbytes;
    CHECK(rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)(uintptr_t)client),
                            "queue.buffering.max.kbytes", kbytes, &bytes) == RD_KAFKA_CONF_OK);
    size_t queue_bytes = strtoull(kbytes, NULL, 10) << 10;
    size_t library_bytes = (size_t)1000 * 1000 * 1000 - 1024; /* message.max.bytes less framing */
    return queue_bytes < library_bytes ? queue_bytes : library_bytes;
}

/* The limit of the broker includes the header of a batch. */
static int
producer_limit_batches(rd_kafka_conf_t *conf, int64_t batch_bytes_max, struct error *err)
{
    enum { FRAMING_BYTES = 512 };
    char value[32];
    size_t bytes = sizeof value;
    CHECK(rd_kafka_conf_get(conf, "batch.size", value, &bytes) == RD_KAFKA_CONF_OK);
    int64_t limit = batch_bytes_max - FRAMING_BYTES;
    if (batch_bytes_max == 0 || strtoll(value, NULL, 10) <= limit)
        return 0;
    snprintf(value, sizeof value, "%" PRId64, limit > 0 ? limit : 1);
    return kafka_conf_set(conf, "batch.size", value, err);
}

int
kafka_producer_create(const struct config_kafka *config, const char *topic, int32_t partitions,
                      int64_t batch_bytes_max, struct kafka_producer **producer, struct error *err)
{
    CHECK(topic != NULL);
    CHECK(partitions > 0);
    CHECK(batch_bytes_max >= 0);
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    int rc = kafka_conf_create(config, KAFKA_PRODUCER, &conf, err);
    if (rc != 0)
        return rc;
    rc = producer_limit_batches(conf, batch_bytes_max, err);
    if (rc != 0) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    struct kafka_producer *made =
        memory_zalloc(sizeof *made + (size_t)partitions * sizeof made->partitions[0]);
    kafka_last_error_init(&made->last_error);
    made->partition_count = partitions;
    for (int32_t i = 0; i < partitions; i++)
        made->partitions[i].acked_offset = -1;
    rd_kafka_conf_set_opaque(conf, made);
    rd_kafka_conf_set_dr_msg_cb(conf, producer_report);
    rd_kafka_conf_set_error_cb(conf, producer_on_error);
    rc = kafka_client_create(RD_KAFKA_PRODUCER, conf, &client, err);
    if (rc != 0)
        goto fail;
    made->client = client;
    made->message_bytes_max = producer_message_bytes_max(client);
    made->topic = rd_kafka_topic_new(client, topic, NULL);
    if (made->topic == NULL) {
        rc = error_set(err, ERR_USAGE, "kafka: invalid topic name \"%s\"", topic);
        goto fail;
    }
    rc = kafka_wakeup_open(&made->reports, rd_kafka_queue_get_main(client), err);
    if (rc != 0)
        goto fail;
    *producer = made;
    return 0;
fail:
    kafka_producer_destroy(made);
    return rc;
}

void
kafka_producer_destroy(struct kafka_producer *producer)
{
    if (producer == NULL)
        return;
    if (producer->client != NULL) {
        producer_fail(producer, "producer", "destroyed"); /* reports are not counted any more */
        rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(producer->client, 0);
        kafka_wakeup_close(&producer->reports);
        if (producer->topic != NULL)
            rd_kafka_topic_destroy(producer->topic);
        rd_kafka_destroy(producer->client);
    }
    kafka_last_error_free(&producer->last_error);
    free(producer);
}

static void *
without_const(const void *pointer)
{
    return (
        void *)(uintptr_t)pointer; /* librdkafka copies the bytes, but its interface has no const */
}

/* Queues up to SEND_MESSAGES; returns the number of messages that were queued. */
static uint32_t
producer_send_some(struct kafka_producer *producer, int32_t partition,
                   const struct kafka_message *messages, uint32_t count)
{
    CHECK(count > 0 && count <= SEND_MESSAGES);
    struct producer_partition *to = &producer->partitions[partition];
    for (uint32_t i = 0; i < count; i++)
        producer->scratch[i] = (rd_kafka_message_t){
            .payload = without_const(messages[i].value),
            .len = messages[i].value_bytes,
            .key = without_const(messages[i].key),
            .key_len = messages[i].key_bytes,
            ._private = (void *)(uintptr_t)(to->sent + i + 1),
        };
    int queued = rd_kafka_produce_batch(producer->topic, partition, RD_KAFKA_MSG_F_COPY,
                                        producer->scratch, (int)count);
    CHECK(queued >= 0 && (uint32_t)queued <= count);
    to->sent += (uint32_t)queued;
    producer->outstanding += (uint32_t)queued;
    CHECK(producer->outstanding >= to->sent - to->acked);
    for (uint32_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = producer->scratch[i].err;
        CHECK((code == 0) == (i < (uint32_t)queued)); /* a prefix */
        if (code != 0 && code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            producer_fail(producer, "message refused", rd_kafka_err2str(code));
    }
    return (uint32_t)queued;
}

int
kafka_producer_send(struct kafka_producer *producer, int32_t partition,
                    const struct kafka_message *messages, uint32_t count, uint32_t *sent,
                    struct error *err)
{
    CHECK(partition >= 0 && partition < producer->partition_count);
    CHECK(messages != NULL || count == 0);
    *sent = 0;
    for (uint32_t i = 0; i < count; i++)
        if (messages[i].key_bytes + messages[i].value_bytes > producer->message_bytes_max)
            return error_set(
                err, ERR_DATA, "kafka: message of %zu bytes, at most %zu can be queued",
                messages[i].key_bytes + messages[i].value_bytes, producer->message_bytes_max);
    while (*sent < count && producer->failed.code == 0) {
        uint32_t step = count - *sent < SEND_MESSAGES ? count - *sent : SEND_MESSAGES;
        uint32_t queued = producer_send_some(producer, partition, messages + *sent, step);
        *sent += queued;
        if (queued < step)
            break;
    }
    CHECK(*sent <= count);
    return producer_status(producer, err);
}

int
kafka_producer_poll(struct kafka_producer *producer, int wait_ms, struct error *err)
{
    uint64_t before = producer->outstanding;
    int served = rd_kafka_poll(producer->client, 0);
    if (served == 0 && wait_ms > 0 && producer->failed.code == 0) {
        kafka_wakeup_wait(&producer->reports, wait_ms);
        rd_kafka_poll(producer->client, 0);
    }
    CHECK(producer->outstanding <= before);
    producer_check(producer);
    if (producer->outstanding < before)
        kafka_last_error_clear(&producer->last_error);
    return producer_status(producer, err);
}

static const struct producer_partition *
producer_partition(const struct kafka_producer *producer, int32_t partition)
{
    CHECK(partition >= 0 && partition < producer->partition_count);
    return &producer->partitions[partition];
}

uint64_t
kafka_producer_sent(const struct kafka_producer *producer, int32_t partition)
{
    return producer_partition(producer, partition)->sent;
}

uint64_t
kafka_producer_acked(const struct kafka_producer *producer, int32_t partition)
{
    const struct producer_partition *counts = producer_partition(producer, partition);
    CHECK(counts->acked <= counts->sent);
    return counts->acked;
}

int64_t
kafka_producer_acked_offset(const struct kafka_producer *producer, int32_t partition)
{
    return producer_partition(producer, partition)->acked_offset;
}

bool
kafka_producer_acked_offset_is_last(const struct kafka_producer *producer, int32_t partition)
{
    const struct producer_partition *counts = producer_partition(producer, partition);
    return counts->acked > 0 && !counts->is_offset_missing;
}

bool
kafka_producer_take_gap(struct kafka_producer *producer, int32_t partition, int64_t *first,
                        int64_t *end)
{
    CHECK(partition >= 0 && partition < producer->partition_count);
    struct producer_partition *of = &producer->partitions[partition];
    if (of->gap_end == 0)
        return false;
    *first = of->gap_first;
    *end = of->gap_end;
    of->gap_end = 0;
    return true;
}

uint64_t
kafka_producer_outstanding(const struct kafka_producer *producer)
{
    return producer->outstanding;
}

void
kafka_producer_last_error(struct kafka_producer *producer, char *out, size_t bytes)
{
    kafka_last_error_copy(&producer->last_error, out, bytes);
}
