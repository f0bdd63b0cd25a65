/* Groups compared with each other, by the sums of their own shards at the same place of the stream:
 * this proves that they are equal, in fields that no trigger sets as well.
 *
 * Everything lives in the caller's arena, or in what the verdicts point to. Pure; any thread.
 */
#ifndef PRODUCER_VERIFY_GROUP_COMPARISON_H
#define PRODUCER_VERIFY_GROUP_COMPARISON_H

#include "producer/verify/shard_verdicts.h"

struct group_difference {
    const char *groups[2];
    int32_t partition;
    struct job_range range;
    struct text field;
};

struct group_comparison {
    uint32_t compared; /* verdicts */
    const struct group_difference *differing;
    uint32_t differing_count;
    const struct verify_unknown *unknown; /* what the groups did not sum at the same place */
    uint32_t unknown_count;
    const struct text *not_comparable; /* fields that some group does not have; each once */
    uint32_t not_comparable_count;
};

/* Compares the shards of each group with those of the request's first group. With `only_wanted`
 * only the fields of the request, otherwise all. Shards that the list lacks are unknown there. */
void group_comparison_make(const struct verify_request *request, const struct shard_list *list,
                           bool only_wanted, struct arena *arena, struct group_comparison *out);

#endif
