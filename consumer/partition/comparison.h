/* What a sum or a check chunk finds at its place: the engine is compared with what the event says
 * of the source, and the result becomes a verdict.
 *
 * Compared are the fields that the event names and that are complete at this place, and the
 * computed fields whose sources are compared. A field whose structures disagree (engine_sum.h)
 * differs in any case. The result never changes what is complete.
 *
 * Only reads the engine: the worker, its only writer, compares without a lock. Pure.
 */
#ifndef CONSUMER_PARTITION_COMPARISON_H
#define CONSUMER_PARTITION_COMPARISON_H

#include "common/config/config_fields.h"
#include "common/event/event.h"
#include "consumer/engine/engine.h"
#include "consumer/engine/engine_chunk.h"
#include "consumer/partition/sequence.h"
#include "consumer/partition/verdicts.h"

/* Where the event is in the log: everything before it has been applied. */
struct comparison_place {
    const struct engine *engine;
    const struct config_fields *fields; /* of the index */
    const struct sequence *sequence;    /* after the event */
    const struct engine_yield *yield;   /* NULL, or called every some milliseconds */
};

struct comparison {
    struct verdict *verdict;    /* of sums; NULL: the event was a check chunk */
    struct verdict_check check; /* otherwise */
    struct verdict_difference differences[VERDICT_DIFFERENCES_MAX];
};

/* Sums whose place is this one, and chunks that are to be compared, and could be read. */
bool comparison_is_of(const struct event *event);

/* `event` is such a one; its chunk has been prepared (engine_prepare_chunk()). `list`: that which
 * takes the result. The result is ended with comparison_store(). */
void comparison_make(const struct comparison_place *place, const struct verdicts *list,
                     const struct event *event, struct comparison *comparison);
/* Stores the result in the list, and frees it. */
void comparison_store(struct comparison *comparison, struct verdicts *list);

#endif
