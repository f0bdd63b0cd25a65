#include "consumer/engine/store/slices.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/store/image.h"

void
slices_init(struct slices *slices, uint32_t width)
{
    CHECK(width > 0);
    CHECK(width < SLICES_MAX);
    CHECK(slices->count == 0);
    slices->count = width + 1;
    for (uint32_t i = 0; i < slices->count; i++)
        slices->bits[i] = bitmap_create();
}

void
slices_free(struct slices *slices)
{
    for (uint32_t i = 0; i < slices->count; i++)
        roaring_bitmap_free(slices->bits[i]);
    slices->count = 0;
}

void
slices_change(struct slices *slices, uint32_t slot, int64_t old_number, int64_t new_number)
{
    CHECK(slices->count > 0);
    uint64_t mask = UINT64_MAX >> (SLICES_MAX - slices->count);
    uint64_t changed = ((uint64_t)old_number ^ (uint64_t)new_number) & mask;
    for (; changed != 0; changed &= changed - 1) {
        int i = __builtin_ctzll(changed);
        if (new_number >> i & 1)
            roaring_bitmap_add(slices->bits[i], slot);
        else
            roaring_bitmap_remove(slices->bits[i], slot);
    }
}

/* Goes slice by slice, so that the memory of one slice stays in the cache for all of its
 * changes. */
void
slices_change_many(struct slices *slices, const struct slices_change *changes, uint32_t count)
{
    CHECK(count > 0 && changes[0].slot <= changes[count - 1].slot);
    uint32_t *set = memory_alloc(count * sizeof *set);
    uint32_t *unset = memory_alloc(count * sizeof *unset);
    for (uint32_t bit = 0; bit < slices->count; bit++) {
        uint32_t sets = 0, unsets = 0;
        for (uint32_t i = 0; i < count; i++) {
            bool is = (changes[i].new_number >> bit & 1) != 0;
            bool was = (changes[i].old_number >> bit & 1) != 0;
            set[sets] = unset[unsets] = changes[i].slot;
            sets += is && !was;
            unsets += was && !is;
        }
        roaring_bitmap_add_many(slices->bits[bit], sets, set);
        roaring_bitmap_remove_many(slices->bits[bit], unsets, unset);
    }
    free(set);
    free(unset);
}

/* Is the number of at most as many bits as the slices have? */
static bool
slices_hold(const struct slices *slices, int64_t number)
{
    int64_t max = (int64_t)(UINT64_MAX >> 1 >> (SLICES_MAX - slices->count));
    return number >= -max && number <= max;
}

void
slices_fill(struct slices *slices, const roaring_bitmap_t *slots, int64_t number)
{
    CHECK(slices_hold(slices, number));
    for (uint32_t i = 0; i < slices->count; i++) {
        if (number >> i & 1)
            roaring_bitmap_or_inplace(slices->bits[i], slots);
        else
            roaring_bitmap_andnot_inplace(slices->bits[i], slots);
    }
}

/* Bits above the width of `from` repeat its sign. */
void
slices_copy(struct slices *slices, const struct slices *from, const roaring_bitmap_t *slots)
{
    CHECK(slices != from);
    CHECK(from->count > 0);
    for (uint32_t i = 0; i < slices->count; i++) {
        uint32_t bit = i < from->count ? i : from->count - 1;
        roaring_bitmap_t *set = roaring_bitmap_and(from->bits[bit], slots);
        CHECK(set != NULL);
        roaring_bitmap_andnot_inplace(slices->bits[i], slots);
        roaring_bitmap_or_inplace(slices->bits[i], set);
        roaring_bitmap_free(set);
    }
}

/* The `flip` (page_bits.h) that makes set bits mean the greater numbers of slice `i`: in the slice
 * of the sign, a set bit means a lower number. */
static uint64_t
slices_flip(const struct slices *slices, uint32_t i)
{
    CHECK(i < slices->count);
    return i == slices->count - 1 ? UINT64_MAX : 0;
}

bool
slices_part(const struct slices *slices, uint32_t page, int64_t number, struct page_bits *open,
            struct page_bits *above)
{
    static const struct page_bits none;
    struct page_bits room;
    CHECK(slices->count > 0);
    memset(above, 0, sizeof *above);
    if (page_bits_are_few(open, SLICES_FEW))
        return false;
    for (uint32_t i = slices->count; i-- > 0;) {
        const uint64_t *words = bitmap_page_words(slices->bits[i], page, &room);
        uint64_t flip = slices_flip(slices, i);
        bool high = (number >> i & 1) != (int64_t)(flip & 1);
        if (words == NULL && high == (flip != 0))
            continue; /* this bit is the same in all numbers of the page and in `number` */
        if (words == NULL)
            words = none.words;
        if (high)
            page_bits_and(open, words, flip);
        else
            page_bits_part(open, above, words, flip);
        if (i > 0 && page_bits_are_few(open, SLICES_FEW))
            return false;
    }
    return true;
}

/* One page of a search for the best slots. */
struct best_page {
    struct page_bits sure;   /* better than all slots that are still open */
    struct page_bits better; /* the open slots that are better in the current slice */
    uint32_t open_count;
    uint32_t better_count;
};

/* Finds the open slots that are better than the others in this slice; returns their number. */
static uint32_t
best_page_compare(struct best_page *best, const roaring_bitmap_t *bits, uint32_t page,
                  uint64_t flip, const struct page_bits *open)
{
    static const struct page_bits none;
    struct page_bits room;
    best->better_count = 0;
    if (best->open_count == 0)
        return 0;
    const uint64_t *words = bitmap_page_words(bits, page, &room);
    if (words == NULL)
        words = none.words;
    best->better_count = page_bits_and_count(&best->better, open, words, flip);
    CHECK(best->better_count <= best->open_count);
    return best->better_count;
}

