/* The word of a set has one of four forms:
 *
 *     0                            empty
 *     slot << 32 | ONE             one slot
 *     pointer to struct few | FEW  a sorted array of at least two slots
 *     pointer to a bitmap          not empty
 */
#include "consumer/engine/store/slot_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/base/search.h"
#include "consumer/engine/store/bitmap.h"
#include "consumer/engine/store/image.h"

enum { ONE = 1, FEW = 2, FORM_MASK = 3, CONTAINER_BITS = 16, VISIT_SLOTS = 1024 };
enum {
    FEW_CAPACITY_MIN = 5,
    FEW_CAPACITY_STEP = 4,
    FEW_PER_CONTAINER = 32,
    FEW_MIN = 64,
    FEW_MAX = 4096
};

struct few { /* its capacities use all bytes of malloc()'s sizes: 24, 40, 56, ... */
    uint16_t count;
    uint16_t capacity;
    uint32_t slots[]; /* ascending */
};

static bool
slot_set_is_one(const struct slot_set *set)
{
    return (set->word & FORM_MASK) == ONE;
}

static struct few *
slot_set_few(const struct slot_set *set)
{
    bool is_few = (set->word & FORM_MASK) == FEW;
    return is_few ? (struct few *)(uintptr_t)(set->word - FEW) : NULL;
}

static roaring_bitmap_t *
slot_set_bitmap(const struct slot_set *set)
{
    bool is_bitmap = (set->word & FORM_MASK) == 0;
    return is_bitmap ? (roaring_bitmap_t *)(uintptr_t)set->word : NULL;
}

/* The slots of a set that has no bitmap, as an array; `one` is room for a single slot. `*count` is
 * 0 for a set that is empty or has a bitmap. */
static const uint32_t *
slot_set_array(const struct slot_set *set, uint32_t *one, uint32_t *count)
{
    const struct few *few = slot_set_few(set);
    if (few != NULL) {
        CHECK(few->count <= few->capacity);
        *count = few->count;
        return few->slots;
    }
    *one = (uint32_t)(set->word >> 32);
    *count = slot_set_is_one(set);
    return one;
}

static void
slot_set_hold_one(struct slot_set *set, uint32_t slot)
{
    CHECK(slot_set_is_empty(set));
    set->word = (uint64_t)slot << 32 | ONE;
}

static void
slot_set_hold_few(struct slot_set *set, struct few *few)
{
    CHECK(((uintptr_t)few & FORM_MASK) == 0);
    CHECK(few->count > 1);
    set->word = (uint64_t)(uintptr_t)few | FEW;
}

static void
slot_set_hold_bitmap(struct slot_set *set, roaring_bitmap_t *bitmap)
{
    CHECK(bitmap != NULL);
    CHECK(((uintptr_t)bitmap & FORM_MASK) == 0);
    set->word = (uint64_t)(uintptr_t)bitmap;
}

/* Gives the array room for `wanted` slots; the room may be a few slots larger. NULL: a new
 * array. */
static struct few *
few_resize(struct few *few, uint32_t wanted)
{
    uint32_t capacity = FEW_CAPACITY_MIN;
    CHECK(few == NULL || few->count <= wanted);
    if (wanted > capacity)
        capacity +=
            (wanted - capacity + FEW_CAPACITY_STEP - 1) / FEW_CAPACITY_STEP * FEW_CAPACITY_STEP;
    CHECK(capacity <= UINT16_MAX);
    few = memory_realloc(few, sizeof *few + capacity * sizeof few->slots[0]);
    few->capacity = (uint16_t)capacity;
    return few;
}

struct few_search {
    const struct few *few;
    uint32_t wanted;
};

static bool
few_is_below(const void *context, uint32_t at)
{
    const struct few_search *search = context;
    return search->few->slots[at] < search->wanted;
}

/* The index that `slot` has or would have. */
static uint32_t
few_position(const struct few *few, uint32_t slot)
{
    const struct few_search search = {few, slot};
    return search_first(few->count, few_is_below, &search);
}

static bool
few_contains(const struct few *few, uint32_t slot)
{
    uint32_t at = few_position(few, slot);
    return at < few->count && few->slots[at] == slot;
}

/* The number of slots between `first` and `last` up to which an array needs no more memory than a
 * bitmap. */
