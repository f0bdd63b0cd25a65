/* Refusals of fields that the index does not have. They name the closest fields, and list those
 * there are. */
#ifndef CONSUMER_ENGINE_UNKNOWN_FIELD_H
#define CONSUMER_ENGINE_UNKNOWN_FIELD_H

#include "common/base/error.h"
#include "consumer/engine/engine_internal.h"

/* ERR_DATA: no such field. `lists`: with the closest names and the list. */
int unknown_field_refuse(const struct engine *engine, struct text name, bool lists,
                         struct error *err);
/* The same of a field that an op names, which cannot be `id`. */
int unknown_field_refuse_op(const struct engine *engine, struct text name, struct error *err);
/* ERR_DATA: no such field, or it is not one that the index sorts by; lists those it sorts by. */
int unknown_field_refuse_sort(const struct engine *engine, struct text name, struct error *err);

#endif
