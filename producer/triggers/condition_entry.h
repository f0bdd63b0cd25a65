/* The conditions that an entry decides once it has been read from the catalogue: indexes, unique
 * keys, types, and entities that only the index knows. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_CONDITION_ENTRY_H
#define PRODUCER_TRIGGERS_CONDITION_ENTRY_H

#include "common/config/config.h"
#include "producer/triggers/condition.h"
#include "producer/triggers/entry.h"

/* The part about the type of one value, which alone has been read. */
void condition_entry_add_type(struct condition_list *list, const struct config *config,
                              const struct entry *entry, const struct entry_value *value);

void condition_entry_add(struct condition_list *list, const struct config *config,
                         const struct entry *entry);

#endif
