/* How the type of a column or an expression fits the field that it sets (F109). Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_TYPE_FIT_H
#define PRODUCER_TRIGGERS_TYPE_FIT_H

#include "common/config/config.h"
#include "producer/triggers/entry.h"

enum type_fit {
    FIT_ALL,  /* the field can hold every value */
    FIT_SOME, /* it depends on the value; the others become null, with a dead letter each */
    FIT_NONE, /* every value but null becomes null, with a dead letter each */
};

/* `value` has been read from the catalogue. A field that the index does not have takes anything. */
enum type_fit type_fit_of(const struct config_index *index, const struct entry_value *value);

/* What the field takes: "an integer". The index has the field. */
const char *type_fit_wanted(const struct config_index *index, const struct entry_value *value);

#endif
