/* Collects the problems of one reading (load_chunk.h). Everything is allocated from the arena of
 * the result. One thread. For this room only.
 */
#ifndef PRODUCER_LOAD_PROBLEM_LIST_H
#define PRODUCER_LOAD_PROBLEM_LIST_H

#include "common/base/memory.h"
#include "producer/load/load_chunk.h"

struct problem_list {
    struct arena *arena;
    struct load_problem *items; /* LOAD_PROBLEMS_MAX, once there is one */
    uint32_t count;
    uint64_t values;
    uint64_t ids;
};

/* A value that acts as null. */
void problem_list_add_value(struct problem_list *list, int64_t entity_id, const char *source,
                            const char *field, const char *reason);
/* An entity that has no slot. */
void problem_list_add_id(struct problem_list *list, int64_t entity_id, const char *source);
/* Anything else; `source` and `field` may be "". */
void problem_list_add(struct problem_list *list, int64_t entity_id, const char *source,
                      const char *field, const char *reason);

/* What was collected. */
struct load_problems problem_list_take(const struct problem_list *list);

#endif
