/* What the source would say of naive rows (naive_rows.h): sums, and a check chunk. */
#ifndef TESTS_UNIT_NAIVE_SUM_H
#define TESTS_UNIT_NAIVE_SUM_H

#include "common/event/chunk.h"
#include "consumer/engine/sum_hash.h"
#include "tests/unit/naive_rows.h"

/* Rows with the ids of their entities, ascending. */
struct naive_source {
    const struct naive_row *rows;
    const int64_t *entities;
    int count;
};

/* Over the rows that are alive with begin <= id < end; NAIVE_FIELDS is existence. */
struct hash_sum naive_sum(const struct naive_source *source, int field, int64_t begin, int64_t end);

/* A valid chunk of the whole range that states everything; dead rows have values in it too, as
 * joins have. All memory is in `arena`. */
void naive_whole_chunk(const struct naive_source *source, struct arena *arena, struct chunk *chunk);

#endif
