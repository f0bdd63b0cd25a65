/* The queries by which a load reads what the trigger functions of an entry write: the committed
 * values, from the same expressions (row_sql.h). Pure; any thread.
 *
 * Values are columns in the order of the caller's list of indexes into entry->values, each as its
 * `wire` says; null where the entity has no value. Tables are read with ONLY, except for
 * partitioned ones. `entry` has been read from the catalogue.
 */
#ifndef PRODUCER_TRIGGERS_SELECT_H
#define PRODUCER_TRIGGERS_SELECT_H

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* The entities that are read. */
struct select_range {
    bool has_begin; /* false: negative ids as well */
    int64_t begin;
    bool has_end;
    int64_t end; /* exclusive */
    /* Not NULL: only these of the range. */
    const int64_t *ids;
    uint32_t id_count;
};

/* Rows of one table by their keys: the values of some columns, most often of one. A key is text; of
 * several columns, the text of a JSON array with a text or a number for each. */
struct select_keys {
    const char *const *columns;
    const char *const *types; /* by column, in SQL; none that cuts values, as varchar(3) does */
    uint32_t column_count;
    const struct text *keys;
    uint32_t count;
};

/* Appends ", " and the value as a column of `_row`. */
void select_append_value(struct buffer *out, const struct entry_value *value);

/* Appends the conditions that the column of `row` is in the range, with AND before each. */
void select_append_bounds(struct buffer *out, const char *row, const char *column,
                          const struct select_range *range);

/* Only the index knows the entities of a fan-out without a child table: its parents are read by a
 * pass, and all other entries by ranges. */
bool select_is_pass(const struct entry *entry);

/* The SELECT of a row for each entity of the range (of a join, for each of its values): the slot,
 * an integer of 2, 4 or 8 bytes, and the values. Of several parents of an entity, it is the one
 * with the greatest key that the filter keeps. A join whose pairs of slot and value are not unique
 * gives the same pair more than once. */
void select_append_range(struct buffer *out, const struct entry *entry, const uint32_t *values,
                         uint32_t value_count, const struct select_range *range);

/* The parts of that SELECT, for others over the same rows. */
void select_append_slot(struct buffer *out, const struct entry *entry);
/* "DISTINCT ON (slot) ", and the order that decides which row stays; nothing where the rows of an
 * entity need no choice. */
void select_append_choice(struct buffer *out, const struct entry *entry);
void select_append_order(struct buffer *out, const struct entry *entry);
/* FROM and WHERE. */
void select_append_rows(struct buffer *out, const struct entry *entry,
                        const struct select_range *range);
/* The table and its alias; ONLY unless it is partitioned. */
void select_append_table(struct buffer *out, const struct entry_table *table, const char *row);

/* The SELECT of the least slot at or above `begin`, null without one. */
void select_append_next_slot(struct buffer *out, const struct entry *entry, int64_t begin);

/* The SELECT of a part of a pass: the first `limit` parents after the one whose key is `after` (one
 * text for each column of the key; NULL: from the first one on), in the order of their key. A row
 * has the columns of the key, as text; the query, null where the parent reaches no entity; and the
 * values. */
void select_append_pass(struct buffer *out, const struct entry *entry, const uint32_t *values,
                        uint32_t value_count, const char *const *after, int64_t limit);

/* The SELECT of the entities of some rows of level `level` of an entry with links, by the column
 * that the next link refers to: the number of the key, from 1 on, and the slot. Of each key, the
 * first `limit` child rows from slot `begin` on, in the order of slots. Without indexes along the
 * path (entry_level_has_index) one scan finds them: they all have the number 1, and `limit` is of
 * all keys. A slot may come several times. Postgres refuses a key that its column cannot have. */
void select_append_children(struct buffer *out, const struct entry *entry, uint32_t level,
                            const struct select_keys *keys, int64_t begin, int64_t limit);

/* The SELECT of the parents of a pass that have one of the keys: the number of the key, as
 * text, the query, and the values, as select_append_pass() has them. Where a part of the key makes
 * the query, the parents with the same query come as well: the last one counts, as in a pass. */
void select_append_parents(struct buffer *out, const struct entry *entry, const uint32_t *values,
                           uint32_t value_count, const struct select_keys *keys);

/* The key alone makes the query of a pass: it reads no other column of the row. */
bool select_query_is_key(const struct entry *entry, const struct select_keys *keys);

/* Of such a query: the SELECT of a row for each key, which says that the entities have no values;
 * its columns are those of select_append_parents(). */
void select_append_gone(struct buffer *out, const struct entry *entry, const uint32_t *values,
                        uint32_t value_count, const struct select_keys *keys);

/* The SELECT of all values of the entry, of all entities: what defines it as the source of a load,
 * and names its dump. */
void select_append_definition(struct buffer *out, const struct entry *entry);

#endif
