/* The rules between sections: references to fields and columns that do not exist, fields with two
 * owners (L7), and what each program requires. For this room only.
 */
#ifndef COMMON_CONFIG_CONFIG_CHECK_H
#define COMMON_CONFIG_CONFIG_CHECK_H

#include "common/config/config.h"
#include "common/config/config_node.h"

/* Adds what it finds to the problems of the reader. Sections and items with a problem of their own
 * are left out; those items are zero. */
void config_check(const struct config_reader *reader, const struct config *config,
                  enum config_program program);

#endif
