/* The requests of other threads to a worker, and the worker's heartbeat.
 *
 * Any thread, as long as the worker lives.
 */
#ifndef CONSUMER_PARTITION_WORKER_CONTROL_H
#define CONSUMER_PARTITION_WORKER_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Read and written by the functions below only. */
struct worker_control {
    atomic_bool stopping;
    atomic_bool lost;
    atomic_llong ready;        /* how many times reading may begin */
    atomic_llong begun;        /* the last of these at which it has begun */
    atomic_llong start_offset; /* valid when `ready` > 0 */
    atomic_llong heartbeat_us;
};

void worker_control_init(struct worker_control *control);

/* The worker is to finish its batch and end. */
void worker_control_stop(struct worker_control *control);
bool worker_control_is_stopping(const struct worker_control *control);

/* Another member may own the partition: nothing may be read, written or committed any more. */
void worker_control_lose(struct worker_control *control);
bool worker_control_is_lost(const struct worker_control *control);

/* The worker: reading may begin at `offset`, which is a message's or KAFKA_OFFSET_BEGINNING; also
 * again, when it has begun. */
void worker_control_set_ready(struct worker_control *control, int64_t offset);
/* How many times that was called; 0: not yet, and `*offset` is unchanged. */
int64_t worker_control_is_ready(const struct worker_control *control, int64_t *offset);
/* The main thread: reading begins for the `number`-th time. */
void worker_control_begin_reading(struct worker_control *control, int64_t number);
/* The worker: false: what it reads may still be what it read before. */
bool worker_control_is_reading(const struct worker_control *control);

/* The worker: it is alive now. */
void worker_control_heartbeat(struct worker_control *control);
/* The time of the last heartbeat on the monotonic clock. */
int64_t worker_control_heartbeat_us(const struct worker_control *control);

#endif
