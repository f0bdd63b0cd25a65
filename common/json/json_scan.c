/* yajl's callbacks without a tree: only where in the outermost array the parse stands. */
#include "common/json/json.h"

#include <yajl/yajl_parse.h>

#include "common/base/check.h"

struct scan {
    const char *key;
    struct text value;
    uint64_t depth;
    bool in_array;  /* the outermost value is one */
    bool in_object; /* and its element is an object */
    bool after_key; /* in which `key` was just read */
    bool found;
};

/* Any value but a matching string. */
static int
scan_skip(struct scan *scan)
{
    scan->after_key = false;
    return 1;
}

static int
scan_null(void *context)
{
    return scan_skip(context);
}

static int
scan_boolean(void *context, int boolean)
{
    (void)boolean;
    return scan_skip(context);
}

static int
scan_number(void *context, const char *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    return scan_skip(context);
}

static int
scan_string(void *context, const unsigned char *data, size_t bytes)
{
    struct scan *scan = context;
    struct text string = {(const char *)data, bytes};
    scan->found |= scan->after_key && text_equal(string, scan->value);
    return scan_skip(scan);
}

static int
scan_key(void *context, const unsigned char *data, size_t bytes)
{
    struct scan *scan = context;
    struct text key = {(const char *)data, bytes};
    scan->after_key = scan->depth == 2 && scan->in_object && text_is(key, scan->key);
    return 1;
}

static int
scan_open(struct scan *scan, bool is_array)
{
    scan->depth++;
    if (scan->depth == 1)
        scan->in_array = is_array;
    if (scan->depth == 2)
        scan->in_object = scan->in_array && !is_array;
    return scan_skip(scan);
}

static int
scan_array_begin(void *context)
{
    return scan_open(context, true);
}

static int
scan_object_begin(void *context)
{
    return scan_open(context, false);
}

static int
scan_end(void *context)
{
    struct scan *scan = context;
    scan->depth--;
    return 1;
}

static const yajl_callbacks scan_callbacks = {
    .yajl_null = scan_null,
    .yajl_boolean = scan_boolean,
    .yajl_number = scan_number,
    .yajl_string = scan_string,
    .yajl_start_map = scan_object_begin,
    .yajl_map_key = scan_key,
    .yajl_end_map = scan_end,
    .yajl_start_array = scan_array_begin,
    .yajl_end_array = scan_end,
};

bool
json_array_has_object_with(struct text text, const char *key, const char *value)
{
    struct scan scan = {.key = key, .value = text_of(value)};
    yajl_handle yajl = yajl_alloc(&scan_callbacks, NULL, &scan);
    CHECK(yajl != NULL);
    yajl_config(yajl, yajl_dont_validate_strings, 1);
    bool is_json =
        yajl_parse(yajl, (const unsigned char *)text.data, text.bytes) == yajl_status_ok &&
        yajl_complete_parse(yajl) == yajl_status_ok;
    yajl_free(yajl);
    return is_json && scan.found;
}
