/* Does a chunk agree with itself and with this shard? The engine relies on it. Reads only the
 * configuration; any thread.
 */
#ifndef CONSUMER_ENGINE_CHUNK_CHECK_H
#define CONSUMER_ENGINE_CHUNK_CHECK_H

#include "common/base/error.h"
#include "common/event/chunk.h"
#include "consumer/engine/engine_internal.h"

/* ERR_DATA: it does not; engine_chunk.h has the list. */
int chunk_check(const struct engine *engine, const struct chunk *chunk, struct error *err);

#endif
