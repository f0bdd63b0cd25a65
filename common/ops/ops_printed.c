/* One pass from left to right. Every step either takes what it expects, or gives up.
 *
 * An op is read into a piece of the arena that grows; the ops of a row are few. Reading in place
 * takes a quarter of the instructions of a tree of JSON, which most of a drain's time went into.
 */
#include "common/ops/ops_printed.h"

#include <string.h>

#include "common/base/check.h"

enum { FIRST_CAPACITY = 8, DIGITS_MAX = 18 };

struct scan {
    const char *at;
    const char *end;
    const struct ops_limits *limits;
};

#define TAKE(scan, literal) scan_take(scan, literal, sizeof(literal) - 1)

static bool
scan_take(struct scan *scan, const char *expected, size_t bytes)
{
    if ((size_t)(scan->end - scan->at) < bytes || memcmp(scan->at, expected, bytes) != 0)
        return false;
    scan->at += bytes;
    return true;
}

/* After the quote: up to the next one, when everything between is plain ASCII. */
static bool
scan_string(struct scan *scan, uint32_t max_bytes, struct text *text)
{
    const char *begin = scan->at;
    while (scan->at < scan->end && *scan->at >= ' ' && *scan->at < 0x7f && *scan->at != '"' &&
           *scan->at != '\\')
        scan->at++;
    *text = (struct text){begin, (size_t)(scan->at - begin)};
    return text->bytes <= max_bytes && TAKE(scan, "\"");
}

/* No leading zero, no fraction, no exponent, and no digit too many for 64 bits. */
static bool
scan_integer(struct scan *scan, struct value *value)
{
    bool negative = TAKE(scan, "-");
    const char *begin = scan->at;
    int64_t number = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' &&
           scan->at - begin < DIGITS_MAX)
        number = number * 10 + (*scan->at++ - '0');
    if (scan->at == begin || (*begin == '0' && (negative || scan->at - begin > 1)))
        return false;
    *value = (struct value){.kind = VALUE_INTEGER, .integer = negative ? -number : number};
    return true;
}

static bool
scan_value(struct scan *scan, enum op_kind kind, struct value *value)
{
    if (TAKE(scan, "\"")) {
        value->kind = VALUE_STRING;
        return scan_string(scan, scan->limits->string_bytes, &value->string);
    }
    if (TAKE(scan, "true") || TAKE(scan, "false")) {
        *value = (struct value){.kind = VALUE_BOOLEAN, .boolean = scan->at[-2] == 'u'};
        return true;
    }
    if (TAKE(scan, "null")) {
        *value = (struct value){.kind = VALUE_NULL};
        return kind == OP_SET;
    }
    return scan_integer(scan, value);
}

/* The rest of an op with a field and a value. */
static bool
scan_members(struct scan *scan, struct op *op)
{
    CHECK(op->kind <= OP_ADD);
    return TAKE(scan, ", \"field\": \"") &&
           scan_string(scan, scan->limits->name_bytes, &op->field) && op->field.bytes > 0 &&
           TAKE(scan, ", \"value\": ") && scan_value(scan, op->kind, &op->value) && TAKE(scan, "}");
}

static bool
scan_op(struct scan *scan, struct op *op)
{
    *op = (struct op){0};
    if (!TAKE(scan, "{\"op\": \""))
        return false;
    if (TAKE(scan, "set\""))
        op->kind = OP_SET;
    else if (TAKE(scan, "add\""))
        op->kind = OP_ADD;
    else if (TAKE(scan, "remove\""))
        op->kind = OP_REMOVE;
    else if (TAKE(scan, "alive\"}"))
        op->kind = OP_ALIVE;
    else if (TAKE(scan, "delete\"}"))
        op->kind = OP_DELETE;
    else
        return false;
    return op->kind == OP_ALIVE || op->kind == OP_DELETE || scan_members(scan, op);
}

static struct op *
ops_grow(struct arena *arena, const struct op *items, uint32_t *capacity)
{
    uint32_t count = *capacity;
    *capacity = count == 0 ? FIRST_CAPACITY : 2 * count;
    CHECK(*capacity > count);
    struct op *grown = arena_alloc(arena, *capacity * sizeof *grown);
    if (count > 0)
        memcpy(grown, items, count * sizeof *grown);
    return grown;
}

bool
ops_printed_parse(struct text json, const struct ops_limits *limits, struct arena *arena,
                  struct ops *ops)
{
    struct scan scan = {json.data, json.data + json.bytes, limits};
    struct op *items = NULL;
    uint32_t count = 0;
    uint32_t capacity = 0;
    if (json.bytes > limits->row_bytes || limits->depth < 2 || !TAKE(&scan, "["))
        return false;
    do {
        if (count == limits->row_items)
            return false;
        if (count == capacity)
            items = ops_grow(arena, items, &capacity);
        if (!scan_op(&scan, &items[count++]))
            return false;
    } while (TAKE(&scan, ", "));
    CHECK(count <= capacity);
    *ops = (struct ops){items, count};
    return TAKE(&scan, "]") && scan.at == scan.end;
}
