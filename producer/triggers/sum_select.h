/* The queries of a verify: what the committed rows of a range say of its entities, as one count and
 * one sum of hashes for each field and partition. An index that holds the same has the same sums.
 *
 * Summed are the entities that are alive: those of the entries with `sets_alive`. Hashes are signed
 * 64-bit integers, and a null adds nothing:
 *
 *     existence            hashint8extended(id, 1)
 *     an integer           hashint8extended(id, value)
 *     true and false       hashint8extended(id, 1), hashint8extended(id, 0)
 *     a text               hashtextextended(value COLLATE "C", id)
 *     several values       the sum of those of the distinct values
 *
 * Values are those of a load (select.h), as a field of the index holds them:
 * what it cannot hold is null. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_SUM_SELECT_H
#define PRODUCER_TRIGGERS_SUM_SELECT_H

#include "common/base/memory.h"
#include "common/config/config.h"
#include "producer/triggers/select.h"

/* A field that is summed, as the index declares it. */
struct sum_target {
    enum config_field_type type;
    int64_t min; /* of integers */
    int64_t max;
};

/* Where the values of a field come from. */
struct sum_value {
    const struct entry *entry; /* not a pass */
    uint32_t index;            /* in entry->values */
};

/* One query. It gives a row for each partition that has rows: the partition, and for existence and
 * each target the count and the sum, a numeric or null. */
struct sum_query {
    bool has_existence;
    /* Without values: the entries with `sets_alive`. Otherwise with `is_united` the values of one
     * target, in one or several entries; else one value for each target, all of one entry and with
     * sum_value_is_single(). has_existence then requires that this entry is the only one that sets
     * alive. */
    bool is_united;
    const struct sum_value *values;
    uint32_t value_count;
    const struct sum_target *targets;
    uint32_t target_count;
    /* The entries with `sets_alive`, if rows of `values` may be of other entities; else none. */
    const struct entry *const *alive;
    uint32_t alive_count;
};

/* An entity has at most one row with the value, and the value holds no list. */
bool sum_value_is_single(const struct sum_value *value, enum config_field_type type);

/* `range` has both bounds and no ids. */
void sum_select_append(struct buffer *out, const struct sum_query *query, int32_t partitions,
                       const struct select_range *range);

#endif