static uint32_t
few_limit(uint32_t first, uint32_t last)
{
    CHECK(first <= last);
    uint32_t containers = (last >> CONTAINER_BITS) - (first >> CONTAINER_BITS) + 1;
    uint32_t limit = containers * FEW_PER_CONTAINER;
    if (limit > FEW_MAX)
        return FEW_MAX;
    return limit > FEW_MIN ? limit : FEW_MIN;
}

static void
few_add(struct slot_set *set, struct few *few, uint32_t slot)
{
    uint32_t at = few->count; /* loads add slots in their order */
    if (slot <= few->slots[few->count - 1])
        at = few_position(few, slot);
    if (at < few->count && few->slots[at] == slot)
        return;
    if (few->count == few->capacity)
        few = few_resize(few, few->count + few->count / 4 + 1);
    CHECK(few->count < few->capacity);
    CHECK(at == 0 || few->slots[at - 1] < slot);
    CHECK(at == few->count || slot < few->slots[at]);
    memmove(few->slots + at + 1, few->slots + at, (few->count - at) * sizeof few->slots[0]);
    few->slots[at] = slot;
    few->count++;
    slot_set_hold_few(set, few);
    if (few->count > few_limit(few->slots[0], few->slots[few->count - 1])) {
        slot_set_hold_bitmap(set, roaring_bitmap_of_ptr(few->count, few->slots));
        free(few);
    }
}

/* CHECK()s what its form promises: before a set is written, after it is read or optimised. */
static void
slot_set_check(const struct slot_set *set)
{
    const struct few *few = slot_set_few(set);
    const roaring_bitmap_t *bitmap = slot_set_bitmap(set);
    CHECK(few == NULL || (few->count > 1 && few->count <= few->capacity));
    CHECK(few == NULL || few->slots[0] < few->slots[few->count - 1]);
    CHECK(few == NULL || few->count <= FEW_MAX);
    CHECK(bitmap == NULL || !roaring_bitmap_is_empty(bitmap));
}

/* Adds to a set of one slot. */
static void
slot_set_add_second(struct slot_set *set, uint32_t slot)
{
    uint32_t one = (uint32_t)(set->word >> 32);
    CHECK(slot_set_is_one(set));
    if (slot == one)
        return;
    struct few *few = few_resize(NULL, 2);
    few->count = 2;
    few->slots[0] = one < slot ? one : slot;
    few->slots[1] = one < slot ? slot : one;
    slot_set_hold_few(set, few);
}

/* Gives the set the form for what is left of the array after slots were removed. */
static void
few_shrink(struct slot_set *set, struct few *few)
{
    if (few->count > 1) {
        if (few->capacity > FEW_CAPACITY_MIN && few->count <= few->capacity / 2)
            few = few_resize(few, few->count);
        slot_set_hold_few(set, few);
        return;
    }
    set->word = 0;
    if (few->count == 1)
        slot_set_hold_one(set, few->slots[0]);
    free(few);
}

static void
few_remove(struct slot_set *set, struct few *few, uint32_t slot)
{
    uint32_t at = few_position(few, slot);
    if (at == few->count || few->slots[at] != slot)
        return;
    CHECK(few->count > 1);
    few->count--;
    memmove(few->slots + at, few->slots + at + 1, (few->count - at) * sizeof few->slots[0]);
    few_shrink(set, few);
}

void
slot_set_free(struct slot_set *set)
{
    free(slot_set_few(set));
    if (slot_set_bitmap(set) != NULL)
        roaring_bitmap_free(slot_set_bitmap(set));
    set->word = 0;
}

void
slot_set_add(struct slot_set *set, uint32_t slot)
{
    struct few *few = slot_set_few(set);
    if (few != NULL) {
        few_add(set, few, slot);
    } else if (slot_set_is_empty(set)) {
        slot_set_hold_one(set, slot);
    } else if (slot_set_is_one(set)) {
        slot_set_add_second(set, slot);
    } else {
        roaring_bitmap_add(slot_set_bitmap(set), slot);
    }
}

static void
slot_set_drop_empty_bitmap(struct slot_set *set)
{
    CHECK(slot_set_bitmap(set) != NULL);
    if (roaring_bitmap_is_empty(slot_set_bitmap(set)))
        slot_set_free(set);
}

