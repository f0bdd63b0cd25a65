/* Parents of one entry and level whose entities are read over several turns, in the order of their
 * ids: how far it has come. Only the requests that came before the first turn are answered when all
 * is read. One thread. For this room only.
 */
#ifndef PRODUCER_REFRESH_PARENT_PAGE_H
#define PRODUCER_REFRESH_PARENT_PAGE_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "producer/refresh/refresh_turn.h"
#include "producer/refresh/request.h"
#include "producer/refresh/source_set.h"

struct page_key;

/* Zeroed but for an initialised arena. */
struct parent_page {
    struct arena arena;
    uint32_t entry;
    uint32_t level;
    struct page_key *keys; /* sorted */
    uint32_t count;        /* of the parents; 0: no parent */
    int64_t next_id;       /* child rows from here on are due */
    int64_t cost_us;       /* of the turns before */
    int64_t turn_us;       /* monotonic: when this turn began with it */
};

/* Begins with the parents of these requests, at least one, of one entry and level. */
void parent_page_begin(struct refresh_turn *turn, const uint32_t *members, uint32_t count);
void parent_page_drop(struct parent_page *page);

/* The request is for one of the parents. */
bool parent_page_has(const struct parent_page *page, const struct request *request);

/* Reads on while the turn lasts; after the end, the page has no parents and their requests are
 * settled. ERR_DATA, before anything was read: one of the keys is invalid. */
int parent_page_read(struct refresh_turn *turn, struct source_set *set, struct error *err);

#endif
