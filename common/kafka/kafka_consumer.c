/* An assignment is answered twice. The first answer goes to librdkafka at once and contains no
 * partition: until it is answered, librdkafka neither reads the partitions that the member has nor
 * takes part in a rebalance, and the group evicts the member in the end. The second answer is that
 * of the application (kafka_consumer_assign), which comes later and adds partitions to those that
 * are read.
 *
 * The queue of a partition is disconnected from the queue of the group before the partition is
 * assigned: librdkafka does not forward a queue that the application has forwarded, even to NULL. A
 * message in the queue of the group would be lost, so it trips a CHECK.
 *
 * Threads: rebalances, poll, assign and destroy belong to one thread, so `owned` and `reading` need
 * no lock. A reading thread uses its own partition only. Everything else is atomic, or belongs to
 * librdkafka, which is thread-safe.
 */
#include "common/kafka/kafka_consumer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_conf.h"
#include "common/kafka/kafka_error.h"
#include "common/kafka/kafka_last_error.h"
#include "common/kafka/kafka_queue.h"

/* The limits of leaving the group and of a synchronous commit. Nothing depends on their success. */
enum { CLOSE_MS = 5000, COMMIT_MS = 3000 };

struct kafka_partition {
    struct kafka_consumer *consumer;
    int32_t id;
    struct kafka_queue queue;
    size_t peak; /* the longest queue since the fetcher was woken */
};

struct kafka_consumer {
    rd_kafka_t *client;
    char *topic;
    struct kafka_rebalance rebalance;
    rd_kafka_topic_partition_list_t *owned;   /* reported to the application */
    rd_kafka_topic_partition_list_t *reading; /* of these, those that it has answered */
    bool was_assigned;                        /* the group has assigned partitions, or none, once */
    bool was_lost;                            /* partitions were lost, once */
    bool closing;
    atomic_uint open_queues;
    atomic_ulong failed_commits;
    atomic_llong acknowledged[CONFIG_PARTITIONS_MAX]; /* by partition; offset + 1, 0: none */
    struct kafka_last_error last_error;
};

static void
consumer_log(rd_kafka_error_t *error, const char *what)
{
    struct error err;
    if (kafka_error_take(&err, error, what) != 0)
        log_warn("kafka", "%s", err.message);
}

static void
list_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition)
{
    CHECK(partition >= 0);
    if (rd_kafka_topic_partition_list_find(list, topic, partition) == NULL)
        rd_kafka_topic_partition_list_add(list, topic, partition);
}

static int32_t *
list_partitions(const rd_kafka_topic_partition_list_t *list)
{
    CHECK(list->cnt >= 0);
    int32_t *partitions = memory_alloc((size_t)list->cnt * sizeof *partitions);
    for (int i = 0; i < list->cnt; i++)
        partitions[i] = list->elems[i].partition;
    return partitions;
}

static void
consumer_report_assigned(struct kafka_consumer *consumer,
                         const rd_kafka_topic_partition_list_t *list)
{
    CHECK(!consumer->closing);
    for (int i = 0; i < list->cnt; i++)
        list_add(consumer->owned, consumer->topic, list->elems[i].partition);
    CHECK(consumer->owned->cnt >= list->cnt);
    int32_t *partitions = list_partitions(list);
    consumer->rebalance.assigned(consumer->rebalance.context, partitions, (uint32_t)list->cnt);
    free(partitions);
}

static void
consumer_report_revoked(struct kafka_consumer *consumer,
                        const rd_kafka_topic_partition_list_t *list, bool lost)
{
    if (list->cnt == 0)
        return;
    consumer->was_lost = consumer->was_lost || lost;
    int32_t *partitions = list_partitions(list);
    consumer->rebalance.revoked(consumer->rebalance.context, partitions, (uint32_t)list->cnt, lost);
    for (int i = 0; i < list->cnt; i++)
        rd_kafka_topic_partition_list_del(consumer->owned, consumer->topic, partitions[i]);
    free(partitions);
}

/* A partition that is read is owned. */
static void
consumer_check(const struct kafka_consumer *consumer)
{
    const rd_kafka_topic_partition_list_t *reading = consumer->reading;
    CHECK(reading->cnt <= consumer->owned->cnt);
    for (int i = 0; i < reading->cnt; i++)
        CHECK(rd_kafka_topic_partition_list_find(consumer->owned, consumer->topic,
                                                 reading->elems[i].partition) != NULL);
}