void
slot_set_remove(struct slot_set *set, uint32_t slot)
{
    struct few *few = slot_set_few(set);
    if (few != NULL) {
        few_remove(set, few, slot);
    } else if (slot_set_is_one(set)) {
        if (set->word >> 32 == slot)
            set->word = 0;
    } else if (!slot_set_is_empty(set)) {
        roaring_bitmap_remove(slot_set_bitmap(set), slot);
        slot_set_drop_empty_bitmap(set);
    }
}

void
slot_set_add_all(struct slot_set *set, const roaring_bitmap_t *slots)
{
    roaring_bitmap_t *bitmap = slot_set_bitmap(set);
    if (bitmap != NULL) {
        roaring_bitmap_or_inplace(bitmap, slots);
        return;
    }
    if (roaring_bitmap_is_empty(slots))
        return;
    uint32_t one, count;
    const uint32_t *array = slot_set_array(set, &one, &count);
    bitmap = bitmap_copy(slots);
    roaring_bitmap_add_many(bitmap, count, array);
    slot_set_free(set);
    slot_set_hold_bitmap(set, bitmap);
}

/* The union of two lists in strictly ascending order; at least two slots. */
static struct few *
few_of_lists(const uint32_t *a, uint32_t a_count, const uint32_t *b, uint32_t b_count)
{
    struct few *few = few_resize(NULL, a_count + b_count);
    uint32_t count = 0;
    for (uint32_t i = 0, k = 0; i < a_count || k < b_count;) {
        bool from_a = k == b_count || (i < a_count && a[i] <= b[k]);
        uint32_t slot = from_a ? a[i] : b[k];
        i += i < a_count && a[i] == slot;
        k += k < b_count && b[k] == slot;
        few->slots[count++] = slot;
    }
    few->count = (uint16_t)count;
    CHECK(few->count <= few->capacity);
    CHECK(few->slots[0] <= few->slots[few->count - 1]);
    return few;
}

/* Adds slots that are greater than those of the array, if it may hold that many; false: not done.
 * Loads add slots in their order. */
static bool
few_append(struct slot_set *set, struct few *few, const uint32_t *slots, uint32_t count)
{
    uint32_t total = few->count + count;
    CHECK(few->count > 0 && few->count <= few->capacity);
    if (slots[0] <= few->slots[few->count - 1] ||
        total > few_limit(few->slots[0], slots[count - 1]))
        return false;
    if (total > few->capacity)
        few = few_resize(few, total + few->count / 4);
    memcpy(few->slots + few->count, slots, count * sizeof few->slots[0]);
    few->count = (uint16_t)total;
    slot_set_hold_few(set, few);
    return true;
}

/* To a set without a bitmap. */
static void
slot_set_merge(struct slot_set *set, const uint32_t *slots, uint32_t count)
{
    uint32_t one, held;
    const uint32_t *array = slot_set_array(set, &one, &held);
    uint32_t first = held > 0 && array[0] < slots[0] ? array[0] : slots[0];
    uint32_t last =
        held > 0 && array[held - 1] > slots[count - 1] ? array[held - 1] : slots[count - 1];
    bool is_few = held + count <= few_limit(first, last);
    struct slot_set merged = {0};
    if (is_few) {
        few_shrink(&merged, few_of_lists(array, held, slots, count));
    } else {
        roaring_bitmap_t *bitmap = roaring_bitmap_of_ptr(count, slots);
        roaring_bitmap_add_many(bitmap, held, array);
        slot_set_hold_bitmap(&merged, bitmap);
    }
    slot_set_free(set);
    *set = merged;
}

void
slot_set_add_many(struct slot_set *set, const uint32_t *slots, uint32_t count)
{
    CHECK(count > 0 && slots[0] <= slots[count - 1]);
    struct few *few = slot_set_few(set);
    if (count == 1)
        slot_set_add(set, slots[0]);
    else if (few != NULL && few_append(set, few, slots, count))
        return;
    else if (slot_set_bitmap(set) != NULL)
        roaring_bitmap_add_many(slot_set_bitmap(set), count, slots);
    else
        slot_set_merge(set, slots, count);
}

