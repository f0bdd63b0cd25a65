#include "common/ops/ops_limits.h"

/* The sum of all items is at most what an event may have (EVENT_ITEMS_MAX). */
const struct ops_limits ops_limits_default = {
    .row_bytes = 1024 * 1024,
    .row_items = 128 * 1024,
    .depth = 64 * 1024, /* Postgres prints no deeper value with its default max_stack_depth */
    .name_bytes = 256,
    .string_bytes = 64 * 1024,
    .array_items = 64 * 1024,
    .query_bytes = 64 * 1024,
};
