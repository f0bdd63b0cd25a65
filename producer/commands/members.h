/* The members of a JSON object, one a line, for people. */
#ifndef PRODUCER_COMMANDS_MEMBERS_H
#define PRODUCER_COMMANDS_MEMBERS_H

#include "common/json/json_value.h"

enum { MEMBERS_DEPTH = 8 }; /* of JSON that comes from ourselves */

/* Prints "key value" to standard output; what is neither a number, a string nor a boolean is
 * "-". */
void members_print(const struct json_value *object);

#endif
