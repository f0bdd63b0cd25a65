/* A schema is compiled once into a table of nodes. A walk descends along the nodes and reads the
 * bytes of each.
 *
 * Happy path: every node reads its bytes, and the root ends where the bytes end.
 *
 * Failure modes, always with the offset: a varint that is cut, is longer than necessary, or exceeds
 * 64 bits (int: 32); a boolean other than 0 and 1; an enum index or union branch that does not
 * exist; a string that is longer than the bytes left, is not UTF-8, or has a NUL; an array block
 * with more items than the bytes left can hold, or with a wrong size; bytes after the datum.
 *
 * Depth is bounded because recursive schemas do not compile. Work is bounded by the bytes, because
 * an item takes at least one byte. Items that may be empty, like all items that are not plain
 * numbers, count against `items_max`.
 */
#include "common/event/event_walker.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/base/utf8.h"

enum { WALKER_NODES_MAX = 256 };

struct event_walker {
    struct walker_node nodes[WALKER_NODES_MAX];
    const struct walker_node *children[WALKER_NODES_MAX * 2];
    uint32_t node_count;
    uint32_t child_count;
};

static int compile_node(struct event_walker *walker, avro_schema_t schema,
                        const struct walker_node **node, struct error *err);

static avro_schema_t
compile_child_schema(avro_schema_t schema, uint32_t i)
{
    switch (avro_typeof(schema)) {
    case AVRO_RECORD:
        return avro_schema_record_field_get_by_index(schema, (int)i);
    case AVRO_UNION:
        return avro_schema_union_branch(schema, (int)i);
    default:
        CHECK(is_avro_array(schema));
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
        CHECK(is_avro_array(schema));
        return 1;
    }
}

static size_t
compile_min_bytes(const struct walker_node *node)
{
    size_t sum = 0;
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < node->count; i++) {
        CHECK(node->children[i] != NULL);
        size_t bytes = node->children[i]->min_bytes;
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
    CHECK(!node->open);
    node->count = compile_child_count(schema);
    node->children = &walker->children[walker->child_count];
    if (node->type == AVRO_UNION && node->count == 0)
        return error_set(err, ERR_FATAL, "schema has an empty union");
    if (node->count > WALKER_NODES_MAX * 2 - walker->child_count)
        return error_set(err, ERR_FATAL, "schema is too large");
    uint32_t first = walker->child_count;
    walker->child_count += node->count;
    CHECK(walker->child_count <= WALKER_NODES_MAX * 2);
    node->open = true;
    for (uint32_t i = 0; i < node->count; i++) {
        avro_schema_t child = compile_child_schema(schema, i);
        int rc = compile_node(walker, child, &walker->children[first + i], err);
        if (rc != 0)
            return rc;
    }
    node->open = false;
    node->min_bytes = compile_min_bytes(node);
    return 0;
}

/* Sets `node` to the node of a named type that was compiled before. */
static int
compile_link(const struct event_walker *walker, avro_schema_t schema,
             const struct walker_node **node, struct error *err)
{
    CHECK(is_avro_link(schema));
    avro_schema_t target = avro_schema_link_target(schema);
    for (uint32_t i = 0; i < walker->node_count; i++) {
        if (walker->nodes[i].schema != target)
            continue;
        if (walker->nodes[i].open)
            return error_set(err, ERR_FATAL, "schema is recursive: %s", avro_schema_name(target));
        *node = &walker->nodes[i];
        return 0;
    }
    return error_set(err, ERR_FATAL, "schema refers to an unknown type");
}

