/* Which fields a query uses: an answer is complete only if they are. Pure. */
#ifndef CONSUMER_QUERY_QUERY_FIELDS_H
#define CONSUMER_QUERY_QUERY_FIELDS_H

#include "common/config/config_fields.h"
#include "consumer/engine/engine.h"

/* Existence and the field of visible_from, which every query uses; the fields of its filter; and
 * the one that it sorts by. Names that the index does not have are skipped. */
struct field_set query_fields(const struct engine_query *query, const struct config_fields *fields);

#endif
