/* Reads entities from all range sources of a plan: range after range, or those of a list.
 *
 * The rows come through the caller's session, and through sessions of the reader's own
 * (producer.load.connections counts all of them), which import the snapshot of the caller's
 * transaction. The reader adapts how much it reads next to what the last reading cost: about 0.3 s,
 * 8 MB or 16 Ki entities, whichever is reached first. A reading that costs far more is given up and
 * done again smaller, so memory is bounded. One thread.
 */
#ifndef PRODUCER_LOAD_RANGE_READER_H
#define PRODUCER_LOAD_RANGE_READER_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/load/load_chunk.h"
#include "producer/load/load_plan.h"

struct range_reader;

struct range_reader_options {
    uint32_t event_bytes_max;   /* of one encoded chunk event, header included */
    enum chunk_purpose purpose; /* of the chunks; a load ends at too many unreadable entities */
    /* Called several times a second while the reader waits. When it returns anything but 0, the
     * reading ends with that. May be NULL. */
    int (*heartbeat)(void *context);
    void *context;
};

/* What one reading is to read. */
struct range_wanted {
    int64_t begin; /* 0 <= begin < end */
    int64_t end;
    /* Not NULL: only these ids, at least one, strictly ascending in that range. */
    const int64_t *ids;
    uint32_t id_count;
    bool is_dense; /* of a range: it is read from `begin` on, wherever its first entity is */
    double share;  /* of the usual 0.3 s and 8 MB; 0 < share <= 1 */
};

/* `plan` has a range source and outlives the reader, which connects when it reads. */
int range_reader_create(const struct load_plan *plan, const struct range_reader_options *options,
                        struct range_reader **reader, struct error *err);
/* NULL does nothing. */
void range_reader_destroy(struct range_reader *reader);

/* How many ids of a list a reading with this share is expected to read, at least 1. */
uint32_t range_reader_list_width(const struct range_reader *reader, double share);

/* Reads the first entities that are wanted, as many as the reading has time for: all range sources
 * in the snapshot of `pg`, which is in a transaction of isolation level REPEATABLE READ, outside of
 * a savepoint. chunk->end says how far the reading got; when it is wanted->end, it is complete.
 *
 * The caller owns `*chunk`, whose chunks have `job` 0, and frees it. On an error it holds nothing,
 * and the same can be read again: ERR_RETRY (a connection, a lock), ERR_FATAL (Postgres refuses a
 * query), or what the heartbeat returned. `pg` is then outside of a savepoint again, unless it is
 * lost. */
int range_reader_read_wanted(struct range_reader *reader, struct pg *pg,
                             const struct range_wanted *wanted, struct load_chunk *chunk,
                             struct error *err);

/* Likewise what the plan has from `begin` on: up to plan->end, or its ids. */
int range_reader_read(struct range_reader *reader, struct pg *pg, int64_t begin,
                      struct load_chunk *chunk, struct error *err);

#endif
