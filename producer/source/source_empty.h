/* Was the source empty when epoch 1 began? Then a consumer that applied everything since is
 * complete. The first takeover determines it once. */
#ifndef PRODUCER_SOURCE_SOURCE_EMPTY_H
#define PRODUCER_SOURCE_SOURCE_EMPTY_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* Appends one boolean SQL expression, to be evaluated in one snapshot: the outbox and every table
 * under `triggers` and `dump_phases` are empty, and each table under `triggers` has enabled
 * generated triggers, so that later rows reach the outbox. Without both sections it is false,
 * because then the source tables are not known. */
void source_empty_append(const struct config *config, struct buffer *out);

#endif
