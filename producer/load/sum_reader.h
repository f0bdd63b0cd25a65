/* Reads the sums of ranges of entities, by the queries of a plan, in the caller's transaction.
 *
 * The reader adapts the width of the next range to what the last one cost (sum_width.h). Queries
 * that take far too long are cancelled, and the range is made smaller; the transaction continues at
 * a savepoint. One thread.
 */
#ifndef PRODUCER_LOAD_SUM_READER_H
#define PRODUCER_LOAD_SUM_READER_H

#include "common/base/error.h"
#include "common/event/chunk.h"
#include "common/pg/pg.h"
#include "producer/load/sum_plan.h"

struct sum_reader;

struct sum_reader_options {
    /* Called several times a second while the reader waits. When it returns anything but 0, the
     * reading ends with that. May be NULL. */
    int (*heartbeat)(void *context);
    void *context;
};

/* The sums of one range. Owns everything that it points to, in its arena. */
struct sum_reading {
    struct arena arena;
    int64_t begin;
    int64_t end;
    /* By partition; NULL: none. Each names the same fields: those of the plan that can be compared,
     * without those whose query Postgres refused. `job` is 0. */
    struct sum *sums;
    uint64_t values; /* that were summed, and entities */
    uint64_t bytes;  /* that the database sent */
};

void sum_reading_free(struct sum_reading *reading);

/* `plan` has a statement and outlives the reader. */
struct sum_reader *sum_reader_create(const struct sum_plan *plan,
                                     const struct sum_reader_options *options);
/* NULL does nothing. */
void sum_reader_destroy(struct sum_reader *reader);

/* Sums the entities from `begin` on, at most up to `limit`, in the snapshot of `pg`, which is in a
 * transaction of isolation level REPEATABLE READ. reading->end says how far the range goes. On an
 * error the reading holds nothing, and the transaction may be lost: ERR_RETRY, ERR_FATAL (Postgres
 * refuses all queries), or what the heartbeat returned. */
int sum_reader_read(struct sum_reader *reader, struct pg *pg, int64_t begin, int64_t limit,
                    struct sum_reading *reading, struct error *err);

#endif
