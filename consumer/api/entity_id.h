/* The id of an entity in a path. Pure. */
#ifndef CONSUMER_API_ENTITY_ID_H
#define CONSUMER_API_ENTITY_ID_H

#include "common/base/memory.h"

/* False: the text is not a number from 0 to 2^63 - 1, in decimal digits. */
bool entity_id_read(struct text text, int64_t *id);

#endif
