/* Which outbox rows the chunks of a turn may name. The reader names a row for each target that it
 * has read for it; a row that asks for several targets is answered by the last of them.
 *
 *     a target of the row is still owed     no chunk names it
 *     all of them are answered              in each partition, the last chunk that names it
 *
 * Rows with one target, which are nearly all, cost nothing. Pure; one thread.
 */
#ifndef PRODUCER_REFRESH_ANSWER_NAMES_H
#define PRODUCER_REFRESH_ANSWER_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "common/event/chunk.h"

struct shared_row;

/* Zero-initialise. */
struct answer_names {
    struct arena arena;
    struct shared_row *rows; /* with several targets, by id */
    uint32_t count;
    uint32_t capacity;
    int32_t partitions;
};

void answer_names_free(struct answer_names *names);

/* Begins a turn. */
void answer_names_begin(struct answer_names *names, int32_t partitions);
/* This turn has answered a target of a row of which `pending` > 1 targets were owed. */
void answer_names_add(struct answer_names *names, int64_t row_id, uint32_t pending);
/* After the last row. */
void answer_names_sort(struct answer_names *names);
/* Then of each chunk that will be sent. */
void answer_names_count(struct answer_names *names, int32_t partition, const struct chunk *chunk);
/* Then of each chunk, in the order in which they are sent: takes from it the rows that it may not
 * name. The new list is in the arena until the next turn. */
void answer_names_apply(struct answer_names *names, int32_t partition, struct chunk *chunk);

#endif
