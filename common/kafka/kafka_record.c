/* Reading a queue: one wait for the first message, then whatever is there, in growing bites, so
 * that neither a lone message waits nor a full queue is emptied at once.
 *
 * The library puts errors among the messages. One that stands behind messages is told by the next
 * read. Of several, the first is kept, but an offset out of range goes before all others: it is
 * said only once, and nothing follows it.
 *
 * When a rebalance pauses a partition while its reader takes a message, the library may fetch
 * that message again (F47); so offsets that were read before are dropped here.
 */
#include "common/kafka/kafka_record.h"

#include "common/base/check.h"
#include "common/kafka/kafka_internal.h"

void
kafka_batch_release(struct kafka_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->messages[i] != NULL)
            rd_kafka_message_destroy(batch->messages[i]);
    batch->count = 0;
    batch->bytes = 0;
}

static void
queue_note_error(struct kafka_queue *queue, const rd_kafka_message_t *message)
{
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

static void
queue_sort(struct kafka_queue *queue, rd_kafka_message_t **messages, size_t count,
           struct kafka_batch *batch)
{
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

/* As many again as there are, or as many as fit if they are of average size. */
static size_t
batch_bite(const struct kafka_batch *batch, uint32_t max_records, size_t max_bytes)
{
    size_t mean_bytes = batch->bytes / batch->count + 1;
    size_t bite = (max_bytes - batch->bytes) / mean_bytes + 1;
    if (bite > batch->count)
        bite = batch->count;
    return bite < max_records - batch->count ? bite : max_records - batch->count;
}

static void
queue_read_rest(struct kafka_queue *queue, uint32_t max_records, size_t max_bytes,
                struct kafka_batch *batch)
{
    rd_kafka_message_t *messages[KAFKA_BATCH_RECORDS_MAX / 2];
    while (batch->count > 0 && batch->count < max_records && batch->bytes < max_bytes) {
        size_t bite = batch_bite(batch, max_records, max_bytes);
        ssize_t got = rd_kafka_consume_batch_queue(queue->handle, 0, messages, bite);
        if (got > 0)
            queue_sort(queue, messages, (size_t)got, batch);
        if (got < (ssize_t)bite)
            break;
    }
}

int
kafka_queue_read(struct kafka_queue *queue, int wait_ms, uint32_t max_records, size_t max_bytes,
                 struct kafka_batch *batch, struct error *err)
{
    CHECK(max_records > 0 && max_records <= KAFKA_BATCH_RECORDS_MAX);
    kafka_batch_release(batch);
    if (queue->pending.code == 0) {
        rd_kafka_message_t *first = rd_kafka_consume_queue(queue->handle, wait_ms);
        if (first != NULL)
            queue_sort(queue, &first, 1, batch);
        queue_read_rest(queue, max_records, max_bytes, batch);
    }
    if (batch->count > 0 || queue->pending.code == 0)
        return 0;
    struct error pending = queue->pending;
    queue->pending.code = 0;
    return error_set(err, pending.code, "%s", pending.message);
}
