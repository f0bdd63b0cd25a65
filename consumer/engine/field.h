/* One field of the index: the values of all slots, both ways round.
 *
 * Invariants, which every change keeps:
 *   - `present` holds the slots that have a value;
 *   - the column (of a multi-value: the set column) says which value a slot of `present` has; a
 *     field that has only ever had few distinct values needs none, its postings say it;
 *   - a filter field's postings hold exactly those (value, slot) pairs;
 *   - a sort field's slices hold the bits of what the column holds for `present`, nothing else;
 *     while it defers, they lag behind by what is in `behind`.
 *
 * Values are keys: an integer itself, 0 or 1 for a boolean, a string's code in the dictionary. Not
 * thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_FIELD_H
#define CONSUMER_ENGINE_FIELD_H

#include "common/config/config.h"
#include "consumer/engine/scalar.h"
#include "consumer/engine/store/column.h"
#include "consumer/engine/store/dictionary.h"
#include "consumer/engine/store/kv_sort.h"
#include "consumer/engine/store/postings.h"
#include "consumer/engine/store/set_column.h"
#include "consumer/engine/store/slices.h"

enum { FIELD_VALUES_WITHOUT_COLUMN = 16 };

struct field {
    struct text name;            /* the configuration's */
    enum config_field_type type; /* a field that only sorts is FIELD_SINGLE_VALUE */
    bool filters;                /* has postings */
    uint32_t sort_bits;          /* 0: does not sort, has no slices */
    int64_t min;                 /* what it may hold, for integers */
    int64_t max;
    enum config_computed_op computed_op; /* else its value follows from those of `sources` */
    struct field **sources;
    uint32_t source_count;
    bool feeds; /* is a source of another one */
    roaring_bitmap_t *present;
    bool has_column; /* scalars only */
    struct column column;
    struct set_column sets;
    struct value_list set; /* the one being changed */
    struct postings postings;
    struct slices slices;
    bool defers;
    struct kv_list behind; /* (slot, the number that it had) */
    struct dictionary dictionary;
};

/* What of the description decides which parts it has, as one number. */
static inline uint32_t
field_shape(const struct field *field)
{
    return (uint32_t)field->filters | (field->type == FIELD_MULTI_VALUE) << 1 |
           (field->type == FIELD_STRING) << 2 | (field->type == FIELD_BOOLEAN) << 3 |
           field->sort_bits << 8;
}

/* `field` is zeroed but for its description. */
void field_init(struct field *field);
void field_free(struct field *field);
/* Compacts bitmaps that changes have left larger than they need be. */
void field_optimize(struct field *field);
/* Walks the containers of all bitmaps. */
uint64_t field_bytes(const struct field *field);

/* The key of a scalar. False: a string that no slot ever had. */
bool field_find_key(const struct field *field, const struct scalar *scalar, int64_t *key);
/* The same for a value that is to be stored. */
int64_t field_make_key(struct field *field, const struct scalar *scalar);

/* Scalars of all types. field_get() is false when the slot has no value. */
bool field_get(const struct field *field, uint32_t slot, int64_t *key);
void field_set(struct field *field, uint32_t slot, int64_t key);

/* Changes of single slots cost less together: from field_defer() to field_settle() the slices wait.
 * The field may not be searched by them meanwhile. */
void field_defer(struct field *field);
void field_settle(struct field *field);

/* Multi-values: the items join or leave the slot's set. */
void field_add(struct field *field, uint32_t slot, const int64_t *items, uint32_t count);
void field_remove(struct field *field, uint32_t slot, const int64_t *items, uint32_t count);

/* Both: the slot has no value any more. */
void field_clear(struct field *field, uint32_t slot);

/* The same for many slots at once: by whole bitmaps where that costs less. */
void field_set_all(struct field *field, const roaring_bitmap_t *slots, int64_t key);
/* They get the values that they all have in `from`. Both sort, and this field does not filter. */
void field_copy_all(struct field *field, const struct field *from, const roaring_bitmap_t *slots);
void field_add_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
                   uint32_t count);
void field_remove_all(struct field *field, const roaring_bitmap_t *slots, const int64_t *items,
                      uint32_t count);
void field_clear_all(struct field *field, const roaring_bitmap_t *slots);

/* The slots of `within` (NULL: of all) that hold this value; that have one between the two, both
 * included (integers and sets). The caller frees the bitmap. */
roaring_bitmap_t *field_match(const struct field *field, int64_t key,
                              const roaring_bitmap_t *within);
roaring_bitmap_t *field_match_range(const struct field *field, int64_t low, int64_t high,
                                    const roaring_bitmap_t *within);
/* To unite the slots of several values, and then see which are in `within`, costs less than to do
 * field_match() for each of them. */
bool field_unites(const struct field *field, const roaring_bitmap_t *within);
/* Of a field that filters: the slots that hold `key` join `united`. */
void field_unite(const struct field *field, int64_t key, roaring_bitmap_t *united);
/* Of a field that sorts: parts the slots of `open`, of this page and with a value, by how they
 * compare with `value`, which is within the field's bounds. Those that are above it go into
 * `above`, those that are equal stay. */
void field_part(const struct field *field, uint32_t page, int64_t value, struct page_bits *open,
                struct page_bits *above);
/* The least value among `slots`, which all have one; false when there are none. */
bool field_least(const struct field *field, const roaring_bitmap_t *slots, int64_t *least);

#endif
