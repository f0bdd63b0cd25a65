/* The names of generated objects: bitdex_{table}_{what}_{hash8}{suffix}. The digits are of a hash
 * of the definition. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_OBJECT_NAME_H
#define PRODUCER_TRIGGERS_OBJECT_NAME_H

#include "common/base/memory.h"

/* `table` is the name of the table without its schema, `what` a short word, or "" for a trigger,
 * and `hash` begins with eight digits. */
void object_name_append(struct buffer *out, const char *table, const char *what, const char *hash,
                        const char *suffix);

#endif
