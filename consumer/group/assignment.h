/* The partitions that the group has assigned to this process, each with its worker. A stand-alone
 * index and an index as of a moment have no group: all partitions are assigned from the start and
 * fed by a source (feed_source.h).
 *
 *     assigned    a worker starts and recovers in its own thread
 *     ready       the partition is read from the offset that the worker has found out
 *     revoked     the worker finishes its batch, commits, and ends
 *     lost        the group does not answer: the worker reads and commits nothing more, and serves
 *                 its partition until the group answers again
 *
 * The main thread creates, polls and destroys an assignment. Other threads use workers between
 * assignment_enter() and assignment_leave() only, which delay nothing but a rebalance.
 */
#ifndef CONSUMER_GROUP_ASSIGNMENT_H
#define CONSUMER_GROUP_ASSIGNMENT_H

#include "common/kafka/kafka_consumer.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/group/cursor_table.h"
#include "consumer/group/feed_source.h"
#include "consumer/partition/worker.h"

struct assignment;

/* `source` feeds all partitions; NULL: the group assigns them. `cursor_table` may be NULL. All must
 * outlive the assignment. The caller owns it. */
struct assignment *assignment_create(const struct config *config, const struct data_dir *data_dir,
                                     struct feed_source *source, struct cursor_table *cursor_table,
                                     struct dump_registry *dumps);

/* Joins the group, without waiting for the broker; or starts all partitions. */
int assignment_join(struct assignment *assignment, struct error *err);

/* Serves the group for about `wait_ms`. ERR_RETRY: an error from which the client recovers. */
int assignment_poll(struct assignment *assignment, int wait_ms, struct error *err);

/* Stops all workers and leaves the group. Returns the first error of a worker. */
int assignment_leave_group(struct assignment *assignment, struct error *err);
void assignment_destroy(struct assignment *assignment);

/* --- other threads --------------------------------------------------------------------------- */

void assignment_enter(struct assignment *assignment);
void assignment_leave(struct assignment *assignment);

/* NULL: not assigned. Between enter and leave. */
struct worker *assignment_worker(const struct assignment *assignment, int32_t partition);
/* The last error of the connections to the brokers; "" without one. Between enter and leave. */
void assignment_broker_error(const struct assignment *assignment, char *out, size_t bytes);

/* NULL: the group assigns the partitions. */
const struct feed_source *assignment_source(const struct assignment *assignment);
/* Of queries with the workers; as long as the assignment lives. */
struct rendezvous *assignment_rendezvous(struct assignment *assignment);
const struct stage_times *assignment_times(const struct assignment *assignment);
struct cursor_table *assignment_cursor_table(const struct assignment *assignment);
struct dump_registry *assignment_dumps(const struct assignment *assignment);

#endif
