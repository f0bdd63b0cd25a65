/* Watches: a query that lets the writer in (engine_pause) records which slots change meanwhile.
 * Without a watch these functions do nothing.
 *
 * The writer's thread, while no query reads. engine.h defines who may begin and end a watch.
 */
#ifndef CONSUMER_ENGINE_ENGINE_WATCH_H
#define CONSUMER_ENGINE_ENGINE_WATCH_H

#include "consumer/engine/engine_internal.h"

struct engine_watch {
    roaring_bitmap_t *changed;
    struct engine_watch *next; /* in the list of the engine */
};

/* To be called when the answer of a query for these slots may have changed. */
void engine_note_slot(struct engine *engine, uint32_t slot);
void engine_note_slots(struct engine *engine, const roaring_bitmap_t *slots);

#endif
