#include "consumer/engine/store/page_bits.h"

#include <roaring/containers/containers.h>
#include <roaring/roaring_array.h>
#include <string.h>

#include "common/base/check.h"

#ifdef BITSET_CONTAINER_TYPE_CODE
enum { BITSET_TYPE = BITSET_CONTAINER_TYPE_CODE, ARRAY_TYPE = ARRAY_CONTAINER_TYPE_CODE };
#define BITSET_WORDS(bitset) ((bitset)->array)
#else /* CRoaring 0.3 and above */
enum { BITSET_TYPE = BITSET_CONTAINER_TYPE, ARRAY_TYPE = ARRAY_CONTAINER_TYPE };
#define BITSET_WORDS(bitset) ((bitset)->words)
#endif

enum { ARRAY_MAX = 4096 }; /* a container of more slots is a bitset */
enum { FEW_SLOTS_A_PAGE = 256 };

uint32_t
bitmap_pages(const roaring_bitmap_t *bitmap)
{
    return (uint32_t)bitmap->high_low_container.size;
}

uint32_t
bitmap_page_at(const roaring_bitmap_t *bitmap, uint32_t at)
{
    return bitmap->high_low_container.keys[at];
}

static bool
bitmap_is_below(const roaring_bitmap_t *bitmap, uint32_t slots_a_page)
{
    return roaring_bitmap_get_cardinality(bitmap) <= (uint64_t)bitmap_pages(bitmap) * slots_a_page;
}

bool
bitmap_is_sparse(const roaring_bitmap_t *bitmap)
{
    return bitmap_is_below(bitmap, FEW_SLOTS_A_PAGE);
}

static void
page_bits_of_array(struct page_bits *bits, const array_container_t *array)
{
    memset(bits, 0, sizeof *bits);
    for (int32_t i = 0; i < array->cardinality; i++) {
        uint32_t at = array->array[i];
        bits->words[at / WORD_SLOTS] |= UINT64_C(1) << at % WORD_SLOTS;
    }
}

/* Sets what is at `from` .. `last`. */
static void
page_bits_fill(struct page_bits *bits, uint32_t from, uint32_t last)
{
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

static void
page_bits_of_runs(struct page_bits *bits, const run_container_t *runs)
{
    memset(bits, 0, sizeof *bits);
    for (int32_t i = 0; i < runs->n_runs; i++) {
        uint32_t from = runs->runs[i].value;
        page_bits_fill(bits, from, from + runs->runs[i].length);
    }
}

const uint64_t *
bitmap_page_words(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *room)
{
    uint8_t type;
    int32_t at = ra_get_index(&bitmap->high_low_container, (uint16_t)page);
    if (at < 0)
        return NULL;
    const void *container =
        ra_get_container_at_index(&bitmap->high_low_container, (uint16_t)at, &type);
    container = container_unwrap_shared(container, &type);
    if (type == BITSET_TYPE)
        return BITSET_WORDS((const bitset_container_t *)container);
    if (type == ARRAY_TYPE)
        page_bits_of_array(room, container);
    else
        page_bits_of_runs(room, container);
    return room->words;
}

void
bitmap_page_read(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *bits)
{
    const uint64_t *words = bitmap_page_words(bitmap, page, bits);
    if (words == NULL)
        memset(bits, 0, sizeof *bits);
    else if (words != bits->words)
        memcpy(bits->words, words, sizeof bits->words);
}

void
bitmap_page_keep(const roaring_bitmap_t *bitmap, uint32_t page, struct page_bits *bits)
{
    struct page_bits room;
    const uint64_t *words = bitmap_page_words(bitmap, page, &room);
    if (words == NULL)
        memset(bits, 0, sizeof *bits);
    else
        page_bits_and(bits, words, 0);
}

static array_container_t *
array_of_page_bits(const struct page_bits *bits, uint32_t count)
{
    array_container_t *array = array_container_create_given_capacity((int32_t)count);
    CHECK(array != NULL);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = bits->words[word]; left != 0; left &= left - 1)
            array->array[array->cardinality++] =
                (uint16_t)(word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left));
    }
    return array;
}

