/* The objects that the entries of a configuration need in the database (object.h). Pure; any
 * thread.
 */
#ifndef PRODUCER_TRIGGERS_GENERATE_H
#define PRODUCER_TRIGGERS_GENERATE_H

#include "common/base/memory.h"
#include "producer/triggers/entry.h"
#include "producer/triggers/object.h"

/* Appends the objects of `entries`, which have been read from the catalogue, in the order of
 * creation. They live in `arena`. */
void generate_objects(const struct entry *entries, uint32_t entry_count, struct arena *arena,
                      struct trigger_objects *objects);

#endif
