/* A schema is compiled once into a table of nodes; a check is a descent along it over the bytes.
 *
 * Happy path: every node finds its bytes, and the root ends where the bytes end.
 *
 * Refused, always with the offset: a varint that is cut, longer than it needs to be, or beyond 64
 * (int: 32) bits; a boolean other than 0 and 1; an enum index or union branch that does not exist;
 * a string longer than what is left, not UTF-8, or with a NUL; an array block with more items than
 * the bytes left can hold, or of another size than it says; bytes behind the datum.
 *
 * Depth is bounded because recursive schemas do not compile. Work is bounded by the bytes: an item
 * takes at least one, except items that may be empty; those, like all items that are not plain
 * numbers, count against `items_max`.
 */
#include "common/event/event_walker.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/base/utf8.h"

enum { WALKER_NODES_MAX = 256 };

struct walker_node {
    avro_type_t type;
    avro_schema_t schema; /* identity of a named type, only while compiling */
    bool open;            /* its children are being compiled */
    uint32_t first;       /* record, union, array: where its children begin in `children` */
    uint32_t count;       /* record, union, array: children; enum: symbols */
    size_t min_bytes;     /* the shortest datum of this node */
};

struct event_walker {
    struct walker_node nodes[WALKER_NODES_MAX];
    uint16_t children[WALKER_NODES_MAX * 2]; /* indexes of nodes */
    uint32_t node_count;
    uint32_t child_count;
};

struct walk {
    const struct event_walker *walker;
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    size_t items_left;
    struct error *err;
};

static int compile_node(struct event_walker *walker, avro_schema_t schema, uint16_t *index,
                        struct error *err);

static avro_schema_t
compile_child_schema(avro_schema_t schema, uint32_t i)
{
    switch (avro_typeof(schema)) {
    case AVRO_RECORD:
        return avro_schema_record_field_get_by_index(schema, (int)i);
    case AVRO_UNION:
        return avro_schema_union_branch(schema, (int)i);
    default:
        return avro_schema_array_items(schema);
    }
}

static uint32_t
compile_child_count(avro_schema_t schema)
{
    switch (avro_typeof(schema)) {
    case AVRO_RECORD:
        return (uint32_t)avro_schema_record_size(schema);
    case AVRO_UNION:
        return (uint32_t)avro_schema_union_size(schema);
    default:
        return 1;
    }
}

static size_t
compile_min_bytes(const struct event_walker *walker, const struct walker_node *node)
{
    size_t sum = 0;
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < node->count; i++) {
        size_t bytes = walker->nodes[walker->children[node->first + i]].min_bytes;
        sum += bytes;
        least = bytes < least ? bytes : least;
    }
    if (node->type == AVRO_RECORD)
        return sum;
    return node->type == AVRO_UNION ? 1 + least : 1;
}

static int
compile_children(struct event_walker *walker, avro_schema_t schema, struct walker_node *node,
                 struct error *err)
{
    node->count = compile_child_count(schema);
    node->first = walker->child_count;
    if (node->type == AVRO_UNION && node->count == 0)
        return error_set(err, ERR_FATAL, "schema has an empty union");
    if (node->count > WALKER_NODES_MAX * 2 - walker->child_count)
        return error_set(err, ERR_FATAL, "schema is too large");
    walker->child_count += node->count;
    node->open = true;
    for (uint32_t i = 0; i < node->count; i++) {
        avro_schema_t child = compile_child_schema(schema, i);
        int rc = compile_node(walker, child, &walker->children[node->first + i], err);
        if (rc != 0)
            return rc;
    }
    node->open = false;
    node->min_bytes = compile_min_bytes(walker, node);
    return 0;
}

/* The node of a type that was compiled already under its name. */
static int
compile_link(struct event_walker *walker, avro_schema_t schema, uint16_t *index, struct error *err)
{
    avro_schema_t target = avro_schema_link_target(schema);
    for (uint32_t i = 0; i < walker->node_count; i++) {
        if (walker->nodes[i].schema != target)
            continue;
        if (walker->nodes[i].open)
            return error_set(err, ERR_FATAL, "schema is recursive: %s", avro_schema_name(target));
        *index = (uint16_t)i;
        return 0;
    }
    return error_set(err, ERR_FATAL, "schema refers to an unknown type");
}

