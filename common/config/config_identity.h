/* What identifies the data on disk: a log or checkpoint of another identity must not be used. */
#ifndef COMMON_CONFIG_CONFIG_IDENTITY_H
#define COMMON_CONFIG_CONFIG_IDENTITY_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* Appends one line for each entry of the two lists of fields, sorted, in any order of the file.
 * Data of another text has to be rebuilt. */
void config_index_identity(const struct config_index *index, struct buffer *out);

/* Appends the identity of the log of one partition: the index, the topic, the partition and the
 * identity of the index. */
void config_partition_identity(const struct config *config, int32_t partition, struct buffer *out);

/* The name of the logs of the partitions: the topic, or the index when it is stand-alone. */
const char *config_log_name(const struct config *config);

#endif
