#include "consumer/engine/store/dictionary.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "consumer/engine/store/image.h"

enum { CAPACITY_MIN = 16, CODES_MAX = 1 << 30 };

/* In an image: the length of a code without a text. */
#define NO_TEXT UINT32_MAX

/* The bytes of a free code: `bytes` is one more than the next free code, 0 at the end. */
static const char free_mark[1];

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
    CHECK(dictionary->live <= dictionary->count);
}

static bool
text_is_free(struct text text)
{
    return text.data == free_mark;
}

/* An empty table that holds `capacity` / 2 codes, and the texts in it. */
static void
dictionary_build_table(struct dictionary *dictionary, uint32_t capacity)
{
    CHECK(dictionary->count <= capacity / 2);
    free(dictionary->table);
    dictionary->table_capacity = capacity;
    dictionary->table = memory_zalloc(capacity * sizeof *dictionary->table);
    for (uint32_t code = 0; code < dictionary->count; code++)
        if (!text_is_free(dictionary->texts[code]))
            dictionary->table[dictionary_place(dictionary, dictionary->texts[code])] = code + 1;
    dictionary->texts_capacity = capacity / 2;
    dictionary->texts =
        memory_realloc(dictionary->texts, dictionary->texts_capacity * sizeof *dictionary->texts);
}

static void
dictionary_grow(struct dictionary *dictionary)
{
    uint32_t capacity = dictionary->table_capacity;
    CHECK(dictionary->count == dictionary->texts_capacity);
    CHECK((capacity & (capacity - 1)) == 0);
    dictionary_build_table(dictionary, capacity > 0 ? capacity * 2 : CAPACITY_MIN);
    CHECK(dictionary->count < dictionary->texts_capacity);
}

/* Forgets the free codes at the end, and lists the others, the lowest first. */
static void
dictionary_list_free(struct dictionary *dictionary)
{
    dictionary->free = 0;
    while (dictionary->count > 0 && text_is_free(dictionary->texts[dictionary->count - 1]))
        dictionary->count--;
    for (uint32_t code = dictionary->count; code-- > 0;) {
        if (!text_is_free(dictionary->texts[code]))
            continue;
        dictionary->texts[code].bytes = dictionary->free;
        dictionary->free = code + 1;
    }
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
    CHECK(entry <= dictionary->count);
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
    if (dictionary->free == 0 && dictionary->count == dictionary->texts_capacity)
        dictionary_grow(dictionary);
    code = dictionary->free > 0 ? dictionary->free - 1 : dictionary->count;
    CHECK(code < dictionary->texts_capacity);
    if (dictionary->free > 0)
        dictionary->free = (uint32_t)dictionary->texts[code].bytes;
    else
        dictionary->count++;
    dictionary->live++;
    dictionary->texts[code] = arena_text(&dictionary->arena, text);
    uint32_t place = dictionary_place(dictionary, text);
    CHECK(dictionary->table[place] == 0);
    dictionary->table[place] = code + 1;
    return code;
}

bool
dictionary_has(const struct dictionary *dictionary, uint32_t code)
{
    return code < dictionary->count && !text_is_free(dictionary->texts[code]);
}

struct text
dictionary_text(const struct dictionary *dictionary, uint32_t code)
{
    CHECK(dictionary_has(dictionary, code));
    return dictionary->texts[code];
}

void
dictionary_drop(struct dictionary *dictionary, dictionary_is_held is_held, const void *context)
{
    struct arena kept;
    uint32_t capacity = CAPACITY_MIN;
    arena_init(&kept);
    dictionary->live = 0;
    for (uint32_t code = 0; code < dictionary->count; code++) {
        struct text *text = &dictionary->texts[code];
        bool stays = !text_is_free(*text) && is_held(context, code);
        *text = stays ? arena_text(&kept, *text) : (struct text){free_mark, 0};
        dictionary->live += stays;
    }
    arena_free(&dictionary->arena);
    dictionary->arena = kept;
    dictionary_list_free(dictionary);
    while (capacity / 2 < dictionary->count)
        capacity *= 2;
    dictionary_build_table(dictionary, capacity);
    dictionary_check(dictionary);
}

uint64_t
dictionary_bytes(const struct dictionary *dictionary)
{
    return dictionary->table_capacity * sizeof *dictionary->table +
           dictionary->texts_capacity * sizeof *dictionary->texts + dictionary->arena.used_bytes;
}

/* The number of codes; then for each, in their order, the length and the bytes of its text, or
 * NO_TEXT. The last code has a text. */
void
dictionary_save(const struct dictionary *dictionary, dictionary_is_held is_held,
                const void *context, struct image_writer *writer)
{
    uint32_t count = dictionary->count;
    dictionary_check(dictionary);
    while (count > 0 && !is_held(context, count - 1))
        count--;
    image_put_u32(writer, count);
    for (uint32_t code = 0; code < count; code++) {
        const struct text *text = &dictionary->texts[code];
        bool is_saved = is_held(context, code);
        CHECK(!is_saved || !text_is_free(*text));
        image_put_u32(writer, is_saved ? (uint32_t)text->bytes : NO_TEXT);
        if (is_saved)
            image_put(writer, text->data, text->bytes);
    }
}

/* The code that comes next has no text. */
static void
dictionary_skip(struct dictionary *dictionary)
{
    CHECK(dictionary->free == 0);
    if (dictionary->count == dictionary->texts_capacity)
        dictionary_grow(dictionary);
    dictionary->texts[dictionary->count++] = (struct text){free_mark, 0};
}

static void
dictionary_load_text(struct dictionary *dictionary, struct image_reader *reader)
{
    uint32_t code = dictionary->count;
    uint32_t bytes = image_get_u32(reader);
    if (reader->rc == 0 && bytes == NO_TEXT) {
        dictionary_skip(dictionary);
        return;
    }
    struct text text = {(const char *)image_get_bytes(reader, bytes), bytes};
    if (reader->rc == 0 && dictionary_add(dictionary, text) != code)
        image_refuse(reader, "the same text twice");
}

void
dictionary_load(struct dictionary *dictionary, struct image_reader *reader)
{
    CHECK(dictionary->count == 0);
    uint32_t count = image_get_u32(reader);
    if (count > CODES_MAX)
        image_refuse(reader, "too many texts");
    for (uint32_t code = 0; code < count && reader->rc == 0; code++)
        dictionary_load_text(dictionary, reader);
    CHECK(reader->rc != 0 || dictionary->count == count);
    dictionary_list_free(dictionary);
    dictionary_check(dictionary);
}
