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

/* --- private --------------------------------------------------------------------------------- */

#define SUM_HASH_START UINT32_C(0x9e3779b9)
#define SUM_HASH_EXTRA UINT32_C(3923095)

static inline uint32_t
sum_rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static inline void
sum_seed_mix(struct sum_seed *s)
{
    s->a = (s->a - s->c) ^ sum_rotate(s->c, 4);
    s->c += s->b;
    s->b = (s->b - s->a) ^ sum_rotate(s->a, 6);
    s->a += s->c;
    s->c = (s->c - s->b) ^ sum_rotate(s->b, 8);
    s->b += s->a;
    s->a = (s->a - s->c) ^ sum_rotate(s->c, 16);
    s->c += s->b;
    s->b = (s->b - s->a) ^ sum_rotate(s->a, 19);
    s->a += s->c;
    s->c = (s->c - s->b) ^ sum_rotate(s->b, 4);
    s->b += s->a;
}

static inline int64_t
sum_seed_finish(struct sum_seed s)
{
    s.c = (s.c ^ s.b) - sum_rotate(s.b, 14);
    s.a = (s.a ^ s.c) - sum_rotate(s.c, 11);
    s.b = (s.b ^ s.a) - sum_rotate(s.a, 25);
    s.c = (s.c ^ s.b) - sum_rotate(s.b, 16);
    s.a = (s.a ^ s.c) - sum_rotate(s.c, 4);
    s.b = (s.b ^ s.a) - sum_rotate(s.a, 14);
    s.c = (s.c ^ s.b) - sum_rotate(s.b, 24);
    return (int64_t)((uint64_t)s.b << 32 | s.c);
}

/* The state for a key of `bytes` bytes. */
static inline struct sum_seed
sum_seed_start(uint32_t bytes, int64_t seed)
{
    uint32_t word = SUM_HASH_START + bytes + SUM_HASH_EXTRA;
    struct sum_seed s = {word, word, word};
    if (seed == 0)
        return s;
    s.a += (uint32_t)((uint64_t)seed >> 32);
    s.b += (uint32_t)seed;
    sum_seed_mix(&s);
    return s;
}

/* --- public ---------------------------------------------------------------------------------- */

/* A seed for sum_hash_int(), of any number of ids. */
static inline struct sum_seed
sum_hash_seed(int64_t seed)
{
    return sum_seed_start(sizeof(uint32_t), seed);
}

/* hashint8extended(id, seed). A bigint is folded so that it has the hash of an equal int4. */
static inline int64_t
sum_hash_int(const struct sum_seed *seed, int64_t id)
{
    struct sum_seed s = *seed;
    uint32_t low = (uint32_t)id;
    uint32_t high = (uint32_t)((uint64_t)id >> 32);
    s.a += low ^ (id >= 0 ? high : ~high);
    return sum_seed_finish(s);
}

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
