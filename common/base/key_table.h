/* A hash table of small plain entries.
 *
 * The key of an entry is its id, or its id and its word; `keyed_by_word` says which. Open
 * addressing with linear probing; removing moves the entries after it back, so that no place is
 * lost. An empty table has no memory. Entries must not be kept over a change.
 */
#ifndef COMMON_BASE_KEY_TABLE_H
#define COMMON_BASE_KEY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct key_entry {
    int64_t id;
    uint64_t word;
    uint64_t value;
};

/* Zero-initialise, with `keyed_by_word`. */
struct key_table {
    bool keyed_by_word;
    struct key_entry *entries;
    uint8_t *is_used;  /* one for each place */
    uint32_t capacity; /* places: a power of two, or 0 */
    uint32_t count;
};

/* Removes all entries, and frees the memory. */
void key_table_clear(struct key_table *table);

/* The entry with the key of `entry`; NULL: it is missing. */
struct key_entry *key_table_find(const struct key_table *table, const struct key_entry *entry);
/* Adds the entry, in the place of one with the same key. */
void key_table_put(struct key_table *table, const struct key_entry *entry);
/* Removes the entry with this key. False: it is missing. */
bool key_table_remove(struct key_table *table, const struct key_entry *entry);

/* The next entry in no order: `*at` begins with 0. NULL: there are no more. */
const struct key_entry *key_table_next(const struct key_table *table, uint32_t *at);

#endif
