/* Waiting for a queue of librdkafka on a descriptor of our own. For this room only.
 *
 * librdkafka waits for a point in time of the wall clock, so that a wait that was to take
 * milliseconds lasts as long as the wall clock is set back meanwhile (F121). poll() waits for a
 * duration.
 */
#ifndef COMMON_KAFKA_KAFKA_WAKEUP_H
#define COMMON_KAFKA_KAFKA_WAKEUP_H

#include <librdkafka/rdkafka.h>

#include "common/base/error.h"

/* Initialise with zeros. One thread. */
struct kafka_wakeup {
    rd_kafka_queue_t *queue; /* NULL: not open */
    int fd;
};

/* Takes over `queue`, which librdkafka has referenced for the caller. ERR_FATAL: no descriptor is
 * left; the queue is released. */
int kafka_wakeup_open(struct kafka_wakeup *wakeup, rd_kafka_queue_t *queue, struct error *err);
/* Before the client of the queue is destroyed. */
void kafka_wakeup_close(struct kafka_wakeup *wakeup);

/* Waits up to `wait_ms` until the queue, which the caller has emptied, may hold something. */
void kafka_wakeup_wait(struct kafka_wakeup *wakeup, int wait_ms);

#endif