static int
compile_node(struct event_walker *walker, avro_schema_t schema, const struct walker_node **compiled,
             struct error *err)
{
    avro_type_t type = avro_typeof(schema);
    if (type == AVRO_LINK)
        return compile_link(walker, schema, compiled, err);
    if (walker->node_count == WALKER_NODES_MAX)
        return error_set(err, ERR_FATAL, "schema is too large");
    struct walker_node *node = &walker->nodes[walker->node_count++];
    *compiled = node;
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

static void
walker_check(const struct event_walker *walker)
{
    CHECK(walker->node_count > 0);
    CHECK(walker->node_count <= WALKER_NODES_MAX);
    for (uint32_t i = 0; i < walker->node_count; i++) {
        const struct walker_node *node = &walker->nodes[i];
        CHECK(!node->open);
        CHECK(node->type != AVRO_UNION || node->count > 0);
        CHECK(node->type != AVRO_ARRAY || node->count == 1);
    }
    for (uint32_t i = 0; i < walker->child_count; i++) {
        CHECK(walker->children[i] >= walker->nodes);
        CHECK(walker->children[i] < walker->nodes + walker->node_count);
    }
}

int
event_walker_create(avro_schema_t schema, struct event_walker **walker, struct error *err)
{
    struct event_walker *new_walker = memory_zalloc(sizeof *new_walker);
    const struct walker_node *root = NULL;
    int rc = compile_node(new_walker, schema, &root, err);
    if (rc != 0) {
        event_walker_destroy(new_walker);
        return rc;
    }
    CHECK(root == new_walker->nodes);
    walker_check(new_walker);
    *walker = new_walker;
    return 0;
}

void
event_walker_destroy(struct event_walker *walker)
{
    free(walker);
}

void
walk_begin(struct walk *walk, const struct event_walker *walker, const void *bytes, size_t size,
           size_t items_max, struct error *err)
{
    CHECK(walker->node_count > 0);
    CHECK(bytes != NULL || size == 0);
    *walk = (struct walk){.walker = walker, .begin = bytes, .items_left = items_max, .err = err};
    walk->at = walk->begin;
    walk->end = walk->begin + size;
}

const struct walker_node *
walk_root(const struct walk *walk)
{
    return &walk->walker->nodes[0];
}

static void
walk_refuse(struct walk *walk, const char *reason)
{
    if (walk->rc == 0)
        walk->rc = error_set(walk->err, ERR_DATA, "byte %zu: %s", (size_t)(walk->at - walk->begin),
                             reason);
    CHECK(walk->rc == ERR_DATA);
    walk->at = walk->end;
}

int
walk_end(struct walk *walk)
{
    if (walk->at != walk->end)
        walk_refuse(walk, "bytes after the event");
    CHECK(walk->at == walk->end);
    return walk->rc;
}

static size_t
walk_left(const struct walk *walk)
{
    CHECK(walk->at <= walk->end);
    return (size_t)(walk->end - walk->at);
}

static int64_t
walk_varint_refuse(struct walk *walk, const char *reason)
{
    walk_refuse(walk, reason);
    return 0;
}

/* The bytes of a varint whose first 8 bytes, little-endian, are `word`; 0: it is longer than that,
 * or longer than necessary. Sets its groups of seven bits, without the bits between them. */
static inline unsigned int
varint_split(uint64_t word, uint64_t *raw)
{
    uint64_t ends = ~word & UINT64_C(0x8080808080808080);
    if (ends == 0)
        return 0;
    unsigned int last = (unsigned int)__builtin_ctzll(ends) - 7; /* bits before the last byte */
    uint64_t groups = word & (UINT64_C(0x7f7f7f7f7f7f7f7f) >> (56 - last));
    if (groups >> last == 0 && last > 0)
        return 0;
    groups = (groups & UINT64_C(0x007f007f007f007f)) | (groups & UINT64_C(0x7f007f007f007f00)) >> 1;
    groups = (groups & UINT64_C(0x00003fff00003fff)) | (groups & UINT64_C(0x3fff00003fff0000)) >> 2;
    *raw = (groups & UINT64_C(0x0fffffff)) | (groups & UINT64_C(0x0fffffff00000000)) >> 4;
    return last / 8 + 1;
}

static inline int64_t
varint_unzigzag(uint64_t raw)
{
    return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
}

/* A varint of any length, or at the end of the bytes. */
static int64_t
walk_varint_many(struct walk *walk)
{
    uint64_t raw = 0;
    const uint8_t *at = walk->at;
    for (int shift = 0; at < walk->end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return walk_varint_refuse(walk, "number beyond 64 bits");
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) != 0)
            continue;
        if (byte == 0 && shift > 0)
            return walk_varint_refuse(walk, "number longer than necessary");
        walk->at = at;
        return varint_unzigzag(raw);
    }
    return walk_varint_refuse(walk, "ends inside a number");
}

