/* What one reading of a load hands over: the rows of a range of entities, as chunks that fit the
 * topic. Owns everything that it points to, in its arena. One thread at a time.
 *
 * The parts follow each other without a hole: the first begins at `begin`, each next one where the
 * one before ends, and the last ends at `end`. Every part has one chunk for each partition, also
 * for those in whose share of the range nothing is: that nothing is there is what it says.
 *
 * An entity that fits no event, or that Postgres cannot read, has two parts. In the first one, the
 * chunk of its partition is rejected: it names the fields that are missing, and states_alive says
 * that existence is one of them. The second one states the other fields.
 */
#ifndef PRODUCER_LOAD_LOAD_CHUNK_H
#define PRODUCER_LOAD_LOAD_CHUNK_H

#include "common/event/chunk.h"

/* The most problems that one reading describes; further ones are only counted. */
enum { LOAD_PROBLEMS_MAX = 1000 };

/* A value or an entity that no event can carry. It becomes a dead letter. */
struct load_problem {
    int64_t entity_id;  /* of a pass: the key of the parent where it is an integer, else 0 */
    struct text source; /* the table, as configured; empty where several have a part in it */
    struct text field;  /* empty: the whole entity */
    struct text reason;
};

struct load_problems {
    const struct load_problem *items;
    uint32_t count;  /* at most LOAD_PROBLEMS_MAX */
    uint64_t values; /* that were left out and act as null, in total */
    uint64_t ids;    /* that have no slot (negative, or beyond topic.max_slots), in total */
};

struct load_part {
    int64_t begin;
    int64_t end;
    struct chunk *chunks; /* by partition */
};

/* By range source of the plan. */
struct load_counts {
    uint64_t rows;   /* that were read */
    uint64_t values; /* in chunks; of a source that sets alive, its entities are counted too */
};

struct load_chunk {
    struct arena arena;
    int64_t begin;
    int64_t end; /* exclusive; CHUNK_NO_END: everything from `begin` on */
    struct load_part *parts;
    uint32_t part_count; /* at least 1 */
    struct load_counts *counts;
    uint64_t rows;   /* the sum of the counts */
    uint64_t values; /* likewise */
    uint64_t bytes;  /* that the database sent */
    struct load_problems problems;
};

/* Of a pass: a part, which is the same for every partition. */
struct load_pass_part {
    struct arena arena;
    struct pass pass; /* `job` is 0: the caller sets it */
    uint64_t rows;    /* parents that were read */
    uint64_t values;
    uint64_t bytes; /* that the database sent */
    struct load_problems problems;
};

/* A zeroed one holds nothing. */
void load_chunk_free(struct load_chunk *chunk);
void load_pass_part_free(struct load_pass_part *part);

#endif