void
slot_set_remove_all(struct slot_set *set, const roaring_bitmap_t *slots)
{
    struct few *few = slot_set_few(set);
    if (few != NULL) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < few->count; i++) {
            if (!roaring_bitmap_contains(slots, few->slots[i]))
                few->slots[kept++] = few->slots[i];
        }
        few->count = (uint16_t)kept;
        few_shrink(set, few);
    } else if (slot_set_is_one(set)) {
        if (roaring_bitmap_contains(slots, (uint32_t)(set->word >> 32)))
            set->word = 0;
    } else if (!slot_set_is_empty(set)) {
        roaring_bitmap_andnot_inplace(slot_set_bitmap(set), slots);
        slot_set_drop_empty_bitmap(set);
    }
}

static void
few_remove_many(struct slot_set *set, struct few *few, const uint32_t *slots, uint32_t count)
{
    uint32_t kept = 0, at = 0;
    CHECK(few->count > 1 && count > 1);
    for (uint32_t i = 0; i < few->count; i++) {
        while (at < count && slots[at] < few->slots[i])
            at++;
        if (at == count || slots[at] != few->slots[i])
            few->slots[kept++] = few->slots[i];
    }
    few->count = (uint16_t)kept;
    few_shrink(set, few);
}

void
slot_set_remove_many(struct slot_set *set, const uint32_t *slots, uint32_t count)
{
    struct few *few = slot_set_few(set);
    CHECK(count > 0 && slots[0] <= slots[count - 1]);
    if (count == 1) {
        slot_set_remove(set, slots[0]);
    } else if (few != NULL) {
        few_remove_many(set, few, slots, count);
    } else if (slot_set_is_one(set)) {
        for (uint32_t i = 0; i < count; i++)
            slot_set_remove(set, slots[i]);
    } else if (!slot_set_is_empty(set)) {
        roaring_bitmap_remove_many(slot_set_bitmap(set), count, slots);
        slot_set_drop_empty_bitmap(set);
    }
}

bool
slot_set_contains(const struct slot_set *set, uint32_t slot)
{
    const struct few *few = slot_set_few(set);
    if (few != NULL)
        return few_contains(few, slot);
    if (slot_set_is_one(set))
        return set->word >> 32 == slot;
    return !slot_set_is_empty(set) && roaring_bitmap_contains(slot_set_bitmap(set), slot);
}

uint64_t
slot_set_count(const struct slot_set *set)
{
    const roaring_bitmap_t *bitmap = slot_set_bitmap(set);
    if (bitmap != NULL)
        return roaring_bitmap_get_cardinality(bitmap);
    uint32_t one, count;
    slot_set_array(set, &one, &count);
    CHECK((count == 0) == slot_set_is_empty(set));
    return count;
}

roaring_bitmap_t *
slot_set_within(const struct slot_set *set, const roaring_bitmap_t *within)
{
    const roaring_bitmap_t *bitmap = slot_set_bitmap(set);
    if (bitmap != NULL)
        return within != NULL ? bitmap_and(bitmap, within) : bitmap_copy(bitmap);
    uint32_t one, count, kept = 0;
    uint32_t slots[FEW_MAX];
    const uint32_t *array = slot_set_array(set, &one, &count);
    CHECK(count <= FEW_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (within == NULL || roaring_bitmap_contains(within, array[i]))
            slots[kept++] = array[i];
    }
    roaring_bitmap_t *found = roaring_bitmap_of_ptr(kept, slots);
    CHECK(found != NULL);
    return found;
}

