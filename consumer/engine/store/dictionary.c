#include "consumer/engine/store/dictionary.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/store/image.h"

enum { CAPACITY_MIN = 16, CODES_MAX = 1 << 30 };

static uint64_t
dictionary_hash(struct text text)
{
    uint64_t hash = text_hash(text);
    return hash ^ hash >> 32;
}

/* The place of `text`, or the free place where it would go. The table is never full. */
static uint32_t
dictionary_place(const struct dictionary *dictionary, struct text text)
{
    CHECK(dictionary->count < dictionary->table_capacity);
    uint32_t mask = dictionary->table_capacity - 1;
    uint32_t at = (uint32_t)dictionary_hash(text) & mask;
    while (dictionary->table[at] != 0 &&
           !text_equal(dictionary->texts[dictionary->table[at] - 1], text))
        at = (at + 1) & mask;
    return at;
}

static void
dictionary_check(const struct dictionary *dictionary)
{
    CHECK((dictionary->table_capacity & (dictionary->table_capacity - 1)) == 0);
    CHECK(dictionary->texts_capacity == dictionary->table_capacity / 2);
    CHECK(dictionary->count <= dictionary->texts_capacity);
}

static void
dictionary_grow(struct dictionary *dictionary)
{
    uint32_t capacity = dictionary->table_capacity;
    CHECK(dictionary->count == dictionary->texts_capacity);
    CHECK((capacity & (capacity - 1)) == 0);
    dictionary->table_capacity = capacity > 0 ? capacity * 2 : CAPACITY_MIN;
    free(dictionary->table);
    dictionary->table = memory_zalloc(dictionary->table_capacity * sizeof *dictionary->table);
    for (uint32_t code = 0; code < dictionary->count; code++)
        dictionary->table[dictionary_place(dictionary, dictionary->texts[code])] = code + 1;
    dictionary->texts_capacity = dictionary->table_capacity / 2;
    dictionary->texts =
        memory_realloc(dictionary->texts, dictionary->texts_capacity * sizeof *dictionary->texts);
    CHECK(dictionary->count < dictionary->texts_capacity);
}

void
dictionary_free(struct dictionary *dictionary)
{
    dictionary_check(dictionary);
    free(dictionary->texts);
    free(dictionary->table);
    arena_free(&dictionary->arena);
    *dictionary = (struct dictionary){0};
}

bool
dictionary_find(const struct dictionary *dictionary, struct text text, uint32_t *code)
{
    if (dictionary->table_capacity == 0)
        return false;
    uint32_t entry = dictionary->table[dictionary_place(dictionary, text)];
    if (entry == 0)
        return false;
    CHECK(entry <= dictionary->count); /* codes are dense */
    *code = entry - 1;
    return true;
}

uint32_t
dictionary_add(struct dictionary *dictionary, struct text text)
{
    uint32_t code;
    if (dictionary_find(dictionary, text, &code))
        return code;
    CHECK(dictionary->count < CODES_MAX);
    if (dictionary->count == dictionary->texts_capacity)
        dictionary_grow(dictionary);
    CHECK(dictionary->count < dictionary->texts_capacity);
    code = dictionary->count++;
    dictionary->texts[code] = arena_text(&dictionary->arena, text);
    uint32_t place = dictionary_place(dictionary, text);
    CHECK(dictionary->table[place] == 0);
    dictionary->table[place] = code + 1;
    return code;
}

struct text
dictionary_text(const struct dictionary *dictionary, uint32_t code)
{
    CHECK(code < dictionary->count);
    return dictionary->texts[code];
}

uint64_t
dictionary_bytes(const struct dictionary *dictionary)
{
    return dictionary->table_capacity * sizeof *dictionary->table +
           dictionary->texts_capacity * sizeof *dictionary->texts + dictionary->arena.used_bytes;
}

/* The number of texts; then each, in the order of their codes: its length and its bytes. */
void
dictionary_save(const struct dictionary *dictionary, struct image_writer *writer)
{
    dictionary_check(dictionary);
    image_put_u32(writer, dictionary->count);
    for (uint32_t code = 0; code < dictionary->count; code++) {
        image_put_u32(writer, (uint32_t)dictionary->texts[code].bytes);
        image_put(writer, dictionary->texts[code].data, dictionary->texts[code].bytes);
    }
}

void
dictionary_load(struct dictionary *dictionary, struct image_reader *reader)
{
    CHECK(dictionary->count == 0);
    uint32_t count = image_get_u32(reader);
    if (count > CODES_MAX)
        image_refuse(reader, "too many texts");
    for (uint32_t code = 0; code < count && reader->rc == 0; code++) {
        uint32_t bytes = image_get_u32(reader);
        struct text text = {(const char *)image_get_bytes(reader, bytes), bytes};
        if (reader->rc == 0 && dictionary_add(dictionary, text) != code)
            image_refuse(reader, "the same text twice");
    }
    CHECK(reader->rc != 0 || dictionary->count == count);
    dictionary_check(dictionary);
}
