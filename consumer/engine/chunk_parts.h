/* How a chunk is cut into parts, which are applied one after another: queries wait for one part,
 * not for the whole chunk. Each part has all that the chunk says of its slots.
 */
#ifndef CONSUMER_ENGINE_CHUNK_PARTS_H
#define CONSUMER_ENGINE_CHUNK_PARTS_H

#include "common/event/chunk.h"
#include "consumer/engine/engine_internal.h"

struct chunk_parts {
    uint64_t begin; /* the first slot of the first part */
    uint64_t *ends; /* the slots after each part; not descending */
    uint32_t count;
};

/* A part has about as much to write and to remove as 32,768 values are. The parts end at the last
 * slot that the engine or the chunk uses. */
void chunk_parts_find(const struct engine *engine, const struct chunk *chunk,
                      struct chunk_parts *parts);
void chunk_parts_free(struct chunk_parts *parts);

/* Does the chunk state the field, which ops write? */
bool chunk_states_field(const struct chunk *chunk, const struct field *field);

/* The items of a sorted list that are in a range of slots: from `begin` on, `count` of them. */
struct slot_span {
    uint32_t begin;
    uint32_t count;
};
struct slot_span slot_span_find(const uint32_t *slots, uint32_t count, struct slot_range range);

#endif
