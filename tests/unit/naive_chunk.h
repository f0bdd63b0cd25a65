/* Random chunks for the naive store of rows (naive_rows.h), in the form that the engine takes and
 * as what they mean for each row.
 *
 * The columns come in all forms that the schema allows: values of one field in several columns and
 * kinds, sets in any order, values twice, and values that the field cannot hold, which act as null.
 */
#ifndef TESTS_UNIT_NAIVE_CHUNK_H
#define TESTS_UNIT_NAIVE_CHUNK_H

#include "common/event/chunk.h"
#include "tests/unit/naive_rows.h"

struct naive_chunk {
    struct chunk chunk; /* for the engine */
    bool *covers;       /* for each row */
    struct naive_row *wanted;
    bool names[NAIVE_FIELDS + 1];
    uint32_t rejects;        /* values that the engine must reject */
    uint32_t unknown_values; /* in fields that the index does not have */
};

/* `entities` has the entity id of each row, ascending. Some chunks repeat most of what `rows` hold.
 * All memory is in `arena`. */
void naive_random_chunk(const struct naive_row *rows, const int64_t *entities, int row_count,
                        struct arena *arena, struct naive_chunk *random);
/* A value that the field cannot hold. */
struct value naive_bad_value(int field);
void naive_apply_chunk(struct naive_row *rows, int row_count, const struct naive_chunk *random);

#endif