/* The better slots stay open and the others leave (`stay`), or the better ones become sure and the
 * others stay open. */
static void
best_page_take(struct best_page *best, bool stay, struct page_bits *open)
{
    if (stay) {
        if (best->open_count > best->better_count)
            *open = best->better;
        best->open_count = best->better_count;
    } else if (best->better_count > 0) {
        page_bits_or(&best->sure, best->better.words);
        page_bits_and(open, best->better.words, UINT64_MAX);
        best->open_count -= best->better_count;
    }
}

/* All open slots have equal numbers: the first `wanted` of them stay. */
static void
best_pages_cut(const struct best_page *best, uint32_t count, uint64_t wanted, bool greatest,
               struct page_bits *open)
{
    CHECK(wanted > 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t held = best[i].open_count;
        uint32_t kept = wanted < held ? (uint32_t)wanted : held;
        wanted -= kept;
        if (kept == 0)
            memset(&open[i], 0, sizeof open[i]);
        else if (kept < held && greatest)
            page_bits_keep_high(&open[i], page_bits_select(&open[i], held - kept));
        else if (kept < held)
            page_bits_keep_low(&open[i], page_bits_select(&open[i], kept));
    }
}

/* Goes from the highest slice down. The slots of `open` are equal in all slices visited so far. */
void
slices_best(const struct slices *slices, const uint32_t *pages, uint32_t count, uint64_t wanted,
            bool greatest, struct page_bits *open)
{
    uint64_t left = 0;
    struct best_page *best = memory_alloc(count * sizeof *best);
    CHECK(wanted > 0);
    for (uint32_t at = 0; at < count; at++) {
        memset(&best[at].sure, 0, sizeof best[at].sure);
        left += best[at].open_count = page_bits_count(&open[at]);
    }
    for (uint32_t i = slices->count; i-- > 0 && left > SLICES_FEW && left > wanted;) {
        uint64_t flip = slices_flip(slices, i) ^ (greatest ? 0 : UINT64_MAX);
        uint64_t found = 0;
        for (uint32_t at = 0; at < count; at++)
            found += best_page_compare(&best[at], slices->bits[i], pages[at], flip, &open[at]);
        for (uint32_t at = 0; at < count; at++)
            best_page_take(&best[at], found >= wanted, &open[at]);
        CHECK(found <= left);
        left = found >= wanted ? found : left - found;
        wanted -= found >= wanted ? 0 : found;
    }
    if (left > SLICES_FEW && left > wanted)
        best_pages_cut(best, count, wanted, greatest, open);
    for (uint32_t at = 0; at < count; at++)
        page_bits_or(&open[at], best[at].sure.words);
    free(best);
}

/* Bit `k` of word `i` becomes bit `i` of word `k`. From Hacker's Delight, 7-3. */
static void
words_transpose(uint64_t words[static WORD_SLOTS])
{
    uint64_t mask = UINT32_MAX;
    for (uint32_t step = WORD_SLOTS / 2; step != 0; step /= 2, mask ^= mask << step) {
        for (uint32_t i = 0; i < WORD_SLOTS; i = (i + step + 1) & ~step) {
            uint64_t swapped = ((words[i] >> step) ^ words[i + step]) & mask;
            words[i] ^= swapped << step;
            words[i + step] ^= swapped;
        }
    }
}

/* The numbers of the slots of one word: the sign is repeated above the highest slice. */
static void
slices_read_word(const uint64_t *const *slices, uint32_t count, uint32_t word, int64_t *numbers)
{
    uint64_t bits[WORD_SLOTS] = {0};
    CHECK(count > 0 && count <= SLICES_MAX);
    for (uint32_t i = 0; i < count; i++)
        bits[i] = slices[i] != NULL ? slices[i][word] : 0;
    for (uint32_t i = count; i < WORD_SLOTS; i++)
        bits[i] = bits[count - 1];
    words_transpose(bits);
    memcpy(numbers, bits, sizeof bits);
}

void
slices_read_page(const struct slices *slices, uint32_t page, const struct page_bits *open,
                 int64_t numbers[static PAGE_SLOTS])
{
    const uint64_t *words[SLICES_MAX];
    struct page_bits *rooms = memory_alloc(slices->count * sizeof *rooms);
    for (uint32_t i = 0; i < slices->count; i++)
        words[i] = bitmap_page_words(slices->bits[i], page, &rooms[i]);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        if (open->words[word] != 0)
            slices_read_word(words, slices->count, word, numbers + (size_t)word * WORD_SLOTS);
    }
    free(rooms);
}

/* Leaves no run containers: every query would have to turn them back into words. */
void
slices_optimize(struct slices *slices)
{
    for (uint32_t i = 0; i < slices->count; i++) {
        roaring_bitmap_remove_run_compression(slices->bits[i]);
        roaring_bitmap_shrink_to_fit(slices->bits[i]);
    }
}

uint64_t
slices_bytes(const struct slices *slices)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < slices->count; i++)
        bytes += bitmap_bytes(slices->bits[i]);
    return bytes;
}

/* The bitmaps, from the lowest bit to the sign. */
void
slices_save(const struct slices *slices, struct image_writer *writer)
{
    CHECK(slices->count > 0);
    for (uint32_t i = 0; i < slices->count; i++)
        image_put_bitmap(writer, slices->bits[i]);
}

void
slices_load(struct slices *slices, struct image_reader *reader)
{
    CHECK(slices->count > 0);
    for (uint32_t i = 0; i < slices->count; i++)
        image_replace_bitmap(reader, &slices->bits[i]);
}
