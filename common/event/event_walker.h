/* The walker: reads the bytes of a datum by its schema, and checks all of them.
 *
 * The reader of avro-c does not check lengths, and fills a generic value that has to be read once
 * more. Every function here takes the node of the schema that describes the next bytes.
 *
 * A walk keeps its first error and returns zeros after it, so that one test of `rc` in each round
 * of a loop is enough. It allocates nothing. A walker is constant once created, and any number of
 * threads may share it; a walk belongs to one thread.
 */
#ifndef COMMON_EVENT_EVENT_WALKER_H
#define COMMON_EVENT_EVENT_WALKER_H

#include <avro.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/check.h"
#include "common/base/error.h"
#include "common/base/memory.h"

struct event_walker;

/* Compiles `schema`, which is not kept. ERR_FATAL when it is recursive, too large, or has a type
 * that events do not use (bytes, fixed, float, map). Owned by the caller. */
int event_walker_create(avro_schema_t schema, struct event_walker **walker, struct error *err);
void event_walker_destroy(struct event_walker *walker);

struct walker_node {
    avro_type_t type;
    avro_schema_t schema;                      /* identity of a named type, only while compiling */
    bool open;                                 /* its children are being compiled */
    const struct walker_node *const *children; /* record, union, array */
    uint32_t count;   /* record: fields; union: branches; array: 1; enum: symbols */
    size_t min_bytes; /* the shortest datum of this node */
};

struct walk {
    const struct event_walker *walker;
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    size_t items_left;
    struct error *err;
    int rc; /* ERR_DATA after the first error; `err` has the offset and the reason */
};

/* `items_max` bounds the items of all arrays that are not plain numbers, because they take memory
 * out of proportion to their bytes. */
void walk_begin(struct walk *walk, const struct event_walker *walker, const void *bytes,
                size_t size, size_t items_max, struct error *err);
/* The error of the walk; bytes that are left are an error too. */
int walk_end(struct walk *walk);

const struct walker_node *walk_root(const struct walk *walk);
/* The field `i` of a record, the branch `i` of a union, or the item (0) of an array. */
static inline const struct walker_node *
walk_child(const struct walker_node *node, size_t i)
{
    CHECK(i < node->count);
    return node->children[i];
}

int64_t walk_long(struct walk *walk, const struct walker_node *node);
/* Reads `count` longs, one after another, as the items of a block. */
void walk_longs(struct walk *walk, const struct walker_node *node, int64_t *longs, size_t count);
int32_t walk_int(struct walk *walk, const struct walker_node *node);
bool walk_boolean(struct walk *walk, const struct walker_node *node);
double walk_double(struct walk *walk, const struct walker_node *node);
/* The text points into the bytes. */
struct text walk_text(struct walk *walk, const struct walker_node *node);
/* The index of the symbol of an enum; or the index of the branch of a union, whose bytes follow. */
uint32_t walk_index(struct walk *walk, const struct walker_node *node);

/* An array comes in blocks. walk_block() returns the number of items in the next block; 0: there
 * are no more, or the walk has failed. Unless items may be empty, there are bytes for all of them.
 * */
struct walk_array {
    const struct walker_node *item;
    const uint8_t *block_end; /* NULL: the block does not have its size */
};
struct walk_array walk_array(const struct walker_node *node);
uint64_t walk_block(struct walk *walk, struct walk_array *array);

/* Reads and checks a whole datum of any type, and discards it. */
void walk_skip(struct walk *walk, const struct walker_node *node);

#endif
