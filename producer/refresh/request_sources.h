/* Which entries of `triggers` a request is about. Pure; any thread.
 *
 * An entry that shares a field with another one is never read alone, because a chunk states all of
 * a field.
 */
#ifndef PRODUCER_REFRESH_REQUEST_SOURCES_H
#define PRODUCER_REFRESH_REQUEST_SOURCES_H

#include <stdbool.h>

#include "common/config/config.h"
#include "producer/refresh/request.h"

struct request_sources {
    bool *entries;     /* by index in config->triggers; memory of the caller */
    bool states_alive; /* if one of them sets it, existence is stated as well */
};

/* Only the index resolves the fan-outs of this entry. */
bool request_sources_is_pass(const struct config *config, uint32_t entry);

/* Fills `*sources`. The list is empty when no entry owns the fields of an entity's request, or only
 * entries do that the index resolves: such fields are no entity's own. */
void request_sources_find(const struct config *config, const struct request *request,
                          struct request_sources *sources);

#endif
