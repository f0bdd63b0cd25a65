/* One field of the index: the values of all slots, in both directions, and how they change in one
 * slot. field_bulk.h changes many slots at once; field_match.h and top_k.h search.
 *
 * Every change keeps these invariants:
 *   - `present` holds the slots that have a value;
 *   - the column (of a multi-value field: the set column) holds the value of every slot in
 *     `present`. A field that never had more than FIELD_VALUES_WITHOUT_COLUMN values at a time has
 *     no column: its postings are searched for the slot;
 *   - the postings of a filter field hold exactly these (value, slot) pairs;
 *   - the slices of a sort field hold the bits of the column's numbers for the slots in `present`,
 *     and nothing else.
 * While the field defers, the slices lack the changes in `deferred`, and the set column those of
 * the open set.
 *
 * A value is stored as a key: an integer itself, 0 or 1 for a boolean, the dictionary's code for a
 * string. Any number of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_FIELD_H
#define CONSUMER_ENGINE_FIELD_H

#include "common/config/config.h"
#include "consumer/engine/store/case_index.h"
#include "consumer/engine/store/column.h"
#include "consumer/engine/store/dictionary.h"
#include "consumer/engine/store/kv_sort.h"
#include "consumer/engine/store/postings.h"
#include "consumer/engine/store/set_column.h"
#include "consumer/engine/store/slices.h"

enum { FIELD_VALUES_WITHOUT_COLUMN = 16 };

struct field {
    struct text name;            /* the configuration's; terminated */
    enum config_field_type type; /* a field that only sorts is FIELD_SINGLE_VALUE */
    bool filters;                /* it has postings */
    bool is_nullable;            /* how queries compare: config.h */
    bool ignores_case;           /* the same; it has `cases` */
    uint32_t sort_bits;          /* 0: it does not sort, and has no slices */
    int64_t min;                 /* the bounds of an integer */
    int64_t max;
    enum config_computed_op computed_op; /* COMPUTED_NONE: ops write it; else it has `sources` */
    struct field **sources;
    uint32_t source_count;
    bool feeds; /* it is a source of another field */
    roaring_bitmap_t *present;
    bool has_column; /* scalars only */
    struct column column;
    struct set_column sets;
    struct value_list set; /* the set that is being changed */
    uint32_t set_slot;     /* whose set it is, while `set_is_open` */
    bool set_is_open;
    bool set_is_changed; /* `sets` has it as it was before */
    struct postings postings;
    struct slices slices;
    bool defers;
    struct kv_list deferred; /* (slot, the number that the slot had in the slices) */
    struct dictionary dictionary;
    struct case_index cases; /* of the texts of the dictionary; empty without ignores_case */
};

/* The parts of the description that decide which structures the field has, as one number; an image
 * holds it. */
static inline uint32_t
field_shape(const struct field *field)
{
    return (uint32_t)field->filters | (field->type == FIELD_MULTI_VALUE) << 1 |
           (field->type == FIELD_STRING) << 2 | (field->type == FIELD_BOOLEAN) << 3 |
           field->sort_bits << 8;
}

/* The caller fills in the description (`name` to `max`, and the computed ones) of a zeroed
 * struct. */
void field_init(struct field *field);
void field_free(struct field *field);
/* To be called after a dictionary was loaded: its texts join the index of cases, if it has one. */
void field_index_cases(struct field *field);
/* Is a text held by a slot? A dictionary_is_held; `context` is the field. */
bool field_holds_text(const void *context, uint32_t code);
/* Once there are many texts that nothing holds, they leave the dictionary. No key of the field may
 * be in use that is not in a slot. */
void field_drop_texts(struct field *field);
/* Gives the bitmaps the smallest form that queries can read. */
void field_optimize(struct field *field);
/* Bytes of memory. Visits the containers of all bitmaps. */
uint64_t field_bytes(const struct field *field);

/* --- scalars --------------------------------------------------------------------------------- */

/* False: the slot has no value. */
bool field_get(const struct field *field, uint32_t slot, int64_t *key);
void field_set(struct field *field, uint32_t slot, int64_t key);

/* Many changes of single slots cost less between field_defer() and field_settle(): the slices are
 * updated together, and a set is written when the next one is changed. Until then the field must
 * not be searched by its slices, and `sets` must not be read. */
void field_defer(struct field *field);
void field_settle(struct field *field);
/* Applies what was deferred; the field continues to defer. */
void field_apply_deferred(struct field *field);

/* To be called after new values joined the postings of a scalar field without a column: builds the
 * column once there are too many values. */
void field_check_column(struct field *field);
/* Builds the column of a scalar field that has none. */
void field_build_column(struct field *field);

/* --- multi-values ---------------------------------------------------------------------------- */

/* The items join or leave the set of the slot. */
void field_add(struct field *field, uint32_t slot, const int64_t *items, uint32_t count);
void field_remove(struct field *field, uint32_t slot, const int64_t *items, uint32_t count);

/* --- both ------------------------------------------------------------------------------------ */

/* Afterwards the slot has no value. */
void field_clear(struct field *field, uint32_t slot);
/* Afterwards no slot has a value. Keeps the dictionary. */
void field_reset(struct field *field);

#endif
