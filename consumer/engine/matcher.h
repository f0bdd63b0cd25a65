/* Which slots match a filter.
 *
 * A filter is always matched within a set of slots: an AND matches each clause within the slots
 * that the previous clauses left, and NOT is the complement within the set.
 */
#ifndef CONSUMER_ENGINE_MATCHER_H
#define CONSUMER_ENGINE_MATCHER_H

#include "consumer/engine/engine.h"
#include "consumer/engine/engine_internal.h"

/* A match with pauses, in which the engine may change. The result may then mix several states of
 * the engine. It is right for every slot that did not change, because a match depends on the
 * slot alone; the caller matches the slots that `watch` has recorded again. */
struct matcher_pauses {
    const struct engine_pause *pause;
    struct engine_watch *watch;
    int rc; /* not 0: the match ended early, and its bitmap is of no use */
    struct error *err;
};

struct matcher {
    const struct engine *engine;
    struct matcher_pauses *pauses; /* NULL: no pauses */
};

/* The slots of `within` that match `filter`, which is resolved (resolve.h). `within` may be NULL,
 * which stands for all slots, for filters without IS_NULL, NOT and empty AND. The caller frees the
 * bitmap. */
roaring_bitmap_t *matcher_match(const struct matcher *matcher, const struct filter *filter,
                                const roaring_bitmap_t *within);

#endif
