#include "consumer/engine/store/postings.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/engine/store/bitmap.h"
#include "consumer/engine/store/image.h"

enum { CAPACITY_MIN = 16, VISIT_AHEAD = 8 };

static bool
posting_is_used(const struct posting *posting)
{
    return !slot_set_is_empty(&posting->slots);
}

/* The finalizer of MurmurHash3: spreads consecutive values. */
static uint64_t
postings_hash(int64_t value)
{
    uint64_t h = (uint64_t)value;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccd;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53;
    return h ^ h >> 33;
}

/* The place of `value`, or the free place where it would go. The table is never full. */
static uint64_t
postings_place(const struct postings *postings, int64_t value)
{
    CHECK(postings->count < postings->capacity);
    uint64_t mask = postings->capacity - 1;
    uint64_t at = postings_hash(value) & mask;
    while (posting_is_used(&postings->table[at]) && postings->table[at].value != value)
        at = (at + 1) & mask;
    return at;
}

static bool
postings_is_full(const struct postings *postings)
{
    return postings->count * 4 >= postings->capacity * 3;
}

/* CHECK()s what every change keeps: a table that a search leaves. */
static void
postings_check(const struct postings *postings)
{
    CHECK((postings->capacity & (postings->capacity - 1)) == 0);
    CHECK((postings->capacity == 0) == (postings->table == NULL));
    CHECK(postings->count == 0 || postings->count * 4 < postings->capacity * 3 + 4);
}

static void
postings_grow(struct postings *postings)
{
    struct posting *old = postings->table;
    uint64_t old_capacity = postings->capacity;
    uint64_t moved = 0;
    CHECK((old_capacity & (old_capacity - 1)) == 0);
    postings->capacity = old_capacity > 0 ? old_capacity * 2 : CAPACITY_MIN;
    postings->table = memory_zalloc(postings->capacity * sizeof *postings->table);
    for (uint64_t i = 0; i < old_capacity; i++) {
        if (!posting_is_used(&old[i]))
            continue;
        postings->table[postings_place(postings, old[i].value)] = old[i];
        moved++;
    }
    CHECK(moved == postings->count);
    free(old);
}

/* Frees a place that has become empty, and moves back the postings that a search would no longer
 * reach past it. */
static void
postings_drop(struct postings *postings, uint64_t hole)
{
    uint64_t mask = postings->capacity - 1;
    CHECK(postings->count > 0);
    CHECK(!posting_is_used(&postings->table[hole]));
    for (uint64_t at = (hole + 1) & mask; posting_is_used(&postings->table[at]);
         at = (at + 1) & mask) {
        uint64_t home = postings_hash(postings->table[at].value) & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        postings->table[hole] = postings->table[at];
        hole = at;
    }
    CHECK(hole < postings->capacity);
    postings->table[hole].slots = (struct slot_set){0};
    postings->count--;
}

void
postings_free(struct postings *postings)
{
    postings_check(postings);
    for (uint64_t i = 0; i < postings->capacity; i++)
        slot_set_free(&postings->table[i].slots);
    free(postings->table);
    *postings = (struct postings){0};
}

const struct slot_set *
postings_find(const struct postings *postings, int64_t value)
{
    if (postings->capacity == 0)
        return NULL;
    const struct posting *posting = &postings->table[postings_place(postings, value)];
    return posting_is_used(posting) ? &posting->slots : NULL;
}

int64_t
postings_value(const struct postings *postings, uint32_t slot)
{
    uint64_t at = 0;
    CHECK(postings->count > 0);
    while (!slot_set_contains(&postings->table[at].slots, slot)) {
        at++;
        CHECK(at < postings->capacity);
    }
    return postings->table[at].value;
}

/* The set of `value`. It may be empty; then the caller adds a slot to it. */
static struct slot_set *
postings_open(struct postings *postings, int64_t value)
{
    if (postings_is_full(postings))
        postings_grow(postings);
    struct posting *posting = &postings->table[postings_place(postings, value)];
    CHECK(!posting_is_used(posting) || posting->value == value);
    posting->value = value;
    if (!posting_is_used(posting))
        postings->count++;
    return &posting->slots;
}

void
postings_add(struct postings *postings, int64_t value, uint32_t slot)
{
    struct slot_set *slots = postings_open(postings, value);
    slot_set_add(slots, slot);
    CHECK(!slot_set_is_empty(slots));
}

void
postings_add_all(struct postings *postings, int64_t value, const roaring_bitmap_t *slots)
{
    if (roaring_bitmap_is_empty(slots))
        return;
    struct slot_set *set = postings_open(postings, value);
    slot_set_add_all(set, slots);
    CHECK(!slot_set_is_empty(set));
}

void
postings_add_many(struct postings *postings, int64_t value, const uint32_t *slots, uint32_t count)
{
    struct slot_set *set = postings_open(postings, value);
    slot_set_add_many(set, slots, count);
    CHECK(!slot_set_is_empty(set));
}

void
postings_prefetch(const struct postings *postings, int64_t value)
{
    if (postings->capacity > 0)
        __builtin_prefetch(&postings->table[postings_hash(value) & (postings->capacity - 1)]);
}

void
postings_prefetch_slots(const struct postings *postings, int64_t value)
{
    const struct slot_set *slots = postings_find(postings, value);
    if (slots != NULL)
        slot_set_prefetch(slots);
}

/* The place of a value that has slots; false: it has none. */
static bool
postings_reach(const struct postings *postings, int64_t value, uint64_t *at)
{
    if (postings->capacity == 0)
        return false;
    *at = postings_place(postings, value);
    CHECK(*at < postings->capacity);
    return posting_is_used(&postings->table[*at]);
}

