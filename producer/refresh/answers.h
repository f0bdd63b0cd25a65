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

/* Owns everything that the items point to: in its arena, in the readings and in the passes. */
struct answers {
    struct arena arena;
    struct answer *items; /* in the order in which they are sent */
    uint32_t count;
    struct load_chunk *readings;
    uint32_t reading_count;
    struct load_pass_part *passes;
    uint32_t pass_count;
    uint64_t rows;  /* that were read */
    uint64_t bytes; /* that the database sent */
    /* Stored as dead letters before the answers are sent (L9). */
    struct load_problems problems;
};

/* What bounds the rows that one chunk names. */
struct answers_limits {
    int32_t partitions;
    uint32_t event_bytes_max; /* of an encoded event, header included */
};

/* The entity_id of a parent's request, which is answered in every partition. */
enum { ANSWER_OF_PARENT = -1 };

/* An outbox row that is answered. */
struct answer_row {
    int64_t row;
    int64_t entity_id; /* whose partition names the row, or ANSWER_OF_PARENT */
};

/* The most bytes of a chunk without answers: the others are for the rows that it names. */
uint32_t answers_chunk_bytes_max(uint32_t event_bytes_max);

/* Does this chunk say something? What says nothing is not sent. */
bool answers_chunk_is_needed(const struct chunk *chunk);

/* Prepares a list without answers. */
void answers_init(struct answers *answers);
void answers_free(struct answers *answers);

/* Adds what a reading has, and takes `*reading`, whose chunks are of at most
 * answers_chunk_bytes_max() and state the entities of the rows. Rows that a chunk has no room for
 * are named by further chunks, which say nothing else. `rows` are all of parents, or all of
 * entities. */
void answers_add_reading(struct answers *answers, const struct answers_limits *limits,
                         struct load_chunk *reading, const struct answer_row *rows,
                         uint32_t row_count);

/* Likewise fan-outs, whose chunks say nothing but the rows. */
void answers_add_pass(struct answers *answers, const struct answers_limits *limits,
                      struct load_pass_part *pass, const struct answer_row *rows,
                      uint32_t row_count);

/* Likewise rows of which nothing is to be said. */
void answers_add_rows(struct answers *answers, const struct answers_limits *limits,
                      const struct answer_row *rows, uint32_t row_count);

/* What could not be read of a parent whose request is answered; `entity_id`: its key, or 0. */
void answers_add_problem(struct answers *answers, int64_t entity_id, const char *table,
                         const char *reason);

/* Forgets all answers. */
void answers_clear(struct answers *answers);

#endif