/* The number of slots of a sorted array that are below `end`. */
static uint32_t
array_below(const uint32_t *slots, uint32_t count, uint64_t end)
{
    uint32_t low = 0;
    for (uint32_t high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (slots[middle] < end)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void
bitmap_visit(const roaring_bitmap_t *bitmap, int64_t value, uint64_t begin, uint64_t end,
             slot_visit take, void *context)
{
    uint32_t slots[VISIT_SLOTS];
    roaring_uint32_iterator_t at;
    roaring_init_iterator(bitmap, &at);
    if (begin > UINT32_MAX || !roaring_move_uint32_iterator_equalorlarger(&at, (uint32_t)begin))
        return;
    for (;;) {
        uint32_t read = roaring_read_uint32_iterator(&at, slots, VISIT_SLOTS);
        uint32_t count = array_below(slots, read, end);
        if (count > 0)
            take(context, value, slots, count);
        if (count < VISIT_SLOTS)
            return;
    }
}

void
slot_set_visit(const struct slot_set *set, int64_t value, uint64_t begin, uint64_t end,
               slot_visit take, void *context)
{
    uint32_t one, count;
    CHECK(begin <= end);
    const uint32_t *slots = slot_set_array(set, &one, &count);
    uint32_t first = array_below(slots, count, begin);
    uint32_t next = first + array_below(slots + first, count - first, end);
    if (next > first)
        take(context, value, slots + first, next - first);
    if (count == 0 && !slot_set_is_empty(set))
        bitmap_visit(slot_set_bitmap(set), value, begin, end, take, context);
}

void
slot_set_join(const struct slot_set *set, roaring_bitmap_t *united)
{
    const roaring_bitmap_t *bitmap = slot_set_bitmap(set);
    if (bitmap != NULL) {
        roaring_bitmap_or_inplace(united, bitmap);
        return;
    }
    uint32_t one, count;
    const uint32_t *array = slot_set_array(set, &one, &count);
    roaring_bitmap_add_many(united, count, array);
}

void
slot_set_optimize(struct slot_set *set)
{
    roaring_bitmap_t *bitmap = slot_set_bitmap(set);
    struct few *few = slot_set_few(set);
    if (few != NULL) {
        slot_set_hold_few(set, few_resize(few, few->count));
        return;
    }
    if (bitmap == NULL)
        return;
    uint64_t count = roaring_bitmap_get_cardinality(bitmap);
    if (count > few_limit(roaring_bitmap_minimum(bitmap), roaring_bitmap_maximum(bitmap))) {
        roaring_bitmap_run_optimize(bitmap);
        roaring_bitmap_shrink_to_fit(bitmap);
        return;
    }
    CHECK(count > 0);
    few = few_resize(NULL, (uint32_t)count);
    few->count = (uint16_t)count;
    roaring_bitmap_to_uint32_array(bitmap, few->slots);
    CHECK(few->slots[0] <= few->slots[count - 1]);
    roaring_bitmap_free(bitmap);
    set->word = 0;
    few_shrink(set, few);
    slot_set_check(set);
}

uint64_t
slot_set_bytes(const struct slot_set *set)
{
    const struct few *few = slot_set_few(set);
    if (few != NULL)
        return sizeof *few + few->capacity * sizeof few->slots[0];
    return slot_set_bitmap(set) != NULL ? bitmap_bytes(slot_set_bitmap(set)) : 0;
}

/* The number of slots, then each slot; or 0, then a bitmap. */
void
slot_set_save(const struct slot_set *set, struct image_writer *writer)
{
    uint32_t one, count;
    const uint32_t *array = slot_set_array(set, &one, &count);
    CHECK(!slot_set_is_empty(set));
    slot_set_check(set);
    image_put_u32(writer, count);
    if (count > 0)
        image_put(writer, array, count * sizeof array[0]);
    else
        image_put_bitmap(writer, slot_set_bitmap(set));
}

static void
slot_set_load_few(struct slot_set *set, uint32_t count, struct image_reader *reader)
{
    CHECK(count > 1 && count <= FEW_MAX);
    struct few *few = few_resize(NULL, count);
    few->count = (uint16_t)count;
    image_get(reader, few->slots, count * sizeof few->slots[0]);
    bool is_ascending = true;
    for (uint32_t i = 1; i < count; i++)
        is_ascending &= few->slots[i - 1] < few->slots[i];
    if (!is_ascending)
        image_refuse(reader, "slots out of order");
    slot_set_hold_few(set, few);
}

static void
slot_set_load_bitmap(struct slot_set *set, struct image_reader *reader)
{
    roaring_bitmap_t *bitmap = image_get_bitmap(reader);
    CHECK((bitmap == NULL) == (reader->rc != 0));
    if (bitmap == NULL)
        return;
    slot_set_hold_bitmap(set, bitmap);
    if (roaring_bitmap_is_empty(bitmap))
        image_refuse(reader, "a value without slots");
}

void
slot_set_load(struct slot_set *set, struct image_reader *reader)
{
    CHECK(slot_set_is_empty(set));
    uint32_t count = image_get_u32(reader);
    if (count > FEW_MAX)
        image_refuse(reader, "too many slots");
    else if (count == 1)
        slot_set_hold_one(set, image_get_u32(reader));
    else if (count > 1)
        slot_set_load_few(set, count, reader);
    else
        slot_set_load_bitmap(set, reader);
    CHECK(reader->rc != 0 || !slot_set_is_empty(set));
    if (reader->rc == 0)
        slot_set_check(set);
}
