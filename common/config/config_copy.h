/* The SELECT of a dump phase's copy_query. Pure; any thread. */
#ifndef COMMON_CONFIG_CONFIG_COPY_H
#define COMMON_CONFIG_CONFIG_COPY_H

#include <stdbool.h>

#include "common/base/memory.h"

/* Finds what is in the parentheses of `COPY (...) TO STDOUT`, in any case and with any options
 * after it. False: the text has another form. PostgreSQL parses the SELECT itself. */
bool config_copy_select(const char *copy_query, struct text *select);

#endif