/* A zigzag varint: little-endian groups of seven bits, at most ten bytes. Most have one byte, and
 * nearly all others have at most eight, which are read at once. */
static inline int64_t
walk_varint(struct walk *walk)
{
    uint64_t word, raw;
    if (walk->at < walk->end && (*walk->at & 0x80) == 0) {
        uint8_t byte = *walk->at++;
        return varint_unzigzag(byte);
    }
    if ((size_t)(walk->end - walk->at) < sizeof word)
        return walk_varint_many(walk);
    memcpy(&word, walk->at, sizeof word);
    unsigned int bytes = varint_split(word, &raw);
    if (bytes == 0)
        return walk_varint_many(walk);
    walk->at += bytes;
    return varint_unzigzag(raw);
}

int64_t
walk_long(struct walk *walk, const struct walker_node *node)
{
    CHECK(node->type == AVRO_INT64);
    return walk_varint(walk);
}

/* Reads numbers of at most eight bytes while eight are left. Returns how many there were. */
static size_t
walk_short_longs(struct walk *walk, int64_t *longs, size_t count)
{
    const uint8_t *at = walk->at;
    size_t i = 0;
    for (; i < count && (size_t)(walk->end - at) >= sizeof(uint64_t); i++) {
        uint64_t word, raw = *at;
        unsigned int bytes = 1;
        if (raw >= 0x80) {
            memcpy(&word, at, sizeof word);
            bytes = varint_split(word, &raw);
        }
        if (bytes == 0)
            break;
        longs[i] = varint_unzigzag(raw);
        at += bytes;
    }
    walk->at = at;
    return i;
}

void
walk_longs(struct walk *walk, const struct walker_node *node, int64_t *longs, size_t count)
{
    CHECK(node->type == AVRO_INT64);
    CHECK(longs != NULL || count == 0);
    for (size_t i = 0; i < count;) {
        i += walk_short_longs(walk, longs + i, count - i);
        if (i < count)
            longs[i++] = walk_varint(walk);
    }
}

int32_t
walk_int(struct walk *walk, const struct walker_node *node)
{
    CHECK(node->type == AVRO_INT32);
    int64_t value = walk_varint(walk);
    if (value == (int32_t)value)
        return (int32_t)value;
    walk_refuse(walk, "int beyond 32 bits");
    return 0;
}

bool
walk_boolean(struct walk *walk, const struct walker_node *node)
{
    CHECK(node->type == AVRO_BOOLEAN);
    if (walk->at == walk->end)
        walk_refuse(walk, "ends before a boolean");
    else if (*walk->at > 1)
        walk_refuse(walk, "boolean other than 0 and 1");
    else
        return *walk->at++ != 0;
    return false;
}

/* Little-endian, like the machines that are supported (consumer/engine/store/image.c). */
double
walk_double(struct walk *walk, const struct walker_node *node)
{
    double value = 0;
    CHECK(node->type == AVRO_DOUBLE);
    if (walk_left(walk) < sizeof value) {
        walk_refuse(walk, "ends inside a double");
        return 0;
    }
    memcpy(&value, walk->at, sizeof value);
    walk->at += sizeof value;
    return value;
}

struct text
walk_text(struct walk *walk, const struct walker_node *node)
{
    CHECK(node->type == AVRO_STRING);
    int64_t length = walk_varint(walk);
    if (length < 0 || (uint64_t)length > walk_left(walk))
        walk_refuse(walk, "string with a length beyond the bytes left");
    else if (!utf8_valid(walk->at, (size_t)length))
        walk_refuse(walk, "string that is not UTF-8, or has a NUL");
    if (walk->rc != 0)
        return (struct text){NULL, 0};
    walk->at += length;
    return (struct text){(const char *)walk->at - length, (size_t)length};
}

