/* What a chunk states, in JSON, for dumps of the log. Pure.
 */
#ifndef CONSUMER_DEAD_LETTER_CHUNK_JSON_H
#define CONSUMER_DEAD_LETTER_CHUNK_JSON_H

#include "common/event/chunk.h"
#include "common/json/json_write.h"

/* Adds to the object that is open: "field_names"; "entities", if the chunk has a list of them;
 * "alive_entities", if it states which are alive; and "columns", each with its "field", and the
 * "entities" and "values" of its cells. Slots are written as the entities of this partition. */
void chunk_json_write(const struct chunk *chunk, int32_t partition, int32_t partitions,
                      struct json_writer *json);

/* Adds "field_names" alone. */
void chunk_json_write_names(const struct text *names, uint32_t count, struct json_writer *json);

#endif
