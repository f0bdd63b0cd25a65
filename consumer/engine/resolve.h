/* Filters of this index: the names of fields become numbers, and the values are checked. The result
 * is valid for every engine of the same index configuration. Reads only the configuration; any
 * thread.
 */
#ifndef CONSUMER_ENGINE_RESOLVE_H
#define CONSUMER_ENGINE_RESOLVE_H

#include "common/ops/filter.h"
#include "consumer/engine/engine_internal.h"

/* Copies the nodes of a query's `filter` into `arena` and sets their field numbers (filter.h). In
 * the copy, a NOT_EQ or NOT_IN is left only where it skips nulls, and the values of a field that
 * ignores case are folded. It shares other values, and the names. ERR_DATA, naming the field: the
 * index does not have it, or a value is not of its type. */
int resolve_filter(const struct engine *engine, const struct filter *filter, struct arena *arena,
                   const struct filter **resolved, struct error *err);
/* The same for the query of a fan-out, whose values have no type of their own: the copy has values
 * of the types of the fields (scalar_from_untyped()). Fan-outs compare exactly, whatever the
 * configuration says of queries, and know no field `id`. */
int resolve_query(const struct engine *engine, const struct filter *filter, struct arena *arena,
                  const struct filter **resolved, struct error *err);

#endif
