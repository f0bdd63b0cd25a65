/* A set of slots of one page as plain words, one bit a slot: for computations that take many steps
 * over the same slots. The words stay in the processor's nearest cache (8 KiB), and no step
 * allocates memory or counts slots unless asked to. Any thread.
 *
 * Functions that combine `bits` with `words` take the words inverted when `flip` is all ones, and
 * as they are when `flip` is 0.
 */
#ifndef CONSUMER_ENGINE_STORE_PAGE_BITS_H
#define CONSUMER_ENGINE_STORE_PAGE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "consumer/engine/store/pages.h"

enum { WORD_SLOTS = 64, PAGE_WORDS = PAGE_SLOTS / WORD_SLOTS };

struct page_bits {
    uint64_t words[PAGE_WORDS];
};

uint32_t page_bits_count(const struct page_bits *bits);
/* Is the count at most `limit`? Costs less than counting when it is far above. */
bool page_bits_are_few(const struct page_bits *bits, uint32_t limit);
/* Sets the bits from `from` to `last`, both included. */
void page_bits_fill(struct page_bits *bits, uint32_t from, uint32_t last);

/* `bits` keeps what is set in `words` too. */
void page_bits_and(struct page_bits *restrict bits, const uint64_t *restrict words, uint64_t flip);
/* Sets `found` to what is set in both, leaves `bits`, and returns the count of `found`. */
uint32_t page_bits_and_count(struct page_bits *restrict found,
                             const struct page_bits *restrict bits, const uint64_t *restrict words,
                             uint64_t flip);
/* Moves what is set in both from `bits` to `found`, which keeps what it has. */
void page_bits_part(struct page_bits *restrict bits, struct page_bits *restrict found,
                    const uint64_t *restrict words, uint64_t flip);
/* `bits` gains what is set in `words`. */
void page_bits_or(struct page_bits *restrict bits, const uint64_t *restrict words);

/* Keeps the slots below `end`; those at `from` and above. Both may be PAGE_SLOTS. */
void page_bits_keep_low(struct page_bits *bits, uint32_t end);
void page_bits_keep_high(struct page_bits *bits, uint32_t from);
/* The slot that has `rank` slots of the set below it; the set holds more than `rank`. */
uint32_t page_bits_select(const struct page_bits *bits, uint32_t rank);

#endif
