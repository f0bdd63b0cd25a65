/* Builds no tree: the callbacks of yajl only track the place in the outermost array. */
#include "common/json/json_scan.h"

#include "common/base/check.h"
#include "common/json/json_yajl.h"

struct scan {
    const char *key;
    struct text value;
    const char *also; /* or NULL */
    uint64_t depth;
    bool in_array;  /* the outermost value is an array */
    bool in_object; /* in_array, and the current element is an object */
    bool after_key; /* in_object, and `key` was read last */
    bool has_value; /* the current element has `key` with `value` */
    bool has_also;
    bool found;
};

/* Holds after each change of these fields. */
static void
scan_check(const struct scan *scan)
{
    CHECK(!scan->in_object || scan->in_array);
    CHECK(!scan->after_key || scan->in_object);
    CHECK(!scan->after_key || scan->depth == 2);
}

/* A value that does not match. */
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
    CHECK(!scan->after_key || (scan->depth == 2 && scan->in_object));
    scan->has_value |= scan->after_key && text_equal(string, scan->value);
    return scan_skip(scan);
}

static int
scan_key(void *context, const unsigned char *data, size_t bytes)
{
    struct scan *scan = context;
    struct text key = {(const char *)data, bytes};
    CHECK(scan->depth > 0);
    bool is_member = scan->depth == 2 && scan->in_object;
    scan->after_key = is_member && text_is(key, scan->key);
    scan->has_also |= is_member && scan->also != NULL && text_is(key, scan->also);
    scan_check(scan);
    return 1;
}

static int
scan_open(struct scan *scan, bool is_array)
{
    CHECK(scan->depth > 0 || !scan->in_array);
    scan->depth++;
    if (scan->depth == 1)
        scan->in_array = is_array;
    if (scan->depth == 2) {
        scan->in_object = scan->in_array && !is_array;
        scan->has_value = false;
        scan->has_also = scan->also == NULL;
    }
    scan->after_key = false;
    scan_check(scan);
    return 1;
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
    CHECK(scan->depth > 0);
    CHECK(!scan->after_key); /* its value came */
    scan->found |= scan->depth == 2 && scan->has_value && scan->has_also;
    scan->depth--;
    scan_check(scan);
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
json_array_has_object_with(struct text text, const char *key, const char *value, const char *also)
{
    CHECK(text.data != NULL || text.bytes == 0);
    struct scan scan = {.key = key, .value = text_of(value), .also = also};
    yajl_handle yajl = json_yajl_create(&scan_callbacks, &scan);
    bool is_json =
        yajl_parse(yajl, (const unsigned char *)text.data, text.bytes) == yajl_status_ok &&
        yajl_complete_parse(yajl) == yajl_status_ok;
    yajl_free(yajl);
    CHECK(!is_json || scan.depth == 0);
    return is_json && scan.found;
}