void
bitmap_append_page(roaring_bitmap_t *bitmap, uint32_t page, const struct page_bits *bits)
{
    uint32_t count = page_bits_count(bits);
    if (count == 0)
        return;
    if (count <= ARRAY_MAX) {
        ra_append(&bitmap->high_low_container, (uint16_t)page, array_of_page_bits(bits, count),
                  ARRAY_TYPE);
        return;
    }
    bitset_container_t *bitset = bitset_container_create();
    CHECK(bitset != NULL);
    memcpy(BITSET_WORDS(bitset), bits->words, sizeof bits->words);
    bitset->cardinality = (int32_t)count;
    ra_append(&bitmap->high_low_container, (uint16_t)page, bitset, BITSET_TYPE);
}

/* The slots of `a` that are in `b` too; `flip` of all ones: that are not. */
static roaring_bitmap_t *
bitmap_and_words(const roaring_bitmap_t *a, const roaring_bitmap_t *b, uint64_t flip)
{
    struct page_bits bits, room;
    roaring_bitmap_t *found = roaring_bitmap_create();
    CHECK(found != NULL);
    for (uint32_t i = 0; i < bitmap_pages(a); i++) {
        uint32_t page = bitmap_page_at(a, i);
        const uint64_t *words = bitmap_page_words(b, page, &room);
        if (words == NULL && flip == 0)
            continue;
        bitmap_page_read(a, page, &bits);
        if (words != NULL)
            page_bits_and(&bits, words, flip);
        bitmap_append_page(found, page, &bits);
    }
    return found;
}

/* Otherwise most containers of one are arrays, with which CRoaring is the faster. */
static bool
bitmaps_are_dense(const roaring_bitmap_t *a, const roaring_bitmap_t *b)
{
    return !bitmap_is_below(a, ARRAY_MAX) && !bitmap_is_below(b, ARRAY_MAX);
}

roaring_bitmap_t *
bitmap_and(const roaring_bitmap_t *a, const roaring_bitmap_t *b)
{
    if (bitmaps_are_dense(a, b))
        return bitmap_and_words(a, b, 0);
    roaring_bitmap_t *both = roaring_bitmap_and(a, b);
    CHECK(both != NULL);
    return both;
}

roaring_bitmap_t *
bitmap_andnot(const roaring_bitmap_t *a, const roaring_bitmap_t *b)
{
    if (bitmaps_are_dense(a, b))
        return bitmap_and_words(a, b, UINT64_MAX);
    roaring_bitmap_t *others = roaring_bitmap_andnot(a, b);
    CHECK(others != NULL);
    return others;
}

/* Bits are added up in fields of a word: without the instruction, which not every x86-64 has, the
 * compiler can still count several words at once. */
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

/* How many words hold a slot. */
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
page_bits_and(struct page_bits *restrict bits, const uint64_t *restrict words, uint64_t flip)
{
    for (uint32_t i = 0; i < PAGE_WORDS; i++)
        bits->words[i] &= words[i] ^ flip;
}

uint32_t
page_bits_and_count(struct page_bits *restrict found, const struct page_bits *restrict bits,
                    const uint64_t *restrict words, uint64_t flip)
{
    uint64_t count = 0;
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
    uint32_t word = end / WORD_SLOTS;
    if (end % WORD_SLOTS > 0)
        bits->words[word++] &= UINT64_MAX >> (WORD_SLOTS - end % WORD_SLOTS);
    memset(bits->words + word, 0, (PAGE_WORDS - word) * sizeof bits->words[0]);
}

void
page_bits_keep_high(struct page_bits *bits, uint32_t from)
{
    uint32_t word = from / WORD_SLOTS;
    memset(bits->words, 0, word * sizeof bits->words[0]);
    if (from % WORD_SLOTS > 0)
        bits->words[word] &= UINT64_MAX << from % WORD_SLOTS;
}

uint32_t
page_bits_select(const struct page_bits *bits, uint32_t rank)
{
    uint32_t word = 0;
    for (; rank >= word_count(bits->words[word]); word++) {
        rank -= (uint32_t)word_count(bits->words[word]);
        CHECK(word + 1 < PAGE_WORDS);
    }
    uint64_t left = bits->words[word];
    for (; rank > 0; rank--)
        left &= left - 1;
    return word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left);
}
