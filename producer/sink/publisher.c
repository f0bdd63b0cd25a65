#include "producer/sink/publisher.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_producer.h"

enum {
    KEY_BYTES = 8,
    FULL_BYTES = 2 << 20,
    SEND_AT_ONCE = 4096,
    CHECKPOINTS_MAX = 64,
    /* More than a batch of one message adds to its key and value: 61 bytes of batch header and the
     * 5 varints of the record. */
    FRAMING_BYTES = 128,
    VARINT_BYTES_MAX = 10,
};

struct queued {
    size_t at; /* of the value in the queue's bytes; a key is before it */
    size_t bytes;
    bool has_key;
};

/* The messages of a partition that are not handed over yet. */
struct queue {
    struct buffer bytes; /* keys and values */
    struct queued *messages;
    uint32_t count;
    uint32_t capacity;
    uint32_t flushed; /* the first ones, which are handed over */
};

struct publisher {
    struct publisher_origin origin;
    struct event_codec *codec;
    struct kafka_producer *kafka;
    struct numbering numbering;
    struct publisher_counts counts;
    struct queue *queues;   /* by partition */
    size_t queued_bytes;    /* of values, since the last complete flush */
    int64_t flushed_row_id; /* greatest id of the rows before the last complete flush */
    struct publisher_checkpoint checkpoints[CHECKPOINTS_MAX]; /* a ring */
    uint32_t first_checkpoint;
    uint32_t checkpoint_count;
};

static void
checkpoint_init(struct publisher_checkpoint *checkpoint, int32_t partitions)
{
    CHECK(checkpoint->sent == NULL);
    numbering_init(&checkpoint->numbering, partitions);
    checkpoint->sent = memory_zalloc((size_t)partitions * sizeof *checkpoint->sent);
}

int
publisher_create(const struct config *config, const struct publisher_origin *origin,
                 const struct numbering *numbering, struct publisher **publisher, struct error *err)
{
    int32_t partitions = numbering->partitions;
    CHECK(origin->epoch >= 1 && origin->generation >= 1);
    CHECK(origin->source != NULL && origin->topic_id != NULL && origin->start_name != NULL);
    CHECK(origin->fields != NULL || origin->field_count == 0);
    CHECK(origin->message_bytes_max >= 0);
    CHECK(origin->event_bytes_max >= origin->message_bytes_max);
    struct publisher *made = memory_zalloc(sizeof *made);
    made->origin = *origin;
    made->queues = memory_zalloc((size_t)partitions * sizeof *made->queues);
    numbering_init(&made->numbering, partitions);
    numbering_copy(&made->numbering, numbering);
    made->flushed_row_id = numbering->last_row_id;
    for (int i = 0; i < CHECKPOINTS_MAX; i++)
        checkpoint_init(&made->checkpoints[i], partitions);
    int rc = event_codec_create(&made->codec, err);
    if (rc == 0)
        rc = kafka_producer_create(&config->kafka, config->topic.name, partitions,
                                   origin->message_bytes_max, &made->kafka, err);
    if (rc != 0) {
        publisher_destroy(made);
        return rc;
    }
    *publisher = made;
    return 0;
}

void
publisher_destroy(struct publisher *publisher)
{
    if (publisher == NULL)
        return;
    kafka_producer_destroy(publisher->kafka);
    event_codec_destroy(publisher->codec);
    for (int32_t i = 0; i < publisher->numbering.partitions; i++) {
        buffer_free(&publisher->queues[i].bytes);
        free(publisher->queues[i].messages);
    }
    for (int i = 0; i < CHECKPOINTS_MAX; i++) {
        numbering_free(&publisher->checkpoints[i].numbering);
        free(publisher->checkpoints[i].sent);
    }
    free(publisher->queues);
    numbering_free(&publisher->numbering);
    free(publisher);
}

static void
queue_message(struct publisher *publisher, struct queue *queue, size_t at, bool has_key)
{
    CHECK(at <= queue->bytes.bytes);
    CHECK(!has_key || at >= KEY_BYTES);
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? 64 : 2 * queue->capacity;
        queue->messages =
            memory_realloc(queue->messages, queue->capacity * sizeof *queue->messages);
    }
    size_t bytes = queue->bytes.bytes - at;
    CHECK(bytes > 0 && queue->count < queue->capacity);
    queue->messages[queue->count++] = (struct queued){at, bytes, has_key};
    publisher->queued_bytes += bytes;
    publisher->counts.bytes += bytes;
}