/* Stops reading. librdkafka refuses to unassign partitions that it does not read. */
static void
consumer_unassign(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *revoked)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(revoked->cnt);
    for (int i = 0; i < revoked->cnt; i++)
        if (rd_kafka_topic_partition_list_del(consumer->reading, consumer->topic,
                                              revoked->elems[i].partition))
            list_add(list, consumer->topic, revoked->elems[i].partition);
    CHECK(list->cnt <= revoked->cnt);
    consumer_log(rd_kafka_incremental_unassign(consumer->client, list),
                 "could not unassign partitions");
    rd_kafka_topic_partition_list_destroy(list);
}

static void
consumer_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t code,
                   rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_consumer *consumer = opaque;
    CHECK(client == consumer->client);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        kafka_last_error_clear(&consumer->last_error); /* the group coordinator answers */
        consumer->was_assigned = true;
        rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(0);
        consumer_log(rd_kafka_incremental_assign(client, nothing),
                     "could not accept the assignment");
        rd_kafka_topic_partition_list_destroy(nothing);
        if (!consumer->closing)
            consumer_report_assigned(consumer, list);
    } else {
        bool lost =
            code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || rd_kafka_assignment_lost(client);
        consumer_report_revoked(consumer, list, lost);
        consumer_unassign(consumer, list);
        consumer_check(consumer);
    }
}

static void
consumer_note_acknowledged(struct kafka_consumer *consumer, int32_t partition, int64_t offset)
{
    CHECK(partition >= 0);
    if (partition < CONFIG_PARTITIONS_MAX)
        atomic_store(&consumer->acknowledged[partition], offset + 1);
}

static void
consumer_committed(rd_kafka_t *client, rd_kafka_resp_err_t code,
                   rd_kafka_topic_partition_list_t *list, void *opaque)
{
    (void)client;
    struct kafka_consumer *consumer = opaque;
    for (int i = 0; code == 0 && i < list->cnt; i++)
        if (list->elems[i].err == 0)
            consumer_note_acknowledged(consumer, list->elems[i].partition, list->elems[i].offset);
    if (code == 0) {
        kafka_last_error_clear(&consumer->last_error);
        return;
    }
    unsigned long count = atomic_fetch_add(&consumer->failed_commits, 1) + 1;
    log_debug("kafka", "commit failed, %lu so far: %s", count, rd_kafka_err2str(code));
}

static void
consumer_on_error(rd_kafka_t *client, int code, const char *reason, void *opaque)
{
    (void)client;
    struct kafka_consumer *consumer = opaque;
    kafka_last_error_set(&consumer->last_error, (rd_kafka_resp_err_t)code, reason);
}

static int
consumer_conf_create(struct kafka_consumer *consumer, const struct config_kafka *config,
                     const char *group, const char *client_id, rd_kafka_conf_t **conf,
                     struct error *err)
{
    int rc = kafka_conf_create(config, KAFKA_CONSUMER, conf, err);
    if (rc != 0)
        return rc;
    rc = kafka_conf_set(*conf, "group.id", group, err);
    if (rc == 0)
        rc = kafka_conf_set(*conf, "client.id", client_id, err);
    if (rc != 0) {
        rd_kafka_conf_destroy(*conf);
        return rc;
    }
    rd_kafka_conf_set_opaque(*conf, consumer);
    rd_kafka_conf_set_rebalance_cb(*conf, consumer_rebalance);
    rd_kafka_conf_set_offset_commit_cb(*conf, consumer_committed);
    rd_kafka_conf_set_error_cb(*conf, consumer_on_error);
    return 0;
}

static void
consumer_free(struct kafka_consumer *consumer)
{
    CHECK(atomic_load(&consumer->open_queues) == 0);
    rd_kafka_topic_partition_list_destroy(consumer->owned);
    rd_kafka_topic_partition_list_destroy(consumer->reading);
    kafka_last_error_free(&consumer->last_error);
    free(consumer->topic);
    free(consumer);
}

static int
consumer_subscribe(struct kafka_consumer *consumer, struct error *err)
{
    rd_kafka_poll_set_consumer(consumer->client);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, consumer->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == 0 ? 0 : kafka_error_set(err, code, "could not subscribe");
}