static int
compile_node(struct event_walker *walker, avro_schema_t schema, uint16_t *index, struct error *err)
{
    avro_type_t type = avro_typeof(schema);
    if (type == AVRO_LINK)
        return compile_link(walker, schema, index, err);
    if (walker->node_count == WALKER_NODES_MAX)
        return error_set(err, ERR_FATAL, "schema is too large");
    *index = (uint16_t)walker->node_count++;
    struct walker_node *node = &walker->nodes[*index];
    *node = (struct walker_node){.type = type, .schema = schema, .min_bytes = 1};
    switch (type) {
    case AVRO_NULL:
        node->min_bytes = 0;
        return 0;
    case AVRO_DOUBLE:
        node->min_bytes = 8;
        return 0;
    case AVRO_ENUM:
        node->count = (uint32_t)avro_schema_enum_number_of_symbols(schema);
        return 0;
    case AVRO_BOOLEAN:
    case AVRO_INT32:
    case AVRO_INT64:
    case AVRO_STRING:
        return 0;
    case AVRO_RECORD:
    case AVRO_UNION:
    case AVRO_ARRAY:
        return compile_children(walker, schema, node, err);
    default:
        return error_set(err, ERR_FATAL, "schema has a type that events do not use: %s",
                         avro_schema_type_name(schema));
    }
}

int
event_walker_create(avro_schema_t schema, struct event_walker **walker, struct error *err)
{
    struct event_walker *new_walker = memory_zalloc(sizeof *new_walker);
    uint16_t root = 0;
    int rc = compile_node(new_walker, schema, &root, err);
    if (rc != 0) {
        event_walker_destroy(new_walker);
        return rc;
    }
    CHECK(root == 0);
    *walker = new_walker;
    return 0;
}

void
event_walker_destroy(struct event_walker *walker)
{
    free(walker);
}

static int
walk_refuse(const struct walk *walk, const char *reason)
{
    error_set(walk->err, ERR_DATA, "byte %zu: %s", (size_t)(walk->at - walk->begin), reason);
    return ERR_DATA;
}

static size_t
walk_left(const struct walk *walk)
{
    return (size_t)(walk->end - walk->at);
}

static int
walk_long_many(struct walk *walk, int64_t *value)
{
    uint64_t raw = 0;
    const uint8_t *at = walk->at;
    for (int shift = 0; at < walk->end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return walk_refuse(walk, "number beyond 64 bits");
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) != 0)
            continue;
        if (byte == 0 && shift > 0)
            return walk_refuse(walk, "number longer than it needs to be");
        walk->at = at;
        *value = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
        return 0;
    }
    return walk_refuse(walk, "ends inside a number");
}

/* Zigzag varint, little-endian groups of seven bits, at most ten bytes; most fit one. */
static inline int
walk_long(struct walk *walk, int64_t *value)
{
    if (walk->at == walk->end || (*walk->at & 0x80) != 0)
        return walk_long_many(walk, value);
    uint8_t byte = *walk->at++;
    *value = (byte >> 1) ^ -(byte & 1);
    return 0;
}

static int
walk_int(struct walk *walk)
{
    int64_t value;
    int rc = walk_long(walk, &value);
    if (rc == 0 && (value < INT32_MIN || value > INT32_MAX))
        return walk_refuse(walk, "int beyond 32 bits");
    return rc;
}

static int
walk_boolean(struct walk *walk)
{
    if (walk->at == walk->end)
        return walk_refuse(walk, "ends before a boolean");
    if (*walk->at > 1)
        return walk_refuse(walk, "boolean other than 0 and 1");
    walk->at++;
    return 0;
}

static int
walk_double(struct walk *walk)
{
    if (walk_left(walk) < 8)
        return walk_refuse(walk, "ends inside a double");
    walk->at += 8;
    return 0;
}

static int
walk_string(struct walk *walk)
{
    int64_t length;
    int rc = walk_long(walk, &length);
    if (rc != 0)
        return rc;
    if (length < 0 || (uint64_t)length > walk_left(walk))
        return walk_refuse(walk, "string with a length beyond the bytes left");
    if (!utf8_valid(walk->at, (size_t)length))
        return walk_refuse(walk, "string that is not UTF-8, or has a NUL");
    walk->at += length;
    return 0;
}

static int walk_node(struct walk *walk, const struct walker_node *node);

