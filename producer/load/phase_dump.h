/* What the dump registry calls the load of a dump phase. Pure; any thread. */
#ifndef PRODUCER_LOAD_PHASE_DUMP_H
#define PRODUCER_LOAD_PHASE_DUMP_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* "{Table}-{hash8}": the table, and a hash of everything that decides which values the phase gives.
 * Its own name does not. Allocated from `arena`. */
const char *phase_dump_name(const struct config_dump_phase *phase, const char *table,
                            struct arena *arena);

#endif
