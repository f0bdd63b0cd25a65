/* How the consumer's settings of the log depend on each other. Pure; any thread. */
#ifndef COMMON_CONFIG_CONFIG_WAL_H
#define COMMON_CONFIG_CONFIG_WAL_H

#include "common/config/config.h"

/* consumer.checkpoint_bytes, or less where consumer.wal_limit_bytes has no room for the log between
 * two checkpoints twice and a segment: then the log would be full before it may be shortened. */
int64_t config_wal_checkpoint_bytes(const struct config_consumer *consumer);

/* Is it less than consumer.checkpoint_bytes? Then `wanted_bytes` is the least wal_limit_bytes. */
bool config_wal_is_tight(const struct config_consumer *consumer, int64_t *wanted_bytes);

#endif
