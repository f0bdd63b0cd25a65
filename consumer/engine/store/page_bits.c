#include "consumer/engine/store/page_bits.h"

#include <string.h>

#include "common/base/check.h"

/* Adds up the bits in fields of the word. Not every x86-64 processor has an instruction for it, and
 * the compiler can vectorise this form. */
static uint64_t
word_count(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    word += word >> 8;
    word += word >> 16;
    word += word >> 32;
    return word & 0x7f;
}

uint32_t
page_bits_count(const struct page_bits *bits)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < PAGE_WORDS; i++)
        count += word_count(bits->words[i]);
    return (uint32_t)count;
}

/* The number of words in which a bit is set. */
static uint32_t
page_bits_busy(const struct page_bits *bits)
{
    uint64_t busy = 0;
    for (uint32_t i = 0; i < PAGE_WORDS; i++)
        busy += (bits->words[i] | (0 - bits->words[i])) >> (WORD_SLOTS - 1);
    return (uint32_t)busy;
}

bool
page_bits_are_few(const struct page_bits *bits, uint32_t limit)
{
    return page_bits_busy(bits) <= limit && page_bits_count(bits) <= limit;
}

void
page_bits_fill(struct page_bits *bits, uint32_t from, uint32_t last)
{
    CHECK(from <= last);
    CHECK(last < PAGE_SLOTS);
    uint64_t *words = bits->words;
    uint32_t first_word = from / WORD_SLOTS;
    uint32_t last_word = last / WORD_SLOTS;
    uint64_t head = UINT64_MAX << from % WORD_SLOTS;
    uint64_t tail = UINT64_MAX >> (WORD_SLOTS - 1 - last % WORD_SLOTS);
    if (first_word == last_word) {
        words[first_word] |= head & tail;
        return;
    }
    words[first_word] |= head;
    for (uint32_t word = first_word + 1; word < last_word; word++)
        words[word] = UINT64_MAX;
    words[last_word] |= tail;
}

void
page_bits_and(struct page_bits *restrict bits, const uint64_t *restrict words, uint64_t flip)
{
    CHECK(flip == 0 || flip == UINT64_MAX);
    for (uint32_t i = 0; i < PAGE_WORDS; i++)
        bits->words[i] &= words[i] ^ flip;
}

uint32_t
page_bits_and_count(struct page_bits *restrict found, const struct page_bits *restrict bits,
                    const uint64_t *restrict words, uint64_t flip)
{
    uint64_t count = 0;
    CHECK(flip == 0 || flip == UINT64_MAX);
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        found->words[i] = bits->words[i] & (words[i] ^ flip);
        count += word_count(found->words[i]);
    }
    return (uint32_t)count;
}

void
page_bits_part(struct page_bits *restrict bits, struct page_bits *restrict found,
               const uint64_t *restrict words, uint64_t flip)
{
    CHECK(flip == 0 || flip == UINT64_MAX);
    for (uint32_t i = 0; i < PAGE_WORDS; i++) {
        uint64_t both = bits->words[i] & (words[i] ^ flip);
        found->words[i] |= both;
        bits->words[i] ^= both;
    }
}

void
page_bits_or(struct page_bits *restrict bits, const uint64_t *restrict words)
{
    for (uint32_t i = 0; i < PAGE_WORDS; i++)
        bits->words[i] |= words[i];
}

void
page_bits_keep_low(struct page_bits *bits, uint32_t end)
{
    CHECK(end <= PAGE_SLOTS);
    uint32_t word = end / WORD_SLOTS;
    if (end % WORD_SLOTS > 0)
        bits->words[word++] &= UINT64_MAX >> (WORD_SLOTS - end % WORD_SLOTS);
    memset(bits->words + word, 0, (PAGE_WORDS - word) * sizeof bits->words[0]);
}

void
page_bits_keep_high(struct page_bits *bits, uint32_t from)
{
    CHECK(from <= PAGE_SLOTS);
    uint32_t word = from / WORD_SLOTS;
    memset(bits->words, 0, word * sizeof bits->words[0]);
    if (from % WORD_SLOTS > 0)
        bits->words[word] &= UINT64_MAX << from % WORD_SLOTS;
}

uint32_t
page_bits_select(const struct page_bits *bits, uint32_t rank)
{
    uint32_t word = 0;
    CHECK(rank < PAGE_SLOTS);
    for (; rank >= word_count(bits->words[word]); word++) {
        rank -= (uint32_t)word_count(bits->words[word]);
        CHECK(word + 1 < PAGE_WORDS);
    }
    uint64_t left = bits->words[word];
    for (; rank > 0; rank--)
        left &= left - 1;
    CHECK(left != 0);
    return word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
}
