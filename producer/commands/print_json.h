/* Prints JSON objects for the operator, one member a line. Main thread. */
#ifndef PRODUCER_COMMANDS_PRINT_JSON_H
#define PRODUCER_COMMANDS_PRINT_JSON_H

#include "common/json/json_value.h"

enum { PRINT_JSON_DEPTH = 8 }; /* enough to parse the JSON of this program */

/* Prints "key value" lines to standard output. The strings of an array are one line. A value
 * of another kind is printed as "-". */
void print_json_members(const struct json_value *object);

#endif
