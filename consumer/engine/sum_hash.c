#include "consumer/engine/sum_hash.h"

#include "common/base/check.h"

enum { GROUP_BYTES = 12 };
#define HASH_START UINT32_C(0x9e3779b9)
#define HASH_EXTRA UINT32_C(3923095)

static inline uint32_t
rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static inline void
mix(struct sum_seed *s)
{
    s->a = (s->a - s->c) ^ rotate(s->c, 4);
    s->c += s->b;
    s->b = (s->b - s->a) ^ rotate(s->a, 6);
    s->a += s->c;
    s->c = (s->c - s->b) ^ rotate(s->b, 8);
    s->b += s->a;
    s->a = (s->a - s->c) ^ rotate(s->c, 16);
    s->c += s->b;
    s->b = (s->b - s->a) ^ rotate(s->a, 19);
    s->a += s->c;
    s->c = (s->c - s->b) ^ rotate(s->b, 4);
    s->b += s->a;
}

static inline int64_t
finish(struct sum_seed s)
{
    s.c = (s.c ^ s.b) - rotate(s.b, 14);
    s.a = (s.a ^ s.c) - rotate(s.c, 11);
    s.b = (s.b ^ s.a) - rotate(s.a, 25);
    s.c = (s.c ^ s.b) - rotate(s.b, 16);
    s.a = (s.a ^ s.c) - rotate(s.c, 4);
    s.b = (s.b ^ s.a) - rotate(s.a, 14);
    s.c = (s.c ^ s.b) - rotate(s.b, 24);
    return (int64_t)((uint64_t)s.b << 32 | s.c);
}

/* The state for a key of `bytes` bytes. */
static struct sum_seed
start(uint32_t bytes, int64_t seed)
{
    uint32_t word = HASH_START + bytes + HASH_EXTRA;
    struct sum_seed s = {word, word, word};
    if (seed == 0)
        return s;
    s.a += (uint32_t)((uint64_t)seed >> 32);
    s.b += (uint32_t)seed;
    mix(&s);
    return s;
}

struct sum_seed
sum_hash_seed(int64_t seed)
{
    return start(sizeof(uint32_t), seed);
}

/* A bigint is folded so that it has the hash of an equal int4. */
int64_t
sum_hash_int(const struct sum_seed *seed, int64_t id)
{
    struct sum_seed s = *seed;
    uint32_t low = (uint32_t)id;
    uint32_t high = (uint32_t)((uint64_t)id >> 32);
    s.a += low ^ (id >= 0 ? high : ~high);
    return finish(s);
}

/* The little-endian number of up to 4 bytes. */
static uint32_t
word_at(const uint8_t *at, size_t bytes)
{
    uint32_t word = 0;
    for (size_t i = 0; i < bytes && i < sizeof word; i++)
        word |= (uint32_t)at[i] << 8 * i;
    return word;
}

int64_t
sum_hash_text(struct text text, int64_t seed)
{
    const uint8_t *at = (const uint8_t *)text.data;
    size_t left = text.bytes;
    CHECK(text.bytes <= UINT32_MAX);
    struct sum_seed s = start((uint32_t)text.bytes, seed);
    for (; left >= GROUP_BYTES; left -= GROUP_BYTES, at += GROUP_BYTES) {
        s.a += word_at(at, 4);
        s.b += word_at(at + 4, 4);
        s.c += word_at(at + 8, 4);
        mix(&s);
    }
    s.a += word_at(at, left);
    if (left > 4)
        s.b += word_at(at + 4, left - 4);
    if (left > 8)
        s.c += word_at(at + 8, left - 8) << 8; /* the lowest byte is reserved for the length */
    return finish(s);
}