int
kafka_consumer_create(const struct config_kafka *config, const char *group, const char *topic,
                      const char *client_id, const struct kafka_rebalance *rebalance,
                      struct kafka_consumer **consumer, struct error *err)
{
    CHECK(group != NULL && topic != NULL);
    CHECK(client_id != NULL);
    struct kafka_consumer *made = memory_zalloc(sizeof *made);
    made->topic = memory_strdup(topic);
    made->rebalance = *rebalance;
    CHECK(rebalance->assigned != NULL);
    CHECK(rebalance->revoked != NULL);
    made->owned = rd_kafka_topic_partition_list_new(0);
    made->reading = rd_kafka_topic_partition_list_new(0);
    kafka_last_error_init(&made->last_error);
    rd_kafka_conf_t *conf;
    int rc = consumer_conf_create(made, config, group, client_id, &conf, err);
    if (rc == 0)
        rc = kafka_client_create(RD_KAFKA_CONSUMER, conf, &made->client, err);
    if (rc != 0)
        goto fail;
    rc = consumer_subscribe(made, err);
    if (rc != 0) {
        rd_kafka_destroy(made->client);
        goto fail;
    }
    *consumer = made;
    return 0;
fail:
    consumer_free(made);
    return rc;
}

/* Leaves the group; false: it took too long. rd_kafka_consumer_close() would wait for minutes for
 * commits that a broker does not answer. */
static bool
consumer_close(struct kafka_consumer *consumer)
{
    CHECK(consumer->closing);
    int64_t deadline_us = clock_monotonic_us() + (int64_t)CLOSE_MS * US_PER_MS;
    rd_kafka_queue_t *events = rd_kafka_queue_new(consumer->client);
    rd_kafka_error_t *refused = rd_kafka_consumer_close_queue(consumer->client, events);
    if (refused != NULL)
        deadline_us = 0;
    consumer_log(refused, "could not leave the group");
    while (!rd_kafka_consumer_closed(consumer->client) && clock_monotonic_us() < deadline_us)
        rd_kafka_queue_poll_callback(events, 50);
    rd_kafka_queue_destroy(events);
    return rd_kafka_consumer_closed(consumer->client);
}

/* Before 2.3 librdkafka aborts when a member is destroyed that has joined and has not been assigned
 * anything (its issue 4312). Such a client is leaked, because the process is about to end. */
