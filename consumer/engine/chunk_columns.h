/* The columns of a chunk in the form in which a field takes them. Reads only the configuration; any
 * thread.
 */
#ifndef CONSUMER_ENGINE_CHUNK_COLUMNS_H
#define CONSUMER_ENGINE_CHUNK_COLUMNS_H

#include "common/event/chunk.h"
#include "consumer/engine/engine_internal.h"
#include "consumer/engine/engine_reject.h"

/* Is the column of the kind that the field takes, with values within its bounds, strictly sorted by
 * slot (in a multi-value field by slot and value)? */
bool chunk_column_is_plain(const struct field *field, const struct chunk_column *column);

/* Makes one plain column, which may be empty, of all columns of `chunk` that are of this field. The
 * new arrays are in `arena`. Values that the field cannot hold are left out and reported. */
void chunk_columns_merge(const struct engine *engine, const struct field *field,
                         const struct chunk *chunk, struct arena *arena,
                         const struct engine_rejects *rejects, struct chunk_column *merged);

#endif
