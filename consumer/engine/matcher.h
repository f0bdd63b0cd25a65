/* Filters: are they of this index, and which slots do they match?
 *
 * Matching only ever narrows: a filter is asked for its matches within a set of slots. So an
 * AND hands each clause what the ones before it left, and a complement is taken of that set.
 */
#ifndef CONSUMER_ENGINE_MATCHER_H
#define CONSUMER_ENGINE_MATCHER_H

#include "consumer/engine/engine_internal.h"

/* A match that asks whether it may go on. What it has found so far may be of several states of the
 * engine: that is right for every slot which did not change meanwhile, for a filter looks at one
 * slot at a time. */
struct matcher_pauses {
    const struct engine_pause *pause;
    struct engine_watch *watch;
    int rc; /* not 0: it was told to stop, and the bitmap is of no use */
    struct error *err;
};

struct matcher {
    const struct engine *engine;
    bool untyped; /* a fan-out's query: values are what their text can be read as */
    struct matcher_pauses *pauses; /* NULL: it asks nobody */
};

/* ERR_DATA, naming the field: one that the index does not have, or a value that is not of its type.
 * Reads only the configuration. */
int matcher_check(const struct matcher *matcher, const struct filter *filter, struct error *err);

/* The slots of `within` that match `filter`, which passed matcher_check(). `within` NULL stands for
 * all slots, in filters without IS_NULL, NOT and empty AND. The caller frees the bitmap. */
roaring_bitmap_t *matcher_match(const struct matcher *matcher, const struct filter *filter,
                                const roaring_bitmap_t *within);

#endif
