/* The rendezvous of queries with the workers of this process: queries wait here until partitions
 * have come far enough, and workers wait here while a query reads all partitions at one tick.
 *
 *     worker    ends its batches at proofs while a query wants one tick, and visits after each
 *     visit     a worker whose place is exact and the furthest of all is held; the others continue
 *               until they are as far
 *     query     begins when all partitions that it asks are held at one place, and ends the hold
 *
 * A place is exact when the shard holds all windows up to its tick, and nothing of a later one. A
 * worker that comes further than those that are held makes the place of the rendezvous later, and
 * they continue.
 *
 * A worker is held for at most the limit, whatever queries do, and then works for as long as it was
 * held before it is held again: queries take at most half of its time. A query whose hold has ended
 * before it begins again.
 *
 * No lock is held while a worker or a query works. Any thread.
 */
#ifndef CONSUMER_PARTITION_RENDEZVOUS_H
#define CONSUMER_PARTITION_RENDEZVOUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"

struct rendezvous;

struct rendezvous_place {
    int64_t epoch;
    int64_t tick;
    bool is_exact;
};

/* `hold_ms`: the limit. The caller owns the object. */
struct rendezvous *rendezvous_create(int32_t partitions, int64_t hold_ms);
/* No thread may wait. */
void rendezvous_destroy(struct rendezvous *rendezvous);

/* --- workers --------------------------------------------------------------------------------- */

/* Does a query want all partitions at one tick? */
bool rendezvous_is_wanted(const struct rendezvous *rendezvous);

/* The worker is between two batches, at `place`. Returns when it may continue, at once unless a
 * query wants it to wait. `may_wait` is called at least every 100 ms meanwhile; false: return. */
void rendezvous_visit(struct rendezvous *rendezvous, int32_t partition,
                      const struct rendezvous_place *place, bool (*may_wait)(void *context),
                      void *context);
/* The worker ends: the partition has no place any more. */
void rendezvous_leave(struct rendezvous *rendezvous, int32_t partition);

/* What a partition is proved to hold has changed. */
void rendezvous_announce(struct rendezvous *rendezvous);

/* --- queries --------------------------------------------------------------------------------- */

/* Changes are counted from here on, until the end. To be called before proofs are read. */
void rendezvous_watch_begin(struct rendezvous *rendezvous);
void rendezvous_watch_end(struct rendezvous *rendezvous);
/* The number of changes so far. */
uint64_t rendezvous_changes(struct rendezvous *rendezvous);
/* Waits until there are more than `changes`, or until `until_us` of the monotonic clock. */
void rendezvous_await_change(struct rendezvous *rendezvous, uint64_t changes, int64_t until_us);

struct rendezvous_hold {
    int64_t until_us; /* the workers may continue then */
    uint64_t departures;
};

/* Waits until all partitions with `asked` are held at one place. ERR_RETRY: not before `until_us`;
 * the message has the places. After success, rendezvous_end() is due. */
int rendezvous_begin(struct rendezvous *rendezvous, const bool *asked, int64_t until_us,
                     struct rendezvous_hold *hold, struct error *err);
/* Returns whether all workers were held until now. */
bool rendezvous_end(struct rendezvous *rendezvous, const struct rendezvous_hold *hold);

#endif
