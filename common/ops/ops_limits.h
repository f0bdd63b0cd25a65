/* The limits of a row of ops. */
#ifndef COMMON_OPS_OPS_LIMITS_H
#define COMMON_OPS_OPS_LIMITS_H

#include <stdint.h>

/* A larger row is rejected with a reason (L10). */
struct ops_limits {
    uint32_t row_bytes;    /* the whole JSON text */
    uint32_t row_items;    /* ops, nested ops and array items of one row, in total */
    uint32_t depth;        /* JSON nesting, as json_parse counts it; a deep value is no value */
    uint32_t name_bytes;   /* a field name */
    uint32_t string_bytes; /* one string value */
    uint32_t array_items;  /* one array value */
    uint32_t query_bytes;  /* a fan-out's query */
};

extern const struct ops_limits ops_limits_default;

#endif
