/* Cells: slots with their values, in the order of the slots, and how they replace what a field
 * holds in a set of slots.
 *
 * Old and new values are compared first, and only what differs is touched: by value in the
 * postings, slice by slice, block by block. Cells that are equal to what the field holds cost one
 * read each.
 */
#ifndef CONSUMER_ENGINE_FIELD_CELLS_H
#define CONSUMER_ENGINE_FIELD_CELLS_H

#include "consumer/engine/field.h"

struct field_cells {
    const uint32_t *slots; /* strictly ascending; in a multi-value field a slot may be repeated */
    const int64_t *keys;   /* of a multi-value field: strictly ascending in each slot */
    uint32_t count;
};

/* Afterwards the slots of `scope` have exactly these values; every cell is in `scope`. False:
 * nothing changed. The field must not defer changes (field_defer()). */
bool field_replace(struct field *field, const roaring_bitmap_t *scope,
                   const struct field_cells *cells);

#endif
