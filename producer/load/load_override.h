/* Dump phases in place of generated SELECTs: the fields of an entry that a phase with a copy_query
 * has come from the phase, the others from the entry. One thread.
 */
#ifndef PRODUCER_LOAD_LOAD_OVERRIDE_H
#define PRODUCER_LOAD_LOAD_OVERRIDE_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/load_source.h"

/* Takes from `*source`, a range source of an entry that catalogue_read() has just completed, what
 * the phases of its table have, and appends a source for each of these phases to `phases`, which
 * has room for all of the configuration. What is left of `*source` may be nothing: no values, and
 * it does not set alive. ERR_USAGE: load_phase_read(). */
int load_override_split(struct pg *pg, struct arena *arena, const struct config *config,
                        struct load_source *source, struct load_source *phases,
                        uint32_t *phase_count, struct error *err);

/* ERR_USAGE: a phase with a copy_query has a field of the entry, which a pass loads. */
int load_override_check_pass(const struct config *config, const struct entry *entry,
                             struct error *err);

#endif
