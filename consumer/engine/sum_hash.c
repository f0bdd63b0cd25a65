#include "consumer/engine/sum_hash.h"

#include "common/base/check.h"

enum { GROUP_BYTES = 12 };

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
    struct sum_seed s = sum_seed_start((uint32_t)text.bytes, seed);
    for (; left >= GROUP_BYTES; left -= GROUP_BYTES, at += GROUP_BYTES) {
        s.a += word_at(at, 4);
        s.b += word_at(at + 4, 4);
        s.c += word_at(at + 8, 4);
        sum_seed_mix(&s);
    }
    s.a += word_at(at, left);
    if (left > 4)
        s.b += word_at(at + 4, left - 4);
    if (left > 8)
        s.c += word_at(at + 8, left - 8) << 8; /* the lowest byte is reserved for the length */
    return sum_seed_finish(s);
}
