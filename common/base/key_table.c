#include "common/base/key_table.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { TABLE_CAPACITY_MIN = 64, TABLE_CAPACITY_MAX = 1 << 30 };

void
key_table_clear(struct key_table *table)
{
    free(table->entries);
    free(table->is_used);
    *table = (struct key_table){.keyed_by_word = table->keyed_by_word};
}

/* The finisher of MurmurHash3: every bit of the input changes every bit of the result. */
static uint64_t
table_mix(uint64_t word)
{
    word = (word ^ word >> 33) * UINT64_C(0xff51afd7ed558ccd);
    word = (word ^ word >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return word ^ word >> 33;
}

static uint32_t
table_home(const struct key_table *table, const struct key_entry *entry)
{
    uint64_t hash = table_mix((uint64_t)entry->id);
    if (table->keyed_by_word)
        hash = table_mix(hash ^ entry->word);
    return (uint32_t)hash & (table->capacity - 1);
}

static uint32_t
table_after(const struct key_table *table, uint32_t place)
{
    return (place + 1) & (table->capacity - 1);
}

static bool
table_is_key(const struct key_table *table, const struct key_entry *a, const struct key_entry *b)
{
    return a->id == b->id && (!table->keyed_by_word || a->word == b->word);
}

/* The place of the entry with this key, or the free one where it belongs. */
static uint32_t
table_place(const struct key_table *table, const struct key_entry *entry)
{
    CHECK(table->count < table->capacity);
    uint32_t place = table_home(table, entry);
    while (table->is_used[place] && !table_is_key(table, &table->entries[place], entry))
        place = table_after(table, place);
    return place;
}

struct key_entry *
key_table_find(const struct key_table *table, const struct key_entry *entry)
{
    if (table->count == 0)
        return NULL;
    uint32_t place = table_place(table, entry);
    return table->is_used[place] ? &table->entries[place] : NULL;
}

static void
table_grow(struct key_table *table)
{
    struct key_table grown = {
        .keyed_by_word = table->keyed_by_word,
        .capacity = table->capacity == 0 ? TABLE_CAPACITY_MIN : 2 * table->capacity,
    };
    CHECK(grown.capacity <= TABLE_CAPACITY_MAX);
    grown.entries = memory_alloc(grown.capacity * sizeof *grown.entries);
    grown.is_used = memory_zalloc(grown.capacity);
    for (uint32_t i = 0; i < table->capacity; i++)
        if (table->is_used[i])
            key_table_put(&grown, &table->entries[i]);
    CHECK(grown.count == table->count);
    key_table_clear(table);
    *table = grown;
}

void
key_table_put(struct key_table *table, const struct key_entry *entry)
{
    const struct key_entry copy = *entry;
    if (table->count >= table->capacity / 4 * 3)
        table_grow(table);
    uint32_t place = table_place(table, &copy);
    table->count += !table->is_used[place];
    table->is_used[place] = true;
    table->entries[place] = copy;
}

/* Entries after the free place that it separates from their homes move into it. */
static void
table_close_gap(struct key_table *table, uint32_t free_place)
{
    uint32_t mask = table->capacity - 1;
    for (uint32_t at = table_after(table, free_place); table->is_used[at];
         at = table_after(table, at)) {
        uint32_t home = table_home(table, &table->entries[at]);
        if (((at - home) & mask) < ((at - free_place) & mask))
            continue;
        table->entries[free_place] = table->entries[at];
        free_place = at;
    }
    table->is_used[free_place] = false;
}

bool
key_table_remove(struct key_table *table, const struct key_entry *entry)
{
    if (table->count == 0)
        return false;
    uint32_t place = table_place(table, entry);
    if (!table->is_used[place])
        return false;
    table_close_gap(table, place);
    if (--table->count == 0)
        key_table_clear(table);
    return true;
}

const struct key_entry *
key_table_next(const struct key_table *table, uint32_t *at)
{
    CHECK(*at <= table->capacity);
    while (*at < table->capacity && !table->is_used[*at])
        ++*at;
    return *at < table->capacity ? &table->entries[(*at)++] : NULL;
}
