/* Was the source empty? The question that a first takeover asks, once for an epoch (DESIGN
 * "Complete"): whoever applied everything since has everything there is. */
#ifndef PRODUCER_SOURCE_SOURCE_EMPTY_H
#define PRODUCER_SOURCE_SOURCE_EMPTY_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* Appends one boolean SQL expression, to be evaluated in one snapshot: the outbox and every table
 * under `triggers` and `dump_phases` are empty, and each table under `triggers` has an enabled
 * trigger of ours, so that what is written later goes through the outbox. With neither section,
 * nobody can tell: false. */
void source_empty_append(const struct config *config, struct buffer *out);

#endif
