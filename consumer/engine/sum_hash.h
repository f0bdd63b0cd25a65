/* The hashes of PostgreSQL that sums consist of, and their order-free sum as 128 bits.
 *
 * The same as hashint8extended() and hashtextextended() with the collation "C", bit for bit, on a
 * little-endian server (src/common/hashfn.c and src/backend/access/hash/hashfunc.c of PostgreSQL;
 * Bob Jenkins' lookup3). Any thread.
 */
#ifndef CONSUMER_ENGINE_SUM_HASH_H
#define CONSUMER_ENGINE_SUM_HASH_H

#include "common/base/memory.h"

/* The state after the seed. */
struct sum_seed {
    uint32_t a;
    uint32_t b;
    uint32_t c;
};

/* A seed for sum_hash_int(), of any number of ids. */
struct sum_seed sum_hash_seed(int64_t seed);
/* hashint8extended(id, seed). */
int64_t sum_hash_int(const struct sum_seed *seed, int64_t id);
/* hashtextextended(text COLLATE "C", seed). */
int64_t sum_hash_text(struct text text, int64_t seed);

/* How many hashes, and their sum in two's complement. */
struct hash_sum {
    uint64_t count;
    int64_t high;
    uint64_t low;
};

static inline void
hash_sum_add(struct hash_sum *sum, int64_t hash)
{
    uint64_t low = sum->low + (uint64_t)hash;
    sum->high += (int64_t)(low < sum->low) - (int64_t)(hash < 0);
    sum->low = low;
    sum->count++;
}

static inline bool
hash_sum_equal(const struct hash_sum *a, const struct hash_sum *b)
{
    return a->count == b->count && a->high == b->high && a->low == b->low;
}

#endif