uint32_t
walk_index(struct walk *walk, const struct walker_node *node)
{
    CHECK(node->type == AVRO_ENUM || node->type == AVRO_UNION);
    int64_t value = walk_varint(walk);
    if (value >= 0 && value < (int64_t)node->count)
        return (uint32_t)value;
    walk_refuse(walk, node->type == AVRO_ENUM ? "unknown enum symbol" : "unknown union branch");
    return 0;
}

static bool
walk_item_is_plain(const struct walker_node *item)
{
    return item->type == AVRO_INT64 || item->type == AVRO_INT32 || item->type == AVRO_DOUBLE ||
           item->type == AVRO_BOOLEAN;
}

static void
walk_check_block(struct walk *walk, const struct walker_node *item, uint64_t count)
{
    if (item->min_bytes > 0 && count > walk_left(walk) / item->min_bytes) {
        walk_refuse(walk, "array with more items than bytes left");
    } else if (!walk_item_is_plain(item)) {
        if (count > walk->items_left)
            walk_refuse(walk, "more array items than an event may have");
        else
            walk->items_left -= count;
    }
}

/* A block with a negative count has its size in bytes before its items. */
static uint64_t
walk_sized_block(struct walk *walk, int64_t count, struct walk_array *array)
{
    CHECK(count < 0);
    int64_t bytes = walk_varint(walk);
    if (count == INT64_MIN)
        walk_refuse(walk, "array block count beyond 63 bits");
    else if (bytes < 0 || (uint64_t)bytes > walk_left(walk))
        walk_refuse(walk, "array block with a size beyond the bytes left");
    if (walk->rc != 0)
        return 0;
    array->block_end = walk->at + bytes;
    return (uint64_t)-count;
}

uint64_t
walk_block(struct walk *walk, struct walk_array *array)
{
    CHECK(array->item != NULL);
    CHECK(array->block_end == NULL || array->block_end <= walk->end);
    if (array->block_end != NULL && walk->at != array->block_end)
        walk_refuse(walk, "array block with a wrong size");
    array->block_end = NULL;
    int64_t number = walk_varint(walk);
    uint64_t count = number < 0 ? walk_sized_block(walk, number, array) : (uint64_t)number;
    walk_check_block(walk, array->item, count);
    return walk->rc == 0 ? count : 0;
}

struct walk_array
walk_array(const struct walker_node *node)
{
    CHECK(node->type == AVRO_ARRAY);
    return (struct walk_array){.item = walk_child(node, 0)};
}

static void
walk_skip_array(struct walk *walk, const struct walker_node *node)
{
    struct walk_array array = walk_array(node);
    uint64_t count;
    while ((count = walk_block(walk, &array)) > 0) {
        for (uint64_t i = 0; i < count && walk->rc == 0; i++)
            walk_skip(walk, array.item);
    }
}

void
walk_skip(struct walk *walk, const struct walker_node *node)
{
    switch (node->type) {
    case AVRO_NULL:
        break;
    case AVRO_BOOLEAN:
        walk_boolean(walk, node);
        break;
    case AVRO_INT32:
        walk_int(walk, node);
        break;
    case AVRO_INT64:
        walk_long(walk, node);
        break;
    case AVRO_DOUBLE:
        walk_double(walk, node);
        break;
    case AVRO_STRING:
        walk_text(walk, node);
        break;
    case AVRO_ENUM:
        walk_index(walk, node);
        break;
    case AVRO_RECORD:
        for (uint32_t i = 0; i < node->count; i++)
            walk_skip(walk, walk_child(node, i));
        break;
    case AVRO_UNION:
        walk_skip(walk, walk_child(node, walk_index(walk, node)));
        break;
    default:
        walk_skip_array(walk, node);
    }
}