static size_t
varint_bytes(int64_t number)
{
    uint64_t zigzag = (uint64_t)number << 1;
    size_t bytes = 1;
    while ((zigzag >>= 7) != 0)
        bytes++;
    return bytes;
}

/* The seq counts with its greatest length, so that a fan-out has the same size in all
 * partitions. */
static bool
publisher_fits(const struct publisher *publisher, size_t bytes, int64_t seq)
{
    CHECK(seq > 0);
    CHECK(bytes >= varint_bytes(seq));
    size_t whole = bytes - varint_bytes(seq) + VARINT_BYTES_MAX + KEY_BYTES + FRAMING_BYTES;
    return (int64_t)whole <= publisher->origin.event_bytes_max;
}

/* A row is numbered in the partition of its entity; a rejected event is routed by the kind that it
 * had. */
static bool
event_is_routed(const struct event *event, int32_t partition, int32_t partitions)
{
    switch (event->kind) {
    case EVENT_ROW:
        return partition == numbering_partition(event->entity_id, partitions);
    case EVENT_FAN_OUT:
    case EVENT_REJECTED:
    case EVENT_PARENT_REFRESH:
        return partition >= 0 && partition < partitions;
    default:
        CHECK(!event_kind_is_numbered(event->kind));
        return false;
    }
}

static void
event_set_origin(const struct publisher *publisher, struct event *event)
{
    event->epoch = publisher->origin.epoch;
    event->generation = publisher->origin.generation;
    event->source = text_of(publisher->origin.source);
}

int
publisher_add(struct publisher *publisher, int32_t partition, struct event *event,
              struct error *err)
{
    CHECK(event_is_routed(event, partition, publisher->numbering.partitions));
    struct queue *queue = &publisher->queues[partition];
    size_t before = queue->bytes.bytes;
    uint64_t key = htobe64((uint64_t)event->entity_id);
    event_set_origin(publisher, event);
    event->seq = publisher->numbering.seq[partition] + 1;
    buffer_append(&queue->bytes, &key, sizeof key);
    size_t at = queue->bytes.bytes;
    struct numbered_row row = {.id = event->row_id, .txid = event->txid};
    int rc = event_encode_body(publisher->codec, event, &queue->bytes, &row.body_crc, err);
    if (rc == 0 && !publisher_fits(publisher, queue->bytes.bytes - at, event->seq))
        rc = error_set(err, ERR_DATA,
                       "event of %zu bytes is too large for the topic's"
                       " max.message.bytes (%lld)",
                       queue->bytes.bytes - at, (long long)publisher->origin.event_bytes_max);
    if (rc != 0) {
        queue->bytes.bytes = before;
        return rc;
    }
    CHECK(numbering_next(&publisher->numbering, partition, &row) == event->seq);
    queue_message(publisher, queue, at, true);
    publisher->counts.events++;
    return 0;
}

int
publisher_add_marks(struct publisher *publisher, int64_t tick, const struct mark *mark,
                    const int64_t *owed, struct error *err)
{
    const struct numbering *numbering = &publisher->numbering;
    struct event event = {.kind = EVENT_MARK, .tick = tick, .mark = *mark};
    CHECK(mark->snapshot.bytes > 0 && mark->backlog_rows >= 0);
    CHECK(tick >= 0);
    CHECK(mark->kind == MARK_FENCE || mark->kind == MARK_WATERMARK);
    event_set_origin(publisher, &event);
    event.mark.topic_id = text_of(publisher->origin.topic_id);
    event.mark.partitions = numbering->partitions;
    event.mark.last_row_id = numbering->last_row_id;
    event.mark.has_content = true;
    event.mark.start_name = text_of(publisher->origin.start_name);
    event.mark.fields = publisher->origin.fields;
    event.mark.field_count = publisher->origin.field_count;
    event.mark.voided = publisher->origin.voided;
    for (int32_t i = 0; i < numbering->partitions; i++) {
        struct queue *queue = &publisher->queues[i];
        size_t at = queue->bytes.bytes;
        event.seq = numbering->seq[i];
        event.mark.digest = numbering->digest[i];
        event.mark.content_digest = numbering->content_digest[i];
        event.mark.owed = owed[i];
        CHECK(event.seq > 0 || event.mark.digest == EVENT_DIGEST_START);
        int rc = event_encode(publisher->codec, &event, &queue->bytes, err);
        if (rc != 0)
            return rc;
        queue_message(publisher, queue, at, false);
        publisher->counts.marks++;
    }
    return 0;
}

