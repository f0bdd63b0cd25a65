/* Open addressing with linear probing; the table is at most half full. */
#include "producer/load/dictionary.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { TABLE_MIN = 64 };

void
dictionary_free(struct dictionary *dictionary)
{
    free(dictionary->texts);
    free(dictionary->table);
    *dictionary = (struct dictionary){0};
}

void
dictionary_clear(struct dictionary *dictionary)
{
    if (dictionary->count > 0)
        memset(dictionary->table, 0, dictionary->table_size * sizeof *dictionary->table);
    dictionary->count = 0;
}

/* The place of the text in the table, or the free one where it would be. */
static uint32_t
find_place(const struct dictionary *dictionary, struct text text)
{
    CHECK(dictionary->count < dictionary->table_size);
    uint32_t mask = dictionary->table_size - 1;
    uint32_t place = (uint32_t)text_hash(text) & mask;
    while (dictionary->table[place] != 0 &&
           !text_equal(dictionary->texts[dictionary->table[place] - 1], text))
        place = (place + 1) & mask;
    return place;
}

uint32_t
dictionary_find(const struct dictionary *dictionary, struct text text, bool *found)
{
    uint32_t number = 0;
    if (dictionary->table_size > 0)
        number = dictionary->table[find_place(dictionary, text)];
    *found = number > 0;
    return *found ? number - 1 : 0;
}

static void
grow_table(struct dictionary *dictionary)
{
    CHECK(dictionary->table_size <= UINT32_MAX / 2);
    uint32_t size = dictionary->table_size == 0 ? TABLE_MIN : dictionary->table_size * 2;
    free(dictionary->table);
    dictionary->table = memory_zalloc(size * sizeof *dictionary->table);
    dictionary->table_size = size;
    for (uint32_t i = 0; i < dictionary->count; i++)
        dictionary->table[find_place(dictionary, dictionary->texts[i])] = i + 1;
}

uint32_t
dictionary_add(struct dictionary *dictionary, struct text text)
{
    if (dictionary->count >= dictionary->table_size / 2)
        grow_table(dictionary);
    if (dictionary->count == dictionary->capacity) {
        dictionary->capacity = dictionary->table_size / 2;
        dictionary->texts =
            memory_realloc(dictionary->texts, dictionary->capacity * sizeof *dictionary->texts);
    }
    uint32_t place = find_place(dictionary, text);
    CHECK(dictionary->table[place] == 0);
    dictionary->texts[dictionary->count] = text;
    dictionary->table[place] = ++dictionary->count;
    return dictionary->count - 1;
}
