/* One member of a consumer group on one topic, cooperative-sticky, with a queue per partition.
 *
 * The thread that calls kafka_consumer_poll() learns of assignments and takes them back. It answers
 * an assignment when it is ready to: recovering a partition may take long, and the group does not
 * wait for it as long as poll goes on being called. Each assigned partition has a queue of its own,
 * from which exactly one other thread reads; nothing of it ever passes through poll.
 *
 * Offsets are never stored or committed by the library: positions belong to the caller. Where to
 * begin is always said (auto.offset.reset=error): an offset that the topic does not have is an
 * error of that partition's queue, never a jump.
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
    /* These partitions are ours: answer with kafka_consumer_assign() now or later. None: the group
     * has answered, and has nothing new for us. */
    void (*assigned)(void *context, const int32_t *partitions, uint32_t count);
    /* Give these back: when this returns, another member may have them. `lost`: the group was out
     * of reach, or we were, for so long that another may have them already; nothing may be
     * committed. Includes partitions that were never answered. */
    void (*revoked)(void *context, const int32_t *partitions, uint32_t count, bool lost);
    void *context;
};

/* Joins the group. Does not wait for the broker. `client_id` is what the group shows of us. */
int kafka_consumer_create(const struct config_kafka *config, const char *group, const char *topic,
                          const char *client_id, const struct kafka_rebalance *rebalance,
                          struct kafka_consumer **consumer, struct error *err);
/* Leaves the group: `revoked` is called for what is still assigned; when it returns, every
 * partition handle must be closed and every batch released. Waits a few seconds for a broker
 * that is away. */
void kafka_consumer_destroy(struct kafka_consumer *consumer);

/* Serves the group; at least once a second. ERR_RETRY: said once, the client goes on trying;
 * ERR_FATAL: the client is of no use any more. */
int kafka_consumer_poll(struct kafka_consumer *consumer, int wait_ms, struct error *err);
/* After ERR_FATAL: a new client may go on. */
bool kafka_consumer_may_join_again(const struct kafka_consumer *consumer);

/* Opens the partition's queue: call before kafka_consumer_assign() names the partition. */
struct kafka_partition *kafka_partition_open(struct kafka_consumer *consumer, int32_t partition);
void kafka_partition_close(struct kafka_partition *partition);

enum { KAFKA_OFFSET_BEGINNING = -2 }; /* a start, where an offset is asked for */

/* Answers an assignment: reading begins at `offsets[i]`. For partitions that are ours only, and
 * once for each: an answer that was being prepared when `revoked` came must be dropped. */
int kafka_consumer_assign(struct kafka_consumer *consumer, const int32_t *partitions,
                          const int64_t *offsets, uint32_t count, struct error *err);

/* The reading thread: waits up to `wait_ms` for a first message, then takes what is there, at most
 * `max_records` and about `max_bytes` of values. ERR_DATA: the topic does not have the offset asked
 * for, and nothing more will come; ERR_RETRY: trouble that the client is working on. With an error
 * the batch is empty. */
int kafka_partition_read(struct kafka_partition *partition, int wait_ms, uint32_t max_records,
                         size_t max_bytes, struct kafka_batch *batch, struct error *err);

/* Messages that have come and were not read yet. Any thread. */
size_t kafka_partition_queued(const struct kafka_partition *partition);

/* Commits `offset` (of the next message to read) with `metadata` (terminated). Asynchronous unless
 * `wait`; a failed asynchronous commit is made good by the next one. Any thread. */
int kafka_consumer_commit(struct kafka_consumer *consumer, int32_t partition, int64_t offset,
                          const char *metadata, bool wait, struct error *err);

/* The group's committed offset (-1: none) and its metadata, appended to `metadata`. A request:
 * for a thread that may wait. */
int kafka_consumer_committed(struct kafka_consumer *consumer, int32_t partition, int64_t *offset,
                             struct buffer *metadata, struct error *err);

/* The group's offset as the broker last told this client, by the answer to a commit or to the
 * question above; -1: none, or a commit below it was requested since. Any thread. */
int64_t kafka_consumer_acknowledged(struct kafka_consumer *consumer, int32_t partition);

/* First offset and one behind the last, as the client last heard (-1: not yet). No request. Any
 * thread. */
void kafka_consumer_watermarks(struct kafka_consumer *consumer, int32_t partition, int64_t *low,
                               int64_t *high);

/* What the client last said about its brokers ("" when all is well). Any thread. */
void kafka_consumer_trouble(struct kafka_consumer *consumer, char *out, size_t bytes);

#endif
