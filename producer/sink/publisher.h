/* Events on their way to the topic: numbered, encoded, queued by partition, sent in whole batches,
 * acknowledged.
 *
 * Happy path: add events, flush until nothing is left, keep a checkpoint; acknowledgements come in
 * while polling, and the newest checkpoint that they cover is how far the topic is known to be. Any
 * delivery error is final for the publisher (L4): destroy it and begin again from the saved cursor,
 * with a new generation.
 *
 * What is added and not flushed is bounded by the caller, who flushes when it is full. One thread.
 */
#ifndef PRODUCER_SINK_PUBLISHER_H
#define PRODUCER_SINK_PUBLISHER_H

#include "common/config/config.h"
#include "common/event/event.h"
#include "producer/sink/numbering.h"

struct publisher;

/* Who sends, and where to. */
struct publisher_origin {
    const char *source; /* outlives the publisher */
    int64_t epoch;
    int64_t generation;
    const char *topic_id;      /* outlives the publisher */
    int64_t message_bytes_max; /* of the topic: batches stay below it */
    int64_t event_bytes_max;   /* larger events are refused */
};

/* Everything up to `row_id` of a window. */
struct publisher_checkpoint {
    int64_t row_id;
    struct numbering numbering;
    uint64_t *sent; /* by partition, messages of this publisher */
};

struct publisher_counts {
    uint64_t events; /* numbered ones */
    uint64_t marks;
    uint64_t bytes; /* of values */
};

/* `numbering` is copied: where the cursor stands. */
int publisher_create(const struct config *config, const struct publisher_origin *origin,
                     const struct numbering *numbering, struct publisher **publisher,
                     struct error *err);
void publisher_destroy(struct publisher *publisher);

/* Numbers `event`, a row of kind row, fan-out or rejected, and queues it for `partition`; all of
 * the header but tick and created_at is filled in. ERR_DATA when it cannot be encoded or is too
 * large for the topic: its seq is not taken. */
int publisher_add(struct publisher *publisher, int32_t partition, struct event *event,
                  struct error *err);

/* Queues a mark for every partition, each with the numbers that it stands at. `mark` and `tick`
 * give the rest. */
int publisher_add_marks(struct publisher *publisher, int64_t tick, const struct mark *mark,
                        struct error *err);

/* Has so much been added that it should be flushed? */
bool publisher_full(const struct publisher *publisher);

/* Hands over as much as fits; `*done` when nothing is left. Otherwise poll and try again. */
int publisher_flush(struct publisher *publisher, bool *done, struct error *err);
int publisher_poll(struct publisher *publisher, int wait_ms, struct error *err);

/* Everything that was added is handed over. */
bool publisher_flushed(const struct publisher *publisher);

/* Messages handed over and not acknowledged. */
uint64_t publisher_outstanding(const struct publisher *publisher);

/* Remembers that all rows up to `row_id` have been flushed. When too many are remembered, this one
 * is not. */
void publisher_keep_checkpoint(struct publisher *publisher, int64_t row_id);
/* The newest that is acknowledged in all partitions, NULL if none is; valid until the next call.
 * Those before it are forgotten. */
const struct publisher_checkpoint *publisher_acked_checkpoint(struct publisher *publisher);
void publisher_forget_checkpoints(struct publisher *publisher);

const struct numbering *publisher_numbering(const struct publisher *publisher);
/* The last acknowledged offset of a partition, -1 if none is known. */
int64_t publisher_acked_offset(const struct publisher *publisher, int32_t partition);
struct publisher_counts publisher_counts(const struct publisher *publisher);
/* What the client says about its brokers, "" when all is well. */
void publisher_broker_error(struct publisher *publisher, char *out, size_t bytes);

#endif
