/* The publisher: numbers events, encodes them, queues them by partition, sends them in batches, and
 * tracks their acknowledgements.
 *
 * Happy path: add events, flush until everything is handed over, keep a checkpoint. Polling takes
 * acknowledgements; the newest checkpoint that they cover is how far the topic is known to be. Any
 * delivery error is final for the publisher (L4): destroy it, and send again from the saved cursor
 * with a new generation.
 *
 * The caller bounds the memory: it flushes when the publisher is full. One thread.
 */
#ifndef PRODUCER_SINK_PUBLISHER_H
#define PRODUCER_SINK_PUBLISHER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/event/event.h"
#include "producer/sink/numbering.h"

struct publisher;

/* What all events, or all marks, of a publisher have in common. Strings outlive the publisher. */
struct publisher_origin {
    const char *source;
    int64_t epoch;
    int64_t generation;
    const char *topic_id;
    const char *start_name;    /* the random name of this start (L3) */
    const struct text *fields; /* that the triggers in place cover; "": existence */
    uint32_t field_count;
    int64_t voided;            /* number of the newest voided event */
    int64_t message_bytes_max; /* max.message.bytes of the topic: no batch is larger */
    int64_t event_bytes_max;   /* larger events are refused */
};

/* A place in a window: its rows up to `row_id`. */
struct publisher_checkpoint {
    int64_t row_id;
    struct numbering numbering; /* after these rows */
    uint64_t *sent;             /* by partition, messages of this publisher up to here; owned */
};

struct publisher_counts {
    uint64_t events; /* numbered */
    uint64_t marks;
    uint64_t bytes; /* of message values */
};

/* `numbering` is that of the saved cursor; it is copied. The caller owns `*publisher`. */
int publisher_create(const struct config *config, const struct publisher_origin *origin,
                     const struct numbering *numbering, struct publisher **publisher,
                     struct error *err);
/* What is queued or in flight is dropped. NULL does nothing. */
void publisher_destroy(struct publisher *publisher);

/* Numbers `event` (kind row, fan-out or rejected) and queues it for `partition`. The caller sets
 * its tick, created_at and body; the rest of the header is filled in. ERR_DATA when the event
 * cannot be encoded or is too large for the topic; it then takes no seq. */
int publisher_add(struct publisher *publisher, int32_t partition, struct event *event,
                  struct error *err);

/* Queues a mark for every partition, with the partition's last seq and digests, its number in
 * `owed`, and what is in the origin. Everything else is taken from `mark` and `tick`. */
int publisher_add_marks(struct publisher *publisher, int64_t tick, const struct mark *mark,
                        const int64_t *owed, struct error *err);

/* The fields that the triggers in place cover, for the marks from now on. The texts outlive the
 * publisher. */
void publisher_set_covered(struct publisher *publisher, const struct text *fields, uint32_t count);

/* The number of the newest voided event, for the marks from now on. */
void publisher_set_voided(struct publisher *publisher, int64_t number);

/* Queues an event that takes no seq (event_kind_is_numbered) for `partition`, with the partition's
 * last seq. The caller sets its tick and its body. ERR_DATA when it cannot be encoded or is larger
 * than message_bytes_max. */
int publisher_add_control(struct publisher *publisher, int32_t partition, struct event *event,
                          struct error *err);
/* The bytes that an encoded event may have to be accepted there, from max.message.bytes. */
int64_t publisher_control_bytes_max(int64_t message_bytes_max);

/* So much is queued that the caller must flush. */
bool publisher_full(const struct publisher *publisher);

/* Hands as much to the Kafka client as fits. `*done` is false when some is left: poll, then flush
 * again. */
int publisher_flush(struct publisher *publisher, bool *done, struct error *err);
/* Takes acknowledgements, waiting up to `wait_ms` for the first. */
int publisher_poll(struct publisher *publisher, int wait_ms, struct error *err);

/* Nothing is queued: everything that was added is handed over. */
bool publisher_flushed(const struct publisher *publisher);

/* Messages handed over and not acknowledged. */
uint64_t publisher_outstanding(const struct publisher *publisher);

/* Keeps a checkpoint: all rows of the window up to `row_id` are flushed. Row ids grow. Does nothing
 * when too many checkpoints are kept. */
void publisher_keep_checkpoint(struct publisher *publisher, int64_t row_id);
/* Returns the newest checkpoint that is acknowledged in all partitions, and forgets it and those
 * before it. NULL: no kept one is. Valid until the next checkpoint is kept. */
const struct publisher_checkpoint *publisher_acked_checkpoint(struct publisher *publisher);
/* Before the rows of the next window. */
void publisher_forget_checkpoints(struct publisher *publisher);

const struct numbering *publisher_numbering(const struct publisher *publisher);
/* The greatest id of the rows that are handed over, as of the last complete flush. */
int64_t publisher_flushed_row_id(const struct publisher *publisher);
/* The last acknowledged offset of a partition, -1 while it is unknown. */
int64_t publisher_acked_offset(const struct publisher *publisher, int32_t partition);
/* See kafka_producer_take_gap(). */
bool publisher_take_gap(struct publisher *publisher, int32_t partition, int64_t *first,
                        int64_t *end);
struct publisher_counts publisher_counts(const struct publisher *publisher);
/* Copies the client's last error about its brokers, "" without one. */
void publisher_broker_error(struct publisher *publisher, char *out, size_t bytes);

#endif