void
publisher_set_covered(struct publisher *publisher, const struct text *fields, uint32_t count)
{
    CHECK(fields != NULL || count == 0);
    publisher->origin.fields = fields;
    publisher->origin.field_count = count;
}

void
publisher_set_voided(struct publisher *publisher, int64_t number)
{
    CHECK(number >= publisher->origin.voided);
    publisher->origin.voided = number;
}

int64_t
publisher_control_bytes_max(int64_t message_bytes_max)
{
    int64_t bytes = message_bytes_max - FRAMING_BYTES;
    return bytes > 0 ? bytes : 0;
}

int
publisher_add_control(struct publisher *publisher, int32_t partition, struct event *event,
                      struct error *err)
{
    CHECK(!event_kind_is_numbered(event->kind) && event->kind != EVENT_MARK);
    CHECK(partition >= 0 && partition < publisher->numbering.partitions);
    struct queue *queue = &publisher->queues[partition];
    size_t at = queue->bytes.bytes;
    int64_t bytes_max = publisher_control_bytes_max(publisher->origin.message_bytes_max);
    event_set_origin(publisher, event);
    event->seq = publisher->numbering.seq[partition];
    int rc = event_encode(publisher->codec, event, &queue->bytes, err);
    if (rc == 0 && (int64_t)(queue->bytes.bytes - at) > bytes_max)
        rc = error_set(err, ERR_DATA,
                       "event of %zu bytes is too large for the topic's"
                       " max.message.bytes (%lld)",
                       queue->bytes.bytes - at, (long long)publisher->origin.message_bytes_max);
    if (rc != 0) {
        queue->bytes.bytes = at;
        return rc;
    }
    queue_message(publisher, queue, at, false);
    return 0;
}

bool
publisher_full(const struct publisher *publisher)
{
    return publisher->queued_bytes >= FULL_BYTES;
}

bool
publisher_flushed(const struct publisher *publisher)
{
    return publisher->queued_bytes == 0;
}

static struct kafka_message
queue_message_at(const struct queue *queue, uint32_t index)
{
    CHECK(index < queue->count);
    const struct queued *queued = &queue->messages[index];
    CHECK(queued->at + queued->bytes <= queue->bytes.bytes);
    const uint8_t *value = queue->bytes.data + queued->at;
    struct kafka_message message = {.value = value, .value_bytes = queued->bytes};
    if (queued->has_key) {
        message.key = value - KEY_BYTES;
        message.key_bytes = KEY_BYTES;
    }
    return message;
}

static int
queue_flush(struct publisher *publisher, int32_t partition, bool *done, struct error *err)
{
    CHECK(partition >= 0 && partition < publisher->numbering.partitions);
    struct queue *queue = &publisher->queues[partition];
    struct kafka_message messages[SEND_AT_ONCE];
    CHECK(queue->flushed <= queue->count);
    while (queue->flushed < queue->count) {
        uint32_t count = queue->count - queue->flushed;
        uint32_t sent;
        if (count > SEND_AT_ONCE)
            count = SEND_AT_ONCE;
        for (uint32_t i = 0; i < count; i++)
            messages[i] = queue_message_at(queue, queue->flushed + i);
        int rc = kafka_producer_send(publisher->kafka, partition, messages, count, &sent, err);
        CHECK(sent <= count);
        queue->flushed += sent;
        if (rc != 0)
            return rc;
        *done = sent == count;
        if (!*done)
            return 0;
    }
    CHECK(queue->flushed == queue->count);
    queue->count = 0;
    queue->flushed = 0;
    buffer_clear(&queue->bytes);
    return 0;
}

