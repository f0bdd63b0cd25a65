/* Which entities a filter on the field `id` matches. Every entity has an id, so the field is an
 * integer field without nulls. Only queries have such filters. */
#ifndef CONSUMER_ENGINE_ID_MATCH_H
#define CONSUMER_ENGINE_ID_MATCH_H

#include "common/ops/filter.h"
#include "consumer/engine/engine_internal.h"

/* The description of the field; it has no values of its own. */
extern const struct field id_match_field;

/* The slots of `within` that match the leaf, which is resolved (resolve.h). The caller frees the
 * bitmap. */
roaring_bitmap_t *id_match(const struct engine *engine, const struct filter *leaf,
                           const roaring_bitmap_t *within);

#endif
