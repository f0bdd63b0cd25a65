/* What of an event can be applied to the index (law L9). The rest is taken out of the event and
 * kept for a dead letter: an op, a nested op of a fan-out, a value of a chunk. A fan-out whose
 * query cannot be read is taken out as a whole.
 *
 * A `set` that cannot be applied leaves `set null` of its field in its place, and so does an `add`
 * to a field of one value: the index must not keep an older value that the source no longer has. In
 * a chunk the value is null.
 *
 * Pure; reads only the configuration of the engine.
 */
#ifndef CONSUMER_PARTITION_EVENT_CHECK_H
#define CONSUMER_PARTITION_EVENT_CHECK_H

#include "common/event/event.h"
#include "consumer/dead_letter/dead_letter.h"
#include "consumer/engine/engine.h"

/* What was taken out, as ops. A nested op is alone in its fan-out; a value of a chunk is a `set`,
 * and its reason names the entity. */
struct event_refused {
    uint32_t all;   /* ops, nested ops or values of the event */
    uint32_t count; /* of these that were taken out */
    struct op *ops; /* the first of them */
    struct text *reasons;
    int64_t *entity_ids; /* of a chunk: the entity of each; else NULL */
    uint32_t op_count;   /* at most DEAD_LETTER_OPS_MAX; 0: nothing was taken out */
    uint32_t at;         /* the place of the first one among the ops of the event */
};

/* Takes out what cannot be applied, and prepares the event for the engine: the queries of fan-outs
 * are parsed, and the columns of a chunk, which has passed engine_check_chunk(), are sorted. New
 * lists are in `arena`. The event is a row, a fan-out, a chunk or a pass. */
void event_check(const struct engine *engine, struct event *event, struct arena *arena,
                 struct event_refused *refused);

/* Prepares an event that was checked before. ERR_DATA: not all of it can be applied any more. */
int event_check_again(const struct engine *engine, struct event *event, struct arena *arena,
                      struct error *err);

#endif
