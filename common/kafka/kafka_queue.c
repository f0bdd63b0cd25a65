/* Reading a queue: one wait for the first message, then the messages that are there. They are taken
 * in steps that grow, so that a single message does not wait, and a full queue is not emptied
 * beyond the limits of the batch.
 *
 * librdkafka puts errors into the queue of messages. An error that follows messages is returned by
 * the next read. Of several errors the first one is kept, except that an offset that is out of
 * range replaces every other error: it is reported only once, and nothing follows it.
 *
 * When a rebalance pauses a partition while its reader takes a message, librdkafka may fetch that
 * message again (F47). Messages with offsets that were read before are dropped here.
 */
#include "common/kafka/kafka_queue.h"

#include "common/base/check.h"

static void
queue_note_error(struct kafka_queue *queue, const rd_kafka_message_t *message)
{
    CHECK(message->err != 0);
    bool is_offset = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                     message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
        (queue->pending.code != 0 && !is_offset))
        return;
    error_set(&queue->pending, is_offset ? ERR_DATA : ERR_RETRY, "kafka: partition %d: %s",
              (int)message->partition, rd_kafka_message_errstr(message));
}

static int64_t
message_timestamp_ms(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    return type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? timestamp_ms : -1;
}

static void
batch_add(struct kafka_batch *batch, rd_kafka_message_t *message)
{
    CHECK(batch->count < KAFKA_BATCH_RECORDS_MAX);
    batch->records[batch->count] = (struct kafka_record){
        .offset = message->offset,
        .timestamp_ms = message_timestamp_ms(message),
        .key = message->key,
        .key_bytes = message->key_len,
        .value = message->payload,
        .value_bytes = message->len,
    };
    batch->messages[batch->count++] = message;
    batch->bytes += message->len;
}

/* Moves messages into the batch, and drops the others. */
static void
queue_take(struct kafka_queue *queue, rd_kafka_message_t **messages, size_t count,
           struct kafka_batch *batch)
{
    CHECK(count <= KAFKA_BATCH_RECORDS_MAX - batch->count);
    for (size_t i = 0; i < count; i++) {
        if (messages[i]->err == 0 && messages[i]->offset >= queue->next_offset) {
            queue->next_offset = messages[i]->offset + 1;
            batch_add(batch, messages[i]);
            continue;
        }
        if (messages[i]->err != 0)
            queue_note_error(queue, messages[i]);
        rd_kafka_message_destroy(messages[i]);
    }
}

/* The number of messages to take next: as many as the batch has, and not more than fit if they have
 * the average size. */
static size_t
batch_step(const struct kafka_batch *batch, uint32_t max_records, size_t max_bytes)
{
    CHECK(batch->count > 0 && batch->count < max_records);
    CHECK(batch->bytes < max_bytes);
    size_t mean_bytes = batch->bytes / batch->count + 1;
    size_t step = (max_bytes - batch->bytes) / mean_bytes + 1;
    if (step > batch->count)
        step = batch->count;
    if (step > max_records - batch->count)
        step = max_records - batch->count;
    CHECK(step > 0 && step <= KAFKA_BATCH_RECORDS_MAX / 2);
    return step;
}

static void
queue_read_rest(struct kafka_queue *queue, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch)
{
    rd_kafka_message_t *messages[KAFKA_BATCH_RECORDS_MAX / 2];
    while (batch->count > 0 && batch->count < max_records && batch->bytes < max_bytes) {
        size_t step = batch_step(batch, max_records, max_bytes);
        ssize_t got = rd_kafka_consume_batch_queue(queue->handle, 0, messages, step);
        CHECK(got <= (ssize_t)step);
        if (got > 0)
            queue_take(queue, messages, (size_t)got, batch);
        if (got < (ssize_t)step)
            break;
    }
}

int
kafka_queue_read(struct kafka_queue *queue, int wait_ms, uint32_t max_records, size_t max_bytes,
                 struct kafka_batch *batch, struct error *err)
{
    CHECK(max_records > 0 && max_records <= KAFKA_BATCH_RECORDS_MAX);
    CHECK(max_bytes > 0);
    CHECK(queue->handle != NULL);
    kafka_batch_release(batch);
    if (queue->pending.code == 0) {
        rd_kafka_message_t *first = rd_kafka_consume_queue(queue->handle, wait_ms);
        if (first != NULL)
            queue_take(queue, &first, 1, batch);
        queue_read_rest(queue, max_records, max_bytes, batch);
    }
    CHECK(batch->count <= max_records);
    kafka_batch_check(batch);
    if (batch->count > 0 || queue->pending.code == 0)
        return 0;
    struct error pending = queue->pending;
    queue->pending.code = 0;
    return error_set(err, pending.code, "%s", pending.message);
}
