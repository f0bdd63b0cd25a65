/* The dictionary of a string field: text <-> code. Codes begin at 0. A code keeps its text until
 * dictionary_drop() finds that nothing holds the text (F112); then the next text gets the code.
 *
 * Codes are private to one engine. An image holds them only together with the dictionary, so that
 * no code has two texts (F38), and leaves out texts that nothing holds. The log holds texts, and no
 * codes. Any number of readers, or one writer.
 */
#ifndef CONSUMER_ENGINE_STORE_DICTIONARY_H
#define CONSUMER_ENGINE_STORE_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

struct image_reader;
struct image_writer;

struct dictionary {
    struct text *texts; /* by code; in `arena`, or a free code with the next one (dictionary.c) */
    uint32_t count;     /* every code is below it */
    uint32_t live;      /* codes that have a text */
    uint32_t free;      /* one more than the first free code; 0: none is free */
    uint32_t texts_capacity;
    uint32_t *table;         /* hash table of code + 1; 0: a free place */
    uint32_t table_capacity; /* 0 or a power of two */
    struct arena arena;
};

/* Does anything hold the text of the code? */
typedef bool (*dictionary_is_held)(const void *context, uint32_t code);

/* A zeroed struct is empty. */
void dictionary_free(struct dictionary *dictionary);
/* False: the dictionary does not hold the text. */
bool dictionary_find(const struct dictionary *dictionary, struct text text, uint32_t *code);
/* Returns the code of `text`; adds a copy of the text if the dictionary does not hold it. */
uint32_t dictionary_add(struct dictionary *dictionary, struct text text);
/* Has the code a text? Any code. */
bool dictionary_has(const struct dictionary *dictionary, uint32_t code);
/* The text of a code that has one. Lives until dictionary_drop(). */
struct text dictionary_text(const struct dictionary *dictionary, uint32_t code);
/* Removes the texts that nothing holds. The codes of the others stay. */
void dictionary_drop(struct dictionary *dictionary, dictionary_is_held is_held,
                     const void *context);
/* Writes to an image the texts that are held; reads them into a zeroed struct. */
void dictionary_save(const struct dictionary *dictionary, dictionary_is_held is_held,
                     const void *context, struct image_writer *writer);
void dictionary_load(struct dictionary *dictionary, struct image_reader *reader);
uint64_t dictionary_bytes(const struct dictionary *dictionary);

#endif
