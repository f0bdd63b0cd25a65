/* The partitions that the group has given to this process, each with its worker. A stand-alone
 * index has no group: it has all partitions from the start, fed by POST /ops.
 *
 *     assigned    a worker starts and recovers in its own thread
 *     ready       its partition is read from the offset that it asks for
 *     revoked     the worker finishes what is in hand, commits, and ends
 *     lost        the group is out of reach: the worker reads and commits nothing more, and its
 *                 state is served until the group answers again
 *
 * Created, polled and destroyed by the main thread. Other threads look at workers between
 * assignment_enter() and assignment_leave(), which keep them from going away, and hold up only a
 * rebalance.
 */
#ifndef CONSUMER_GROUP_ASSIGNMENT_H
#define CONSUMER_GROUP_ASSIGNMENT_H

#include "common/kafka/kafka_consumer.h"
#include "consumer/group/cursor_table.h"
#include "consumer/group/feed_local.h"
#include "consumer/partition/worker.h"

struct assignment;

/* `local`, of a stand-alone index, feeds its partitions; NULL: Kafka does. `mirror`: NULL when
 * positions are not shown in the database. All must outlive it. Owned by the caller. */
struct assignment *assignment_create(const struct config *config, const struct data_dir *data_dir,
                                     struct feed_local *local, struct cursor_table *mirror);

/* Joins the group, without waiting for the broker; or starts all partitions. */
int assignment_join(struct assignment *assignment, struct error *err);

/* Serves the group for about `wait_ms`. ERR_RETRY: trouble that the client works on. */
int assignment_poll(struct assignment *assignment, int wait_ms, struct error *err);

/* Stops all workers and leaves the group. Returns the error that a worker has ended with. */
int assignment_leave_group(struct assignment *assignment, struct error *err);
void assignment_destroy(struct assignment *assignment);

/* --- other threads --------------------------------------------------------------------------- */

void assignment_enter(struct assignment *assignment);
void assignment_leave(struct assignment *assignment);

/* NULL: not assigned. Between enter and leave. */
struct worker *assignment_worker(const struct assignment *assignment, int32_t partition);
/* What the client last said about its brokers; "" when all is well. Between enter and leave. */
void assignment_trouble(const struct assignment *assignment, char *out, size_t bytes);

const struct stage_times *assignment_times(const struct assignment *assignment);
struct cursor_table *assignment_cursor_table(const struct assignment *assignment);

#endif
