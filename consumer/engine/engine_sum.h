/* Sums over what the index holds of a range of entity ids, to be compared with those that the
 * source database computes of its rows.
 *
 * Over entities that are alive, hidden ones included, of each field the number of values and the
 * sum of their hashes (sum_hash.h); a field without a value adds nothing:
 *
 *     existence            hashint8extended(id, 1)
 *     integers, booleans   hashint8extended(id, value); false is 0 and true is 1
 *     multi-values         the same of each value
 *     strings              hashtextextended(value, id)
 *
 * A field has several structures (field.h), and a query reads the one that is fastest for it. So
 * each structure is read by itself: the values as documents show them, the postings that filters
 * read, the slices that sorting and ranges read. If they disagree, the field is damaged, and it
 * differs from the source whatever its sums are. A computed field is damaged as well when it does
 * not follow from its sources, and existence when an entity is visible that should be hidden, or
 * the reverse.
 */
#ifndef CONSUMER_ENGINE_ENGINE_SUM_H
#define CONSUMER_ENGINE_ENGINE_SUM_H

#include "consumer/engine/engine.h"
#include "consumer/engine/engine_chunk.h"
#include "consumer/engine/sum_hash.h"

struct engine_field_sum {
    struct hash_sum sum; /* of a damaged field: of one of the structures that disagree */
    bool is_damaged;
};

/* Fills `sums`: one for each field, in the order of the configuration, and then one for existence.
 * `yield`: NULL, or called every some milliseconds. Only reads: other threads may read meanwhile,
 * and the writer needs no lock for it. */
void engine_sum_range(const struct engine *engine, int64_t begin, int64_t end,
                      struct engine_field_sum *sums, const struct engine_yield *yield);

#endif