void
postings_remove(struct postings *postings, int64_t value, const uint32_t *slots, uint32_t count)
{
    uint64_t at;
    CHECK(count > 0);
    if (!postings_reach(postings, value, &at))
        return;
    slot_set_remove_many(&postings->table[at].slots, slots, count);
    if (!posting_is_used(&postings->table[at]))
        postings_drop(postings, at);
}

void
postings_remove_all(struct postings *postings, int64_t value, const roaring_bitmap_t *slots)
{
    uint64_t at;
    if (!postings_reach(postings, value, &at))
        return;
    slot_set_remove_all(&postings->table[at].slots, slots);
    if (!posting_is_used(&postings->table[at]))
        postings_drop(postings, at);
}

/* postings_drop() may move a later posting into the place that it frees, so the loop visits that
 * place again. */
void
postings_sweep(struct postings *postings, const roaring_bitmap_t *slots)
{
    for (uint64_t at = 0; at < postings->capacity; at++) {
        while (posting_is_used(&postings->table[at])) {
            slot_set_remove_all(&postings->table[at].slots, slots);
            if (posting_is_used(&postings->table[at]))
                break;
            postings_drop(postings, at);
        }
    }
    postings_check(postings);
}

roaring_bitmap_t *
postings_between(const struct postings *postings, int64_t low, int64_t high,
                 const roaring_bitmap_t *within)
{
    roaring_bitmap_t *found = bitmap_create();
    CHECK(low <= high);
    for (uint64_t i = 0; i < postings->capacity; i++) {
        const struct posting *posting = &postings->table[i];
        if (!posting_is_used(posting) || posting->value < low || posting->value > high)
            continue;
        roaring_bitmap_t *part = slot_set_within(&posting->slots, within);
        roaring_bitmap_or_inplace(found, part);
        roaring_bitmap_free(part);
    }
    return found;
}

void
postings_optimize(struct postings *postings)
{
    for (uint64_t i = 0; i < postings->capacity; i++)
        slot_set_optimize(&postings->table[i].slots);
}

uint64_t
postings_bytes(const struct postings *postings)
{
    uint64_t bytes = postings->capacity * sizeof *postings->table;
    for (uint64_t i = 0; i < postings->capacity; i++)
        bytes += slot_set_bytes(&postings->table[i].slots);
    return bytes;
}

enum { SAVE_AHEAD = 16 }; /* places whose slots are prefetched */

void
postings_visit(const struct postings *postings, uint64_t begin, uint64_t end, slot_visit take,
               void *context)
{
    postings_check(postings);
    for (uint64_t i = 0; i < postings->capacity; i++) {
        const struct posting *posting = &postings->table[i];
        if (i + VISIT_AHEAD < postings->capacity)
            slot_set_prefetch(&posting[VISIT_AHEAD].slots);
        if (posting_is_used(posting))
            slot_set_visit(&posting->slots, posting->value, begin, end, take, context);
    }
}

/* The number of values; then each value with its slots. */
void
postings_save(const struct postings *postings, struct image_writer *writer)
{
    uint64_t saved = 0;
    postings_check(postings);
    image_put_u64(writer, postings->count);
    for (uint64_t i = 0; i < postings->capacity; i++) {
        const struct posting *posting = &postings->table[i];
        if (i + SAVE_AHEAD < postings->capacity)
            slot_set_prefetch(&posting[SAVE_AHEAD].slots);
        if (!posting_is_used(posting))
            continue;
        image_put_u64(writer, (uint64_t)posting->value);
        slot_set_save(&posting->slots, writer);
        saved++;
    }
    CHECK(saved == postings->count);
}

/* Moves the loaded postings into a table that has its final size from the start: they come in the
 * order of the places of another table, and would cluster at the beginning of a smaller one. Frees
 * the slots of a value that comes twice. */
static void
postings_take(struct postings *postings, struct posting *loaded, uint64_t count,
              struct image_reader *reader)
{
    CHECK(postings->table == NULL && count > 0);
    postings->count = count;
    while (postings_is_full(postings))
        postings->capacity = postings->capacity > 0 ? postings->capacity * 2 : CAPACITY_MIN;
    postings->table = memory_zalloc(postings->capacity * sizeof *postings->table);
    postings->count = 0;
    for (uint64_t i = 0; i < count; i++) {
        CHECK(posting_is_used(&loaded[i]));
        struct posting *place = &postings->table[postings_place(postings, loaded[i].value)];
        if (posting_is_used(place)) {
            image_refuse(reader, "the same value twice");
            slot_set_free(&loaded[i].slots);
            continue;
        }
        *place = loaded[i];
        postings->count++;
    }
    CHECK(reader->rc != 0 || postings->count == count);
}

void
postings_load(struct postings *postings, struct image_reader *reader)
{
    CHECK(postings->table == NULL && postings->count == 0);
    uint64_t count = image_get_u64(reader);
    uint64_t loaded = 0;
    uint64_t capacity = 0; /* grows with what is read: the count is not trusted */
    struct posting *list = NULL;
    while (loaded < count && reader->rc == 0) {
        if (loaded == capacity) {
            capacity = capacity > 0 ? capacity * 2 : CAPACITY_MIN;
            list = memory_realloc(list, capacity * sizeof *list);
        }
        list[loaded].value = (int64_t)image_get_u64(reader);
        list[loaded].slots = (struct slot_set){0};
        slot_set_load(&list[loaded].slots, reader);
        if (reader->rc == 0)
            loaded++;
        else
            slot_set_free(&list[loaded].slots);
    }
    if (loaded > 0)
        postings_take(postings, list, loaded, reader);
    CHECK(reader->rc != 0 || loaded == count);
    postings_check(postings);
    free(list);
}
