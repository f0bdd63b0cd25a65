/* The dictionary of a string field: text <-> dense code, 0 for the first text seen.
 *
 * For fields of few distinct values: a text stays for the life of the engine. Codes are private to
 * this engine: they are written only together with all of the dictionary, so that none is issued
 * twice (F38). Not thread-safe beside a writer.
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
    uint32_t *table;         /* code + 1; 0: free */
    uint32_t table_capacity; /* 0 or a power of two */
    struct arena arena;
};

/* A zeroed struct is empty. */
void dictionary_free(struct dictionary *dictionary);
bool dictionary_find(const struct dictionary *dictionary, struct text text, uint32_t *code);
/* The code of `text`, a new one if need be. Copies the text. */
uint32_t dictionary_add(struct dictionary *dictionary, struct text text);
/* `code` must be one that was issued. */
struct text dictionary_text(const struct dictionary *dictionary, uint32_t code);
/* As bytes, and back into a zeroed struct. */
void dictionary_save(const struct dictionary *dictionary, struct image_writer *writer);
void dictionary_load(struct dictionary *dictionary, struct image_reader *reader);
uint64_t dictionary_bytes(const struct dictionary *dictionary);

#endif
