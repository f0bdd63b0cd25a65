/* The walker: reads the bytes of a datum along its schema, and trusts none of them.
 *
 * avro-c's own reader trusts lengths, and fills a generic value that then has to be read once more.
 * Every function here takes the node of the schema that the bytes at this place are to be of.
 *
 * A walk keeps its first error; from then on it gives zeros, so that one look at `rc` in each
 * loop's round is enough. It allocates nothing. A walker is constant once created, so any number of
 * threads may share one; a walk belongs to one.
 */
#ifndef COMMON_EVENT_EVENT_WALKER_H
#define COMMON_EVENT_EVENT_WALKER_H

#include <avro.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

struct event_walker;

/* Compiles `schema`, which is not kept. ERR_FATAL when it is recursive, too large, or has a type
 * that events do not use (bytes, fixed, float, map). Owned by the caller. */
int event_walker_create(avro_schema_t schema, struct event_walker **walker, struct error *err);
void event_walker_destroy(struct event_walker *walker);

struct walker_node {
    avro_type_t type;
    avro_schema_t schema; /* identity of a named type, only while compiling */
    bool open;            /* its children are being compiled */
    uint32_t first;       /* record, union, array: its children's place, event_walker.c's affair */
    uint32_t count;       /* record: fields; union: branches; array: 1; enum: symbols */
    size_t min_bytes;     /* the shortest datum of this node */
};

struct walk {
    const struct event_walker *walker;
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    size_t items_left;
    struct error *err;
    int rc; /* of the first failure: ERR_DATA, with the offset and the reason */
};

/* `items_max` bounds the array items that are not plain numbers, all arrays together: those cost
 * memory out of proportion to their bytes. */
void walk_begin(struct walk *walk, const struct event_walker *walker, const void *bytes,
                size_t size, size_t items_max, struct error *err);
/* The walk's error, also when bytes are left. */
int walk_end(struct walk *walk);

const struct walker_node *walk_root(const struct walk *walk);
/* A record's field, a union's branch. */
const struct walker_node *walk_child(const struct walk *walk, const struct walker_node *node,
                                     size_t i);

int64_t walk_long(struct walk *walk, const struct walker_node *node);
int32_t walk_int(struct walk *walk, const struct walker_node *node);
bool walk_boolean(struct walk *walk, const struct walker_node *node);
double walk_double(struct walk *walk, const struct walker_node *node);
/* Points into the bytes. */
struct text walk_text(struct walk *walk, const struct walker_node *node);
/* An enum's symbol; the branch of a union, which then follows. */
uint32_t walk_index(struct walk *walk, const struct walker_node *node);

/* An array comes in blocks: walk_block() says how many items follow, at least one; 0: no more do,
 * or the walk has failed. There are bytes for them, unless they need none. */
struct walk_array {
    const struct walker_node *item;
    const uint8_t *block_end; /* NULL: the block does not say */
};
struct walk_array walk_array(const struct walk *walk, const struct walker_node *node);
uint64_t walk_block(struct walk *walk, struct walk_array *array);

/* Over a whole datum, whatever it is. */
void walk_past(struct walk *walk, const struct walker_node *node);

#endif
