/* What identifies the data on disk, as lines "name: value". A log or checkpoint of another index,
 * topic or partition must not be used. The lines of the fields may differ: they say which fields
 * the data has. */
#ifndef COMMON_CONFIG_CONFIG_IDENTITY_H
#define COMMON_CONFIG_CONFIG_IDENTITY_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

/* Of the lines of fields: the header of a segment of a log holds them. */
enum { CONFIG_IDENTITY_BYTES_MAX = 60 << 10 };

/* Appends one line for each entry of the two lists of fields, sorted, in any order of the file:
 *
 *     filter field "NAME": single_value | multi_value | boolean | string
 *     sort field "NAME": bits N [greatest SOURCE ... | least SOURCE ...]
 */
void config_index_identity(const struct config_index *index, struct buffer *out);

/* Appends the identity of the log of one partition: the index, the topic, the partition and the
 * identity of the index. */
void config_partition_identity(const struct config *config, int32_t partition, struct buffer *out);

/* Is this the line of a field? `line` may be its name alone. */
bool config_identity_is_field(struct text line);

/* Reads the lines of fields in an identity. The index has no visible_from; its fields are in the
 * order of the lines. It is in `arena`. ERR_DATA: a line is not what config_index_identity()
 * writes. */
int config_identity_read(struct text identity, struct arena *arena, struct config_index *index,
                         struct error *err);

/* Are the identities equal, apart from the lines of fields? */
bool config_identity_same_log(struct text a, struct text b);

/* The name of the logs of the partitions: the topic, or the index when it is stand-alone. */
const char *config_log_name(const struct config *config);

#endif
