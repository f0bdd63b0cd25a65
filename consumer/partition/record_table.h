/* A hash table of small plain entries, for the record of a partition (unanswered.h).
 *
 * The key of an entry is its id, or its id and its word; `keyed_by_word` says which. Open
 * addressing with linear probing; removing moves the entries after it back, so that no place is
 * lost. An empty table has no memory. Entries must not be kept over a change.
 */
#ifndef CONSUMER_PARTITION_RECORD_TABLE_H
#define CONSUMER_PARTITION_RECORD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct record_entry {
    int64_t id;
    uint64_t word;
    uint64_t value;
};

/* Zero-initialise, with `keyed_by_word`. */
struct record_table {
    bool keyed_by_word;
    struct record_entry *entries;
    uint8_t *is_used;  /* one for each place */
    uint32_t capacity; /* places: a power of two, or 0 */
    uint32_t count;
};

/* Removes all entries, and frees the memory. */
void record_table_clear(struct record_table *table);

/* The entry with the key of `entry`; NULL: it is missing. */
struct record_entry *record_table_find(const struct record_table *table,
                                       const struct record_entry *entry);
/* Adds the entry, in the place of one with the same key. */
void record_table_put(struct record_table *table, const struct record_entry *entry);
/* Removes the entry with this key. False: it is missing. */
bool record_table_remove(struct record_table *table, const struct record_entry *entry);

/* The next entry in no order: `*at` begins with 0. NULL: there are no more. */
const struct record_entry *record_table_next(const struct record_table *table, uint32_t *at);

#endif
