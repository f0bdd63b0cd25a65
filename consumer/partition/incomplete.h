/* Why fields are not complete, as text for people: what happened, and the command that completes
 * them. Pure.
 */
#ifndef CONSUMER_PARTITION_INCOMPLETE_H
#define CONSUMER_PARTITION_INCOMPLETE_H

#include "consumer/partition/sequence.h"

enum { INCOMPLETE_BYTES = 768 };

/* The fields of the index that are complete, computed ones and existence included. */
struct field_set incomplete_find_complete(const struct sequence *sequence,
                                          const struct config_fields *fields);

/* Why the field `number` is not complete; "" if it is. For a computed field: why its first source
 * that is not complete is not. `bytes` >= INCOMPLETE_BYTES. */
void incomplete_describe_field(const struct sequence *sequence, const struct config_fields *fields,
                               uint32_t number, char *out, size_t bytes);
/* The same of existence, else of the first field that is not complete; "" if all are. */
void incomplete_describe(const struct sequence *sequence, const struct config_fields *fields,
                         char *out, size_t bytes);

/* What is owed, when that is for too long. */
void incomplete_describe_owed(const struct sequence *sequence, char *out, size_t bytes);

#endif
