/* The dictionary of a string field: text <-> code. Codes are dense, from 0, in the order in which
 * the texts were added.
 *
 * Meant for fields of few distinct values: a text stays for the life of the engine. Codes are
 * private to one engine. An image holds them only together with the whole dictionary, so that no
 * code is issued twice (F38). Any number of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_DICTIONARY_H
#define CONSUMER_ENGINE_STORE_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

struct image_reader;
struct image_writer;

struct dictionary {
    struct text *texts; /* by code; in `arena` */
    uint32_t count;
    uint32_t texts_capacity;
    uint32_t *table;         /* hash table of code + 1; 0: a free place */
    uint32_t table_capacity; /* 0 or a power of two */
    struct arena arena;
};

/* A zeroed struct is empty. */
void dictionary_free(struct dictionary *dictionary);
/* False: the dictionary does not hold the text. */
bool dictionary_find(const struct dictionary *dictionary, struct text text, uint32_t *code);
/* Returns the code of `text`; adds a copy of the text if the dictionary does not hold it. */
uint32_t dictionary_add(struct dictionary *dictionary, struct text text);
/* The text of a code that dictionary_add() returned. Lives as long as the dictionary. */
struct text dictionary_text(const struct dictionary *dictionary, uint32_t code);
/* Writes the dictionary to an image; reads it into a zeroed struct. */
void dictionary_save(const struct dictionary *dictionary, struct image_writer *writer);
void dictionary_load(struct dictionary *dictionary, struct image_reader *reader);
uint64_t dictionary_bytes(const struct dictionary *dictionary);

#endif
