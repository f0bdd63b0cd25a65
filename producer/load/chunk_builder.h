/* Makes chunks of values: collects them as columns, and divides them into parts whose chunks fit an
 * event, for every partition.
 *
 * Values may be added in any order. Pure; one thread. The builder keeps its memory from chunk to
 * chunk; what it builds does not point to it.
 */
#ifndef PRODUCER_LOAD_CHUNK_BUILDER_H
#define PRODUCER_LOAD_CHUNK_BUILDER_H

#include "common/base/error.h"
#include "common/ops/op.h"
#include "producer/load/load_chunk.h"

struct chunk_builder;

struct chunk_field {
    struct text name;
    bool is_multi_value; /* false: of several values of an entity, the greatest one stays */
    bool may_repeat;     /* an entity may have several values, or the same one several times */
};

struct chunk_shape {
    enum chunk_purpose purpose;
    int32_t partitions;
    int64_t max_slots;        /* of a partition */
    uint32_t event_bytes_max; /* of an encoded chunk event, header included */
    const struct chunk_field *fields;
    uint32_t field_count;
    bool states_alive;
};

/* Copies the shape and its fields; the names of the fields outlive the builder and what it builds.
 */
struct chunk_builder *chunk_builder_create(const struct chunk_shape *shape);
/* NULL does nothing. */
void chunk_builder_destroy(struct chunk_builder *builder);

/* Forgets all values. */
void chunk_builder_clear(struct chunk_builder *builder);

/* The entity has a slot. The functions below are only for entities that have one. */
bool chunk_builder_has_slot(const struct chunk_builder *builder, int64_t id);

/* The entity is alive. Only if the shape states it. */
void chunk_builder_add_alive(struct chunk_builder *builder, int64_t id);
/* `field` is an index into the fields of the shape. */
void chunk_builder_add_integer(struct chunk_builder *builder, uint32_t field, int64_t id,
                               int64_t integer);
void chunk_builder_add_boolean(struct chunk_builder *builder, uint32_t field, int64_t id,
                               bool boolean);
void chunk_builder_add_float(struct chunk_builder *builder, uint32_t field, int64_t id,
                             double real);
/* ERR_DATA when an event cannot carry the text: not UTF-8, or too long. It is not added. */
int chunk_builder_add_text(struct chunk_builder *builder, uint32_t field, int64_t id,
                           struct text text, struct error *err);

/* Adds what an op with this value sets: the items of an array each, nothing of null. ERR_DATA when
 * the field is not one of several values and the value is an array; nothing of it is added. */
int chunk_builder_add_value(struct chunk_builder *builder, uint32_t field, int64_t id,
                            const struct value *value, struct error *err);

/* The memory that the values take. */
size_t chunk_builder_bytes(const struct chunk_builder *builder);
/* The values that were added since the last clearing, repeated ones included. */
uint64_t chunk_builder_values(const struct chunk_builder *builder);

/* Bounds the memory of an entity, the only one that has values, of which more was added than fits
 * an event: forgets the values of its largest field, and ignores further ones. The field is
 * rejected. */
void chunk_builder_drop_largest(struct chunk_builder *builder, int64_t id);

/* Rejects fields of an entity, the only one of the range, with a reason: forgets their values, and
 * ignores further ones. With `rejects_alive`, whether it is alive is rejected too. */
void chunk_builder_reject(struct chunk_builder *builder, int64_t id, const uint32_t *fields,
                          uint32_t field_count, bool rejects_alive, const char *reason);

/* Fills the parts of `*chunk`, an initialised one without parts, and its begin and end, with
 * everything that was added, all of it of entities begin <= id < end. With `ids`, which ascend
 * strictly within that range, the chunks are only about these. An entity that fits no event, or of
 * which something was rejected, becomes two parts of its own: one whose chunk in the partition of
 * the entity rejects fields, with the reason, and one that states the others. The builder is then
 * empty. */
void chunk_builder_build(struct chunk_builder *builder, int64_t begin, int64_t end,
                         const int64_t *ids, uint32_t id_count, struct load_chunk *chunk);

#endif
