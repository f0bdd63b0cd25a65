/* The numbers of the few names of a configuration, which each op of each event looks up: a hash
 * table that is never full, whose hash reads at most sixteen bytes of a name.
 *
 * The names belong to the caller. Any number of readers, or one writer.
 */
#ifndef COMMON_BASE_NAME_TABLE_H
#define COMMON_BASE_NAME_TABLE_H

#include <string.h>

#include "common/base/memory.h"

struct name_place {
    struct text name; /* `data` NULL: the place is free */
    uint32_t number;
};

/* A zeroed table has no room for names. */
struct name_table {
    struct name_place *places;
    uint64_t mask;
    uint32_t count;
    uint32_t capacity;
};

/* For up to `capacity` names. */
void name_table_init(struct name_table *table, uint32_t capacity);
void name_table_free(struct name_table *table);
/* The name must not be in the table. */
void name_table_add(struct name_table *table, struct text name, uint32_t number);

static inline uint64_t
name_table_hash(struct text name)
{
    uint64_t first = 0, last = 0;
    if (name.bytes >= sizeof first) {
        memcpy(&first, name.data, sizeof first);
        memcpy(&last, name.data + name.bytes - sizeof last, sizeof last);
    } else {
        for (size_t i = 0; i < name.bytes; i++)
            first = first << 8 | (uint8_t)name.data[i];
    }
    uint64_t hash = (first ^ (last << 1 | last >> 63) ^ name.bytes) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* False: the table does not have the name. */
static inline bool
name_table_find(const struct name_table *table, struct text name, uint32_t *number)
{
    const struct name_place *place;
    uint64_t at = name_table_hash(name);
    for (;; at++) {
        place = &table->places[at & table->mask];
        if (place->name.data == NULL)
            return false;
        if (place->name.bytes == name.bytes && memcmp(place->name.data, name.data, name.bytes) == 0)
            break;
    }
    *number = place->number;
    return true;
}

#endif
