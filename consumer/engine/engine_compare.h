/* A check chunk against what the index holds: which values differ.
 *
 * As in sums (engine_sum.h), only entities that are alive count, on each side those of that side,
 * and every structure of a field is compared by itself. A chunk that does not state existence is
 * compared in the entities that are alive in the index. A computed field is compared with what
 * follows from its sources in the index.
 */
#ifndef CONSUMER_ENGINE_ENGINE_COMPARE_H
#define CONSUMER_ENGINE_ENGINE_COMPARE_H

#include "consumer/engine/engine_chunk.h"

/* A value that differs. The texts are JSON, terminated, and valid during the call; long lists and
 * strings are cut. `index` is the value; or, if structures of the index disagree, an object: what
 * the field holds ("held"), what filters find ("filter": a list), and what sorting finds ("sort").
 * Of existence both are booleans; an entity that exists and is wrongly visible or hidden has
 * "visible" and "hidden". */
struct engine_difference {
    uint32_t field; /* as in the configuration; FIELD_ALIVE is existence */
    int64_t entity_id;
    const char *source;
    const char *index;
};

struct engine_comparison {
    struct field_set fields; /* to compare: those of the chunk, computed ones, and existence */
    uint32_t listed_max;     /* differences that `take` receives */
    void (*take)(void *context, const struct engine_difference *difference);
    void *context;
    /* The result: */
    struct field_set differing;
    struct field_set damaged; /* of these: structures of the index disagree */
    uint32_t listed;
    uint64_t total; /* differences. An entity that only one side has is one. */
};

/* `chunk` has been prepared (engine_prepare_chunk()). `yield`: NULL, or called every some
 * milliseconds. Only reads: other threads may read meanwhile, and the writer needs no lock. */
void engine_compare_chunk(const struct engine *engine, const struct chunk *chunk,
                          struct engine_comparison *comparison, const struct engine_yield *yield);

#endif
