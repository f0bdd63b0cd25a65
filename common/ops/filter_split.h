/* Splits the long query of a fan-out. Pure; any thread. */
#ifndef COMMON_OPS_FILTER_SPLIT_H
#define COMMON_OPS_FILTER_SPLIT_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

/* Queries of at most `bytes_max` bytes that together match what `query` matches, which
 * filter_parse_query() has accepted: each has a part of its longest list. Allocated from `arena`;
 * a query that is short enough is the only one, and is not copied. ERR_DATA: the query without that
 * list, or with one of its values, is too long. */
int filter_split_query(struct text query, uint32_t bytes_max, struct arena *arena,
                       const struct text **queries, uint32_t *count, struct error *err);

#endif