static void
consumer_destroy_client(struct kafka_consumer *consumer, bool closed)
{
    enum { FIXED_VERSION = 0x02030000 };
    if (consumer->was_assigned || rd_kafka_version() >= FIXED_VERSION)
        rd_kafka_destroy_flags(consumer->client, closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void
kafka_consumer_destroy(struct kafka_consumer *consumer)
{
    if (consumer == NULL)
        return;
    consumer->closing = true;
    bool closed = consumer_close(consumer);
    /* after a fatal error librdkafka revokes partitions without calling back */
    rd_kafka_topic_partition_list_t *left = rd_kafka_topic_partition_list_copy(consumer->owned);
    consumer_report_revoked(consumer, left, true);
    rd_kafka_topic_partition_list_destroy(left);
    CHECK(consumer->owned->cnt == 0);
    CHECK(atomic_load(&consumer->open_queues) == 0);
    consumer_destroy_client(consumer, closed);
    consumer_free(consumer);
}

int
kafka_consumer_poll(struct kafka_consumer *consumer, int wait_ms, struct error *err)
{
    char fatal[512];
    CHECK(!consumer->closing);
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->client, wait_ms);
    if (rd_kafka_fatal_error(consumer->client, fatal, sizeof fatal) != 0) {
        if (message != NULL)
            rd_kafka_message_destroy(message);
        return error_set(err, ERR_FATAL, "kafka: consumer failed: %s", fatal);
    }
    if (message == NULL)
        return 0;
    CHECK(message->err != 0); /* see above */
    int rc = error_set(err, ERR_RETRY, "kafka: %s", rd_kafka_message_errstr(message));
    kafka_last_error_set(&consumer->last_error, message->err, rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
    return rc;
}

/* librdkafka repeats a commit that was in flight when the session ended, with the old member id.
 * When that commit arrives after the member has joined again, the broker sees two members with one
 * group.instance.id, and fences one. If there really are two, the one that joins last fences the
 * other, and no partition was lost before. */
bool
kafka_consumer_may_join_again(const struct kafka_consumer *consumer)
{
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(consumer->client, NULL, 0);
    return code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && consumer->was_lost;
}

bool
kafka_consumer_is_fenced(const struct kafka_consumer *consumer)
{
    CHECK(!consumer->closing);
    return rd_kafka_fatal_error(consumer->client, NULL, 0) == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

struct kafka_partition *
kafka_partition_open(struct kafka_consumer *consumer, int32_t partition)
{
    CHECK(partition >= 0);
    CHECK(!consumer->closing);
    struct kafka_partition *opened = memory_zalloc(sizeof *opened);
    opened->consumer = consumer;
    opened->id = partition;
    opened->queue.handle =
        rd_kafka_queue_get_partition(consumer->client, consumer->topic, partition);
    CHECK(opened->queue.handle != NULL);
    rd_kafka_queue_forward(opened->queue.handle, NULL);
    atomic_fetch_add(&consumer->open_queues, 1);
    return opened;
}

void
kafka_partition_close(struct kafka_partition *partition)
{
    if (partition == NULL)
        return;
    CHECK(partition->queue.handle != NULL);
    rd_kafka_queue_destroy(partition->queue.handle);
    CHECK(atomic_fetch_sub(&partition->consumer->open_queues, 1) > 0);
    free(partition);
}

int
kafka_consumer_assign(struct kafka_consumer *consumer, const int32_t *partitions,
                      const int64_t *offsets, uint32_t count, struct error *err)
{
    CHECK(count > 0);
    CHECK(!consumer->closing);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(rd_kafka_topic_partition_list_find(consumer->owned, consumer->topic, partitions[i]));
        CHECK(rd_kafka_topic_partition_list_find(consumer->reading, consumer->topic,
                                                 partitions[i]) == NULL);
        CHECK(offsets[i] >= 0 || offsets[i] == KAFKA_OFFSET_BEGINNING);
        rd_kafka_topic_partition_list_add(list, consumer->topic, partitions[i])->offset =
            offsets[i];
    }
    int rc = kafka_error_take(err, rd_kafka_incremental_assign(consumer->client, list),
                              "could not start reading");
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        list_add(consumer->reading, consumer->topic, partitions[i]);
    rd_kafka_topic_partition_list_destroy(list);
    CHECK(rc != 0 || consumer->reading->cnt >= (int)count);
    consumer_check(consumer);
    return rc;
}

int
kafka_consumer_move(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                    struct error *err)
{
    CHECK(rd_kafka_topic_partition_list_find(consumer->reading, consumer->topic, partition));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    list_add(list, consumer->topic, partition);
    consumer_unassign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return kafka_consumer_assign(consumer, &partition, &offset, 1, err);
}

void
kafka_partition_rewind(struct kafka_partition *partition)
{
    CHECK(partition->queue.handle != NULL);
    partition->queue.next_offset = 0;
    partition->queue.pending.code = 0;
}

/* In 2.0 the fetcher sleeps for up to a second after a queue was full, even when the queue is
 * emptied earlier (newer versions have fetch.queue.backoff.ms). Every request to the leader wakes
 * it; this one does not wait for its answer. */
static void
partition_wake_fetcher(struct kafka_partition *partition)
{
    enum { PEAK_MIN = 16 }; /* a shorter queue is not a backlog */
    size_t waiting = rd_kafka_queue_length(partition->queue.handle);
    if (waiting > partition->peak)
        partition->peak = waiting;
    if (partition->peak < PEAK_MIN || waiting >= partition->peak / 4)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, partition->consumer->topic, partition->id)->offset =
        RD_KAFKA_OFFSET_END;
    rd_kafka_offsets_for_times(partition->consumer->client, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
    partition->peak = waiting;
}

int
kafka_partition_read(struct kafka_partition *partition, int wait_ms, uint32_t max_records,
                     size_t max_bytes, struct kafka_batch *batch, struct error *err)
{
    int rc = kafka_queue_read(&partition->queue, wait_ms, max_records, max_bytes, batch, err);
    if (batch->count > 0) {
        kafka_last_error_clear(&partition->consumer->last_error);
        partition_wake_fetcher(partition);
    }
    return rc;
}

int
kafka_consumer_extent(struct kafka_consumer *consumer, int32_t partition, int64_t *low,
                      int64_t *high, struct error *err)
{
    CHECK(partition >= 0);
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        consumer->client, consumer->topic, partition, low, high, KAFKA_REQUEST_MS);
    CHECK(code != 0 || (*low >= 0 && *low <= *high));
    return code == 0 ? 0 : kafka_error_set(err, code, "could not read the first offset");
}

/* rd_kafka_commit() would wait for as long as the broker is away. */
static int
consumer_commit_wait(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list,
                     struct error *err)
{
    CHECK(list->cnt == 1);
    rd_kafka_queue_t *replies = rd_kafka_queue_new(consumer->client);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(consumer->client, list, replies, NULL, NULL);
    if (code == 0) {
        rd_kafka_event_t *reply = rd_kafka_queue_poll(replies, COMMIT_MS);
        code = reply == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(reply);
        rd_kafka_event_destroy(reply);
    }
    rd_kafka_queue_destroy(replies);
    if (code == 0)
        return 0;
    return error_set(err, ERR_RETRY, "kafka: could not commit: %s", rd_kafka_err2str(code));
}

int
kafka_consumer_commit(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                      const char *metadata, bool wait, struct error *err)
{
    CHECK(partition >= 0);
    CHECK(offset >= 0);
    CHECK(metadata != NULL);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *position =
        rd_kafka_topic_partition_list_add(list, consumer->topic, partition);
    position->offset = offset;
    position->metadata = memory_strdup(metadata); /* owned by the list */
    position->metadata_size = text_of(metadata).bytes;
    int rc = 0;
    if (offset < kafka_consumer_acknowledged(consumer, partition))
        consumer_note_acknowledged(consumer, partition, -1); /* the offset of the group decreases */
    if (wait) {
        rc = consumer_commit_wait(consumer, list, err);
        if (rc == 0)
            consumer_note_acknowledged(consumer, partition, offset);
    } else {
        rd_kafka_resp_err_t code = rd_kafka_commit(consumer->client, list, 1);
        if (code != 0)
            rc = error_set(err, ERR_RETRY, "kafka: could not commit: %s", rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

int
kafka_consumer_committed(struct kafka_consumer *consumer, int32_t partition, int64_t *offset,
                         struct buffer *metadata, struct error *err)
{
    CHECK(partition >= 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *position =
        rd_kafka_topic_partition_list_add(list, consumer->topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->client, list, KAFKA_REQUEST_MS);
    if (code == 0)
        code = position->err;
    if (code == 0) {
        *offset = position->offset >= 0 ? position->offset : -1;
        buffer_append(metadata, position->metadata, position->metadata_size);
        consumer_note_acknowledged(consumer, partition, *offset);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == 0 ? 0 : kafka_error_set(err, code, "could not read the committed offset");
}

int
kafka_consumer_offset_at(struct kafka_consumer *consumer, int32_t partition, int64_t time_ms,
                         int64_t *offset, struct error *err)
{
    CHECK(partition >= 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *place =
        rd_kafka_topic_partition_list_add(list, consumer->topic, partition);
    place->offset = time_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(consumer->client, list, KAFKA_REQUEST_MS);
    if (code == 0)
        code = place->err;
    *offset = place->offset >= 0 ? place->offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    return code == 0 ? 0 : kafka_error_set(err, code, "could not find the offset of a time");
}

int64_t
kafka_consumer_acknowledged(struct kafka_consumer *consumer, int32_t partition)
{
    CHECK(partition >= 0);
    if (partition >= CONFIG_PARTITIONS_MAX)
        return -1;
    return atomic_load(&consumer->acknowledged[partition]) - 1;
}

size_t
kafka_partition_queued(const struct kafka_partition *partition)
{
    CHECK(partition->queue.handle != NULL);
    return rd_kafka_queue_length(partition->queue.handle);
}

void
kafka_consumer_watermarks(struct kafka_consumer *consumer, int32_t partition, int64_t *low,
                          int64_t *high)
{
    CHECK(partition >= 0);
    int64_t known[2];
    rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(consumer->client, consumer->topic,
                                                              partition, &known[0], &known[1]);
    *low = code == 0 && known[0] >= 0 ? known[0] : -1;
    *high = code == 0 && known[1] >= 0 ? known[1] : -1;
}

void
kafka_consumer_last_error(struct kafka_consumer *consumer, char *out, size_t bytes)
{
    kafka_last_error_copy(&consumer->last_error, out, bytes);
}
