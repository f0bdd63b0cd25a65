/* The indexes by which a load finds rows, where the database does not have them. Pure; any thread.
 * `entry` has been read from the catalogue.
 */
#ifndef PRODUCER_TRIGGERS_MISSING_INDEX_H
#define PRODUCER_TRIGGERS_MISSING_INDEX_H

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* Without an index on the slot, every range of entities costs a scan of the whole table (of the
 * child table, if the entry has one). Appends the CREATE INDEX and returns true if it is missing.
 * The entities of a pass are not found by a slot, so it needs none. */
bool missing_index_of_slot(const struct entry *entry, struct buffer *sql);

/* Likewise for the parent of a row, along all links: without it, each part reads the whole table of
 * the parents, too. */
bool missing_index_of_key(const struct entry *entry, struct buffer *sql);

/* Likewise for the child rows of one parent, along all links: one index for each that lacks one,
 * separated by "; ". */
bool missing_index_of_parent(const struct entry *entry, struct buffer *sql);

#endif
