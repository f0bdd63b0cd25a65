#include "consumer/engine/top_k.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/field_match.h"

enum { READ_SLOTS = 256, TOGETHER_MAX = 16 };

struct top {
    const struct field *field;
    const struct top_k_key *after;
    struct top_k_hit *hits; /* a heap with the worst hit on top */
    uint64_t count;
    uint64_t capacity;
    bool greatest;
};

/* Does `a` come before `b` in the result? */
static bool
top_is_before(const struct top *top, const struct top_k_hit *a, const struct top_k_hit *b)
{
    if (a->value != b->value)
        return (a->value > b->value) == top->greatest;
    return (a->slot > b->slot) == top->greatest;
}

static void
top_sift_down(const struct top *top, uint64_t at, uint64_t count)
{
    CHECK(at < count && count <= top->count);
    struct top_k_hit hit = top->hits[at];
    for (uint64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && top_is_before(top, &top->hits[child], &top->hits[child + 1]))
            child++;
        if (!top_is_before(top, &hit, &top->hits[child]))
            break;
        top->hits[at] = top->hits[child];
        at = child;
    }
    top->hits[at] = hit;
}

static void
top_sift_up(const struct top *top, uint64_t at)
{
    CHECK(at < top->capacity);
    struct top_k_hit hit = top->hits[at];
    while (at > 0 && top_is_before(top, &top->hits[(at - 1) / 2], &hit)) {
        top->hits[at] = top->hits[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    top->hits[at] = hit;
}

static void
top_offer(struct top *top, uint32_t slot)
{
    CHECK(top->capacity > 0);
    struct top_k_hit hit = {column_read(&top->field->column, slot), slot};
    if (top->count < top->capacity) {
        top->hits[top->count] = hit;
        top_sift_up(top, top->count++);
    } else if (top_is_before(top, &hit, &top->hits[0])) {
        top->hits[0] = hit;
        top_sift_down(top, 0, top->count);
    }
}

/* Turns the heap into a list, the best hit first. */
static void
top_order(struct top *top)
{
    CHECK(top->count <= top->capacity);
    for (uint64_t left = top->count; left > 1; left--) {
        struct top_k_hit worst = top->hits[0];
        top->hits[0] = top->hits[left - 1];
        top->hits[left - 1] = worst;
        top_sift_down(top, 0, left - 1);
    }
    CHECK(top->count < 2 || top_is_before(top, &top->hits[0], &top->hits[top->count - 1]));
}

/* Does the slot follow the key? */
static bool
top_is_after(const struct top *top, uint32_t slot)
{
    CHECK(top->after != NULL);
    int64_t value = column_read(&top->field->column, slot);
    if (value != top->after->value)
        return (value < top->after->value) == top->greatest;
    return (slot < top->after->edge) == top->greatest;
}

/* Keeps in `open` the slots that follow the key. */
static void
top_cut_before(const struct top *top, uint32_t page, struct page_bits *open)
{
    struct page_bits above, ties = *open;
    CHECK(top->after != NULL);
    uint64_t first = (uint64_t)page << PAGE_BITS;
    uint64_t edge = top->after->edge > first ? top->after->edge - first : 0;
    uint32_t cut = edge < PAGE_SLOTS ? (uint32_t)edge : PAGE_SLOTS;
    field_part(top->field, page, top->after->value, &ties, &above);
    if (top->greatest) {
        page_bits_and(open, above.words, UINT64_MAX);
        page_bits_and(open, ties.words, UINT64_MAX);
        page_bits_keep_low(&ties, cut);
    } else {
        *open = above;
        page_bits_keep_high(&ties, cut);
    }
    page_bits_or(open, ties.words);
}

/* Keeps in `open` the slots that are better than the worst hit, and a few more. Ties with that hit
 * are not better, since the pages are visited in the order in which ties win. */
static void
top_cut_worse(const struct top *top, uint32_t page, struct page_bits *open)
{
    struct page_bits above, alike = *open;
    CHECK(top->count > 0 && top->count == top->capacity);
    bool equal = slices_part(&top->field->slices, page, top->hits[0].value, &alike, &above);
    if (top->greatest) {
        *open = above;
        if (!equal)
            page_bits_or(open, alike.words);
    } else {
        page_bits_and(open, above.words, UINT64_MAX);
        if (equal)
            page_bits_and(open, alike.words, UINT64_MAX);
    }
}

static void
top_offer_page(struct top *top, uint32_t page, const struct page_bits *open)
{
    for (uint32_t word = 0; word < PAGE_WORDS; word++) {
        for (uint64_t left = open->words[word]; left != 0; left &= left - 1)
            top_offer(top,
                      (page << PAGE_BITS) + word * WORD_SLOTS + (uint32_t)__builtin_ctzll(left));
    }
}

/* The candidates of a page. */
static void
top_read_page(const struct top *top, const roaring_bitmap_t *slots, uint32_t page,
              struct page_bits *open)
{
    bitmap_page_read(slots, page, open);
    bitmap_page_keep(top->field->present, page, open);
    if (top->after != NULL)
        top_cut_before(top, page, open);
    if (top->count == top->capacity)
        top_cut_worse(top, page, open);
}

/* Searches more pages at a time when more hits are wanted: otherwise the later pages would replace
 * most hits of the first ones. */
static void
top_search_pages(struct top *top, const roaring_bitmap_t *slots)
{
    uint32_t pages[TOGETHER_MAX];
    uint64_t many = 1 + top->capacity / SLICES_FEW;
    uint32_t together = many < TOGETHER_MAX ? (uint32_t)many : TOGETHER_MAX;
    uint32_t all = bitmap_pages(slots);
    struct page_bits *open = memory_alloc(together * sizeof *open);
    for (uint32_t done = 0; done < all;) {
        uint32_t count = 0;
        for (; count < together && done < all; count++, done++) {
            pages[count] = bitmap_page_at(slots, top->greatest ? all - 1 - done : done);
            top_read_page(top, slots, pages[count], &open[count]);
        }
        CHECK(count > 0);
        slices_best(&top->field->slices, pages, count, top->capacity, top->greatest, open);
        for (uint32_t i = 0; i < count; i++)
            top_offer_page(top, pages[i], &open[i]);
    }
    free(open);
}

/* Reads the value of every slot. */
static void
top_search_slots(struct top *top, const roaring_bitmap_t *slots)
{
    roaring_bitmap_t *valued = bitmap_and(slots, top->field->present);
    roaring_uint32_iterator_t at;
    uint32_t found[READ_SLOTS];
    uint32_t read;
    roaring_init_iterator(valued, &at);
    while ((read = roaring_read_uint32_iterator(&at, found, READ_SLOTS)) > 0) {
        for (uint32_t i = 0; i < read; i++) {
            if (top->after == NULL || top_is_after(top, found[i]))
                top_offer(top, found[i]);
        }
    }
    roaring_bitmap_free(valued);
}

uint64_t
top_k_find(const struct field *field, const roaring_bitmap_t *slots, bool greatest,
           const struct top_k_key *after, uint64_t wanted, struct top_k_hit *hits)
{
    struct top top = {field, after, hits, 0, wanted, greatest};
    CHECK(field->sort_bits > 0);
    CHECK(field->deferred.count == 0);
    CHECK(wanted > 0);
    if (after != NULL && (after->value > field->max || after->value < field->min)) {
        if (greatest != (after->value > field->max))
            return 0;
        top.after = NULL;
    }
    if (bitmap_is_sparse(slots))
        top_search_slots(&top, slots);
    else
        top_search_pages(&top, slots);
    CHECK(top.count <= wanted);
    top_order(&top);
    return top.count;
}
