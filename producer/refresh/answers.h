/* Answers to requests: chunks of the purpose CHUNK_REFRESH, whose `answers` name the outbox rows
 * that each of them answers.
 *
 * An entity's request is answered in the partition of the entity alone, a parent's in every one. A
 * row is named by the last part that has something of its target, so that whoever has applied the
 * chunk that names it has applied all of it.
 */
#ifndef PRODUCER_REFRESH_ANSWERS_H
#define PRODUCER_REFRESH_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "common/event/chunk.h"
#include "producer/load/load_chunk.h"

/* One reading. The parts are sent in their order. */
struct answer {
    /* Not NULL: fan-outs of parents that only the index resolves, of job 0, which no chunk can
     * state. It is sent to every partition, before the parts. */
    const struct pass *pass;
    const struct load_part *parts; /* may overlap: they are about slots */
    uint32_t part_count;
};

/* Owns everything that the items point to: in its arena, and in the readings. */
struct answers {
    struct arena arena;
    struct load_chunk *readings;
    uint32_t reading_count;
    struct answer *items; /* in the order in which they are sent */
    uint32_t count;
    uint64_t rows;  /* that were read */
    uint64_t bytes; /* that the database sent */
    /* Stored as dead letters before the answers are sent (L9). */
    struct load_problems problems;
};

/* Does this chunk say something? What says nothing is not sent. */
bool answers_chunk_is_needed(const struct chunk *chunk);

/* Prepares a list without answers. */
void answers_init(struct answers *answers);
void answers_free(struct answers *answers);

#endif
