/* One member of a consumer group on one topic, cooperative-sticky, with a queue for each partition.
 *
 * The thread that calls kafka_consumer_poll() receives assignments and revocations. It answers an
 * assignment when it is ready: the recovery of a partition may take long, and the group does not
 * wait for it while poll is called. Each assigned partition has its own queue, from which one other
 * thread reads; poll never returns its messages.
 *
 * librdkafka never stores or commits offsets: positions belong to the caller. Reading always begins
 * at an explicit offset (auto.offset.reset=error). An offset that the topic does not have is an
 * error of the queue of that partition, and reading never jumps to another offset.
 */
#ifndef COMMON_KAFKA_KAFKA_CONSUMER_H
#define COMMON_KAFKA_KAFKA_CONSUMER_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/kafka/kafka_record.h"

struct kafka_consumer;
struct kafka_partition;

/* Called inside kafka_consumer_poll() and kafka_consumer_destroy(). */
struct kafka_rebalance {
    /* The group has assigned these partitions to this member: answer with kafka_consumer_assign()
     * now or later. `count` 0: the group has answered, and has assigned nothing new. */
    void (*assigned)(void *context, const int32_t *partitions, uint32_t count);
    /* The group revokes these partitions: after the return another member may own them. `lost`: the
     * session has timed out, another member may own them already, and nothing may be committed.
     * Includes partitions that were never answered. */
    void (*revoked)(void *context, const int32_t *partitions, uint32_t count, bool lost);
    void *context;
};

/* Joins the group. Does not wait for the broker. `client_id` is the name of the member in the
 * description of the group. */
int kafka_consumer_create(const struct config_kafka *config, const char *group, const char *topic,
                          const char *client_id, const struct kafka_rebalance *rebalance,
                          struct kafka_consumer **consumer, struct error *err);
/* Leaves the group and calls `revoked` for the partitions that are still assigned. When that
 * returns, every partition handle must be closed and every batch released. Waits a few seconds for
 * a broker that is away. */
void kafka_consumer_destroy(struct kafka_consumer *consumer);

/* Serves the group; to be called at least once a second. ERR_RETRY: an error that the client
 * retries and reports once; ERR_FATAL: the client cannot be used any more. */
int kafka_consumer_poll(struct kafka_consumer *consumer, int wait_ms, struct error *err);
/* After ERR_FATAL: whether a new client may join the group. */
bool kafka_consumer_may_join_again(const struct kafka_consumer *consumer);
/* After ERR_FATAL of kafka_consumer_poll(): another member has the same group.instance.id. */
bool kafka_consumer_is_fenced(const struct kafka_consumer *consumer);

/* Opens the queue of the partition; to be called before kafka_consumer_assign() names it. */
struct kafka_partition *kafka_partition_open(struct kafka_consumer *consumer, int32_t partition);
void kafka_partition_close(struct kafka_partition *partition);

enum { KAFKA_OFFSET_BEGINNING = -2 }; /* instead of an offset at which reading begins */

/* Answers an assignment: reading begins at `offsets[i]`. The partitions are assigned and have not
 * been answered yet; an answer that was being prepared when `revoked` was called must be dropped.
 * */
int kafka_consumer_assign(struct kafka_consumer *consumer, const int32_t *partitions,
                          const int64_t *offsets, uint32_t count, struct error *err);

/* Reading of a partition that was answered begins again at `offset`. The reading thread has called
 * kafka_partition_rewind() before. */
int kafka_consumer_move(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                        struct error *err);

/* For the reading thread: reading begins again at an offset that may be before what was read. */
void kafka_partition_rewind(struct kafka_partition *partition);

/* For the reading thread: waits up to `wait_ms` for the first message, then takes the messages that
 * are there, at most `max_records` and about `max_bytes` of values. ERR_DATA: the topic does not
 * have the offset, and there will be no more messages; ERR_RETRY: the client retries. On error the
 * batch is empty. */
int kafka_partition_read(struct kafka_partition *partition, int wait_ms, uint32_t max_records,
                         size_t max_bytes, struct kafka_batch *batch, struct error *err);

/* Messages that have arrived and have not been read. Any thread. */
size_t kafka_partition_queued(const struct kafka_partition *partition);

/* Commits `offset`, that of the next message to read, with `metadata` (terminated). Asynchronous
 * unless `wait`; the next commit replaces a failed asynchronous one. Any thread. */
int kafka_consumer_commit(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                          const char *metadata, bool wait, struct error *err);

/* Requests the committed offset of the group (-1: none), and appends its metadata to `metadata`.
 * Waits for the broker. */
int kafka_consumer_committed(struct kafka_consumer *consumer, int32_t partition, int64_t *offset,
                             struct buffer *metadata, struct error *err);

/* Requests the first offset that the partition has, and the one after its last. Waits for the
 * broker. */
int kafka_consumer_extent(struct kafka_consumer *consumer, int32_t partition, int64_t *low,
                          int64_t *high, struct error *err);

/* The committed offset of the group, from the last answer of the broker to a commit or to the
 * request above; -1: none, or a commit of a smaller offset was requested since. Any thread. */
int64_t kafka_consumer_acknowledged(struct kafka_consumer *consumer, int32_t partition);

/* The first offset whose message is not before `time_ms` (Unix); -1: no message is. Waits for the
 * broker. Any thread. */
int kafka_consumer_offset_at(struct kafka_consumer *consumer, int32_t partition, int64_t time_ms,
                             int64_t *offset, struct error *err);

/* The first offset of the partition and the offset after its last one, from the last response to
 * the client (-1: none yet). Makes no request. Any thread. */
void kafka_consumer_watermarks(struct kafka_consumer *consumer, int32_t partition, int64_t *low,
                               int64_t *high);

/* The last error about the brokers; "" when they have answered since. Any thread. */
void kafka_consumer_last_error(struct kafka_consumer *consumer, char *out, size_t bytes);

#endif