int
publisher_flush(struct publisher *publisher, bool *done, struct error *err)
{
    *done = true;
    for (int32_t i = 0; i < publisher->numbering.partitions && *done; i++) {
        int rc = queue_flush(publisher, i, done, err);
        if (rc != 0)
            return rc;
        CHECK(!*done || publisher->queues[i].count == 0);
    }
    if (*done) {
        publisher->queued_bytes = 0;
        publisher->flushed_row_id = publisher->numbering.last_row_id;
    }
    return 0;
}

int
publisher_poll(struct publisher *publisher, int wait_ms, struct error *err)
{
    return kafka_producer_poll(publisher->kafka, wait_ms, err);
}

uint64_t
publisher_outstanding(const struct publisher *publisher)
{
    return kafka_producer_outstanding(publisher->kafka);
}

void
publisher_keep_checkpoint(struct publisher *publisher, int64_t row_id)
{
    CHECK(publisher_flushed(publisher));
    CHECK(row_id <= publisher->numbering.last_row_id);
    CHECK(publisher->first_checkpoint < CHECKPOINTS_MAX);
    if (publisher->checkpoint_count == CHECKPOINTS_MAX)
        return;
    uint32_t at = (publisher->first_checkpoint + publisher->checkpoint_count) % CHECKPOINTS_MAX;
    struct publisher_checkpoint *checkpoint = &publisher->checkpoints[at];
    checkpoint->row_id = row_id;
    numbering_copy(&checkpoint->numbering, &publisher->numbering);
    for (int32_t i = 0; i < publisher->numbering.partitions; i++)
        checkpoint->sent[i] = kafka_producer_sent(publisher->kafka, i);
    publisher->checkpoint_count++;
    CHECK(publisher->checkpoint_count <= CHECKPOINTS_MAX);
}

static bool
checkpoint_is_acked(const struct publisher *publisher, const struct publisher_checkpoint *one)
{
    CHECK(one->sent != NULL);
    for (int32_t i = 0; i < publisher->numbering.partitions; i++) {
        CHECK(one->sent[i] <= kafka_producer_sent(publisher->kafka, i));
        if (kafka_producer_acked(publisher->kafka, i) < one->sent[i])
            return false;
    }
    return true;
}

const struct publisher_checkpoint *
publisher_acked_checkpoint(struct publisher *publisher)
{
    const struct publisher_checkpoint *acked = NULL;
    CHECK(publisher->checkpoint_count <= CHECKPOINTS_MAX);
    CHECK(publisher->first_checkpoint < CHECKPOINTS_MAX);
    while (publisher->checkpoint_count > 0) {
        const struct publisher_checkpoint *next =
            &publisher->checkpoints[publisher->first_checkpoint];
        if (!checkpoint_is_acked(publisher, next))
            break;
        CHECK(acked == NULL || next->row_id > acked->row_id);
        acked = next;
        publisher->first_checkpoint = (publisher->first_checkpoint + 1) % CHECKPOINTS_MAX;
        publisher->checkpoint_count--;
    }
    return acked;
}

void
publisher_forget_checkpoints(struct publisher *publisher)
{
    publisher->checkpoint_count = 0;
}

const struct numbering *
publisher_numbering(const struct publisher *publisher)
{
    return &publisher->numbering;
}

int64_t
publisher_flushed_row_id(const struct publisher *publisher)
{
    CHECK(publisher->flushed_row_id <= publisher->numbering.last_row_id);
    return publisher->flushed_row_id;
}

int64_t
publisher_acked_offset(const struct publisher *publisher, int32_t partition)
{
    CHECK(partition >= 0 && partition < publisher->numbering.partitions);
    return kafka_producer_acked_offset(publisher->kafka, partition);
}

bool
publisher_take_gap(struct publisher *publisher, int32_t partition, int64_t *first, int64_t *end)
{
    CHECK(partition >= 0 && partition < publisher->numbering.partitions);
    return kafka_producer_take_gap(publisher->kafka, partition, first, end);
}

struct publisher_counts
publisher_counts(const struct publisher *publisher)
{
    return publisher->counts;
}

void
publisher_broker_error(struct publisher *publisher, char *out, size_t bytes)
{
    kafka_producer_last_error(publisher->kafka, out, bytes);
}
