/* Loading and releasing the configuration. */
#ifndef COMMON_CONFIG_CONFIG_LOAD_H
#define COMMON_CONFIG_CONFIG_LOAD_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

/* Reads and validates the whole file for `program`. ERR_USAGE: the file cannot be read, or
 * "FILE:LINE:COLUMN: section.key: reason" for the first problem that was found. When there are
 * several, all of them (at most 50) are appended to `list`, which may be NULL, in the order of the
 * file, one on each line. The caller owns `*config`, which is unchanged on error. */
int config_load(const char *path, enum config_program program, struct config **config,
                struct buffer *list, struct error *err);
void config_destroy(struct config *config);

#endif
