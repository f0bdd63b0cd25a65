/* Reads ranges of entities from all range sources of a plan.
 *
 * The rows come through sessions of the reader's own (producer.load.connections), which import the
 * snapshot of the caller's transaction. The reader adapts the width of the next range to what the
 * last one cost: about 0.3 s, 8 MB or 16 Ki entities, whichever is reached first. A range that
 * costs far more is given up and read again smaller, so memory is bounded. One thread.
 */
#ifndef PRODUCER_LOAD_RANGE_READER_H
#define PRODUCER_LOAD_RANGE_READER_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/load/load_chunk.h"
#include "producer/load/load_plan.h"

struct range_reader;

struct range_reader_options {
    uint32_t event_bytes_max; /* of one encoded chunk event, header included */
    /* Called several times a second while the reader waits. When it returns anything but 0, the
     * reading ends with that. May be NULL. */
    int (*heartbeat)(void *context);
    void *context;
};

/* `plan` has a range source and outlives the reader, which connects when it reads. */
int range_reader_create(const struct load_plan *plan, const struct range_reader_options *options,
                        struct range_reader **reader, struct error *err);
/* NULL does nothing. */
void range_reader_destroy(struct range_reader *reader);

/* Reads the entities from `begin` on: all range sources in the snapshot of `pg`, which is in a
 * transaction of isolation level REPEATABLE READ. chunk->end says how far the reading got, at most
 * plan->end; when it is plan->end, the ranges are complete. With ids in the plan, reads those from
 * `begin` on, and `end` is plan->end once there are no more.
 *
 * The caller owns `*chunk`, whose chunks have `job` 0 and the purpose CHUNK_LOAD, and frees it. On
 * an error it holds nothing, and the same range can be read again in another transaction: ERR_RETRY
 * (a connection), ERR_FATAL (Postgres refuses a query), or what the heartbeat returned. */
int range_reader_read(struct range_reader *reader, struct pg *pg, int64_t begin,
                      struct load_chunk *chunk, struct error *err);

#endif
