/* A dictionary: distinct texts, numbered from 0 in the order in which they were first added. Pure;
 * one thread. For this room only.
 */
#ifndef PRODUCER_LOAD_DICTIONARY_H
#define PRODUCER_LOAD_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

struct dictionary {
    struct text *texts; /* by number; owned, as is all that follows */
    uint32_t count;
    uint32_t capacity;
    uint32_t *table; /* numbers + 1, by hash; 0 is free */
    uint32_t table_size;
};

/* Zero-initialise. */
void dictionary_free(struct dictionary *dictionary);
/* Keeps the memory. */
void dictionary_clear(struct dictionary *dictionary);

/* The number of the text. False in `*found`: it has none. */
uint32_t dictionary_find(const struct dictionary *dictionary, struct text text, bool *found);
/* Adds a text that has no number. `text` outlives the dictionary, or its clearing. */
uint32_t dictionary_add(struct dictionary *dictionary, struct text text);

#endif
