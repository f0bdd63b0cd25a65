/* One field of the index: the values of all slots, both ways round.
 *
 * Invariants, which every change keeps:
 *   - `present` holds the slots that have a value;
 *   - the column says which value a slot of `present` has, for all types but booleans, which need
 *     no column: their two postings say it;
 *   - a filter field's postings hold exactly the (value, slot) pairs that the column holds.
 *
 * Values are keys: an integer itself, 0 or 1 for a boolean, a string's code in the dictionary. Not
 * thread-safe beside a writer.
 */
#ifndef CONSUMER_ENGINE_FIELD_H
#define CONSUMER_ENGINE_FIELD_H

#include "common/config/config.h"
#include "consumer/engine/column.h"
#include "consumer/engine/dictionary.h"
#include "consumer/engine/postings.h"
#include "consumer/engine/scalar.h"
#include "consumer/engine/value_set.h"

struct field {
    struct text name;            /* the configuration's */
    enum config_field_type type; /* a field that only sorts is FIELD_SINGLE_VALUE */
    bool filters;                /* has postings */
    bool sorts;
    int64_t min; /* what it may hold, for integers */
    int64_t max;
    roaring_bitmap_t *present;
    struct column column;
    struct postings postings;
    struct dictionary dictionary;
    uint64_t set_bytes;
};

/* `field` is zeroed but for its description. */
void field_init(struct field *field);
void field_free(struct field *field);
uint64_t field_bytes(const struct field *field);

/* The key of a scalar. False: a string that no slot ever had. */
bool field_find_key(const struct field *field, const struct scalar *scalar, int64_t *key);
/* The same for a value that is to be stored. */
int64_t field_make_key(struct field *field, const struct scalar *scalar);

/* Scalars of all types. field_get() is false when the slot has no value. */
bool field_get(const struct field *field, uint32_t slot, int64_t *key);
void field_set(struct field *field, uint32_t slot, int64_t key);

/* Multi-values. NULL when the slot has no value. */
const struct value_set *field_get_set(const struct field *field, uint32_t slot);
void field_add(struct field *field, uint32_t slot, int64_t key);
void field_remove(struct field *field, uint32_t slot, int64_t key);

/* Both: the slot has no value any more. */
void field_clear(struct field *field, uint32_t slot);

/* Has the slot, one of `present`, a value between the two, both included? Integers and sets. */
bool field_overlaps(const struct field *field, uint32_t slot, int64_t low, int64_t high);

#endif
