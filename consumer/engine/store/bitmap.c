#include "consumer/engine/store/bitmap.h"

#include <roaring/containers/containers.h>
#include <roaring/roaring_array.h>
#include <string.h>

#include "common/base/check.h"

#ifdef BITSET_CONTAINER_TYPE_CODE
enum {
    BITSET_TYPE = BITSET_CONTAINER_TYPE_CODE,
    ARRAY_TYPE = ARRAY_CONTAINER_TYPE_CODE,
    RUN_TYPE = RUN_CONTAINER_TYPE_CODE,
};
#define BITSET_WORDS(bitset) ((bitset)->array)
#else /* CRoaring 0.3 and above */
enum {
    BITSET_TYPE = BITSET_CONTAINER_TYPE,
    ARRAY_TYPE = ARRAY_CONTAINER_TYPE,
    RUN_TYPE = RUN_CONTAINER_TYPE,
};
#define BITSET_WORDS(bitset) ((bitset)->words)
#endif

enum { ARRAY_MAX = 4096 }; /* a container with more slots is a bitset */
enum { FEW_SLOTS_A_PAGE = 256 };
enum { CONTAINER_BYTES = 32 }; /* of a container beside its slots, in CRoaring's three arrays too */

roaring_bitmap_t *
bitmap_create(void)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_create();
    CHECK(bitmap != NULL);
    return bitmap;
}

roaring_bitmap_t *
bitmap_copy(const roaring_bitmap_t *bitmap)
{
    roaring_bitmap_t *copy = roaring_bitmap_copy(bitmap);
    CHECK(copy != NULL);
    return copy;
}

uint64_t
bitmap_bytes(const roaring_bitmap_t *bitmap)
{
    roaring_statistics_t statistics;
    roaring_bitmap_statistics(bitmap, &statistics);
    return sizeof *bitmap + (uint64_t)statistics.n_containers * CONTAINER_BYTES +
           statistics.n_bytes_array_containers + statistics.n_bytes_run_containers +
           statistics.n_bytes_bitset_containers;
}

uint32_t
bitmap_pages(const roaring_bitmap_t *bitmap)
{
    int32_t pages = bitmap->high_low_container.size;
    CHECK(pages >= 0 && pages <= PAGES_MAX);
    return (uint32_t)pages;
}

uint32_t
bitmap_page_at(const roaring_bitmap_t *bitmap, uint32_t at)
{
    CHECK(at < bitmap_pages(bitmap));
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

/* --- pages ----------------------------------------------------------------------------------- */

static void
page_bits_of_array(struct page_bits *bits, const array_container_t *array)
{
    CHECK(array->cardinality >= 0 && array->cardinality <= ARRAY_MAX);
    memset(bits, 0, sizeof *bits);
    for (int32_t i = 0; i < array->cardinality; i++) {
        uint32_t at = array->array[i];
        bits->words[at / WORD_SLOTS] |= UINT64_C(1) << at % WORD_SLOTS;
    }
}

static void
page_bits_of_runs(struct page_bits *bits, const run_container_t *runs)
{
    CHECK(runs->n_runs >= 0 && runs->n_runs <= PAGE_SLOTS / 2);
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
    CHECK(page < PAGES_MAX);
    int32_t at = ra_get_index(&bitmap->high_low_container, (uint16_t)page);
    if (at < 0)
        return NULL;
    const void *container =
        ra_get_container_at_index(&bitmap->high_low_container, (uint16_t)at, &type);
    container = container_unwrap_shared(container, &type);
    if (type == BITSET_TYPE)
        return BITSET_WORDS((const bitset_container_t *)container);
    if (type == ARRAY_TYPE) {
        page_bits_of_array(room, container);
    } else {
        CHECK(type == RUN_TYPE);
        page_bits_of_runs(room, container);
    }
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

void
bitmap_page_form(const roaring_bitmap_t *bitmap, uint32_t at, struct bitmap_page *page)
{
    uint8_t type;
    CHECK(at < bitmap_pages(bitmap));
    const void *container =
        ra_get_container_at_index(&bitmap->high_low_container, (uint16_t)at, &type);
    container = container_unwrap_shared(container, &type);
    page->count = (uint32_t)container_get_cardinality(container, type);
    if (type == BITSET_TYPE) {
        page->form = BITMAP_WORDS;
        page->data = BITSET_WORDS((const bitset_container_t *)container);
        page->bytes = PAGE_WORDS * sizeof(uint64_t);
    } else if (type == ARRAY_TYPE) {
        page->form = BITMAP_ARRAY;
        page->data = ((const array_container_t *)container)->array;
        page->bytes = page->count * sizeof(uint16_t);
    } else {
        const run_container_t *runs = container;
        CHECK(type == RUN_TYPE);
        page->form = BITMAP_RUNS;
        page->data = runs->runs;
        page->bytes = (size_t)runs->n_runs * sizeof runs->runs[0];
    }
    CHECK(page->count > 0 && page->count <= PAGE_SLOTS);
}

static array_container_t *
array_of_page_bits(const struct page_bits *bits, uint32_t count)
{
    CHECK(count > 0 && count <= ARRAY_MAX);
    array_container_t *array = array_container_create_given_capacity((int32_t)count);
    CHECK(array != NULL);
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = bits->words[word]; left != 0; left &= left - 1)
            array->array[array->cardinality++] =
                (uint16_t)(word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left));
    }
    CHECK(array->cardinality == (int32_t)count);
    return array;
}

static bitset_container_t *
bitset_of_page_bits(const struct page_bits *bits, uint32_t count)
{
    CHECK(count > ARRAY_MAX && count <= PAGE_SLOTS);
    bitset_container_t *bitset = bitset_container_create();
    CHECK(bitset != NULL);
    memcpy(BITSET_WORDS(bitset), bits->words, sizeof bits->words);
    bitset->cardinality = (int32_t)count;
    return bitset;
}

void
bitmap_append_page(roaring_bitmap_t *bitmap, uint32_t page, const struct page_bits *bits)
{
    roaring_array_t *containers = &bitmap->high_low_container;
    uint32_t count = page_bits_count(bits);
    CHECK(page < PAGES_MAX);
    CHECK(containers->size == 0 || containers->keys[containers->size - 1] < page);
    if (count > ARRAY_MAX)
        ra_append(containers, (uint16_t)page, bitset_of_page_bits(bits, count), BITSET_TYPE);
    else if (count > 0)
        ra_append(containers, (uint16_t)page, array_of_page_bits(bits, count), ARRAY_TYPE);
}

/* The slots of `a` that are in `b` too (`flip` 0), or that are not in `b` (`flip` all ones). */
static roaring_bitmap_t *
bitmap_and_words(const roaring_bitmap_t *a, const roaring_bitmap_t *b, uint64_t flip)
{
    struct page_bits bits, room;
    roaring_bitmap_t *found = bitmap_create();
    CHECK(flip == 0 || flip == UINT64_MAX);
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

/* Where one bitmap consists mostly of array containers, CRoaring is faster. */
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