static const struct walker_node *
walk_child(const struct walk *walk, const struct walker_node *node, size_t i)
{
    return &walk->walker->nodes[walk->walker->children[node->first + i]];
}

static int
walk_record(struct walk *walk, const struct walker_node *node)
{
    for (uint32_t i = 0; i < node->count; i++) {
        int rc = walk_node(walk, walk_child(walk, node, i));
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int
walk_index(struct walk *walk, const struct walker_node *node, size_t *index)
{
    int64_t value;
    int rc = walk_long(walk, &value);
    if (rc != 0)
        return rc;
    if (value < 0 || value >= (int64_t)node->count)
        return walk_refuse(walk, node->type == AVRO_ENUM ? "unknown enum symbol"
                                                         : "unknown union branch");
    *index = (size_t)value;
    return 0;
}

static int
walk_union(struct walk *walk, const struct walker_node *node)
{
    size_t branch;
    int rc = walk_index(walk, node, &branch);
    return rc != 0 ? rc : walk_node(walk, walk_child(walk, node, branch));
}

static bool
walk_item_is_plain(const struct walker_node *item)
{
    return item->type == AVRO_INT64 || item->type == AVRO_INT32 || item->type == AVRO_DOUBLE ||
           item->type == AVRO_BOOLEAN;
}

static int
walk_items(struct walk *walk, const struct walker_node *item, uint64_t count)
{
    if (item->min_bytes > 0 && count > walk_left(walk) / item->min_bytes)
        return walk_refuse(walk, "array with more items than bytes left");
    if (!walk_item_is_plain(item)) {
        if (count > walk->items_left)
            return walk_refuse(walk, "more array items than an event may have");
        walk->items_left -= count;
    }
    for (uint64_t i = 0; i < count; i++) {
        int rc = walk_node(walk, item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A block with a negative count says its size in bytes, so that readers can skip it. */
static int
walk_sized_block(struct walk *walk, const struct walker_node *item, int64_t count)
{
    int64_t block_bytes;
    int rc = walk_long(walk, &block_bytes);
    if (rc != 0)
        return rc;
    if (count == INT64_MIN)
        return walk_refuse(walk, "array block count beyond 63 bits");
    if (block_bytes < 0 || (uint64_t)block_bytes > walk_left(walk))
        return walk_refuse(walk, "array block with a size beyond the bytes left");
    const uint8_t *block_end = walk->at + block_bytes;
    rc = walk_items(walk, item, (uint64_t)-count);
    if (rc != 0)
        return rc;
    return walk->at == block_end ? 0
                                 : walk_refuse(walk, "array block of another size than it says");
}

static int
walk_array(struct walk *walk, const struct walker_node *node)
{
    const struct walker_node *item = walk_child(walk, node, 0);
    for (;;) {
        int64_t count;
        int rc = walk_long(walk, &count);
        if (rc != 0 || count == 0)
            return rc;
        if (count > 0)
            rc = walk_items(walk, item, (uint64_t)count);
        else
            rc = walk_sized_block(walk, item, count);
        if (rc != 0)
            return rc;
    }
}

static int
walk_node(struct walk *walk, const struct walker_node *node)
{
    int64_t number;
    size_t index;
    switch (node->type) {
    case AVRO_NULL:
        return 0;
    case AVRO_BOOLEAN:
        return walk_boolean(walk);
    case AVRO_INT32:
        return walk_int(walk);
    case AVRO_INT64:
        return walk_long(walk, &number);
    case AVRO_DOUBLE:
        return walk_double(walk);
    case AVRO_STRING:
        return walk_string(walk);
    case AVRO_ENUM:
        return walk_index(walk, node, &index);
    case AVRO_RECORD:
        return walk_record(walk, node);
    case AVRO_UNION:
        return walk_union(walk, node);
    default:
        return walk_array(walk, node);
    }
}

int
event_walker_check(const struct event_walker *walker, const void *bytes, size_t size,
                   size_t items_max, struct error *err)
{
    struct walk walk = {.walker = walker, .begin = bytes, .items_left = items_max, .err = err};
    walk.at = walk.begin;
    walk.end = walk.begin + size;
    int rc = walk_node(&walk, &walker->nodes[0]);
    if (rc != 0)
        return rc;
    return walk.at == walk.end ? 0 : walk_refuse(&walk, "bytes behind the event");
}
