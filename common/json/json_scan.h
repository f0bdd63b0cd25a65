/* One question about a JSON text of any size and depth, without a tree. */
#ifndef COMMON_JSON_JSON_SCAN_H
#define COMMON_JSON_JSON_SCAN_H

#include <stdbool.h>

#include "common/base/memory.h"

/* Whether `text` is a JSON array with an object as a direct element that has a member `key` with
 * the string `value`, and a member `also` of any value unless that is NULL. The grammar of RFC 8259
 * alone decides: the other limits of json_parse() (depth, numbers, repeated keys, encoding) do not
 * apply. Memory: one byte for each level of nesting. */
bool json_array_has_object_with(struct text text, const char *key, const char *value,
                                const char *also);

#endif
