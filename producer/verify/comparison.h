/* What a verify has found: the verdicts of all shards together.
 *
 * Everything lives in the caller's arena, or in what the verdicts point to. Pure; any thread.
 */
#ifndef PRODUCER_VERIFY_COMPARISON_H
#define PRODUCER_VERIFY_COMPARISON_H

#include "producer/verify/shard_verdicts.h"

/* In how many ranges a field differs, or cannot be compared, in any shard. */
struct compared_field {
    struct text name;
    uint32_t differing;
    uint32_t not_comparable;
    struct text reason; /* of the first shard that cannot compare it; else empty */
};

/* Ranges that differ and overlap are one. */
struct compared_range {
    struct job_range range;
    const struct text *fields; /* that differ in some shard, in the order of their bytes */
    uint32_t field_count;
};

struct comparison {
    uint32_t range_count;                /* distinct ranges that were compared */
    const struct compared_field *fields; /* those of the request */
    uint32_t field_count;
    const struct compared_range *differing; /* ascending, disjoint */
    uint32_t differing_count;
};

/* `list` answers `request`. */
void comparison_make(const struct verify_request *request, const struct shard_list *list,
                     struct arena *arena, struct comparison *comparison);

/* An entity that differs in one shard. */
struct found_difference {
    const char *group;
    const struct verdict_difference *difference;
};

struct found_differences {
    const struct found_difference *items; /* by group and partition, the first ones of each range */
    uint32_t count;
    int64_t total;
    uint32_t unchecked; /* verdicts that differ, and whose rows were not compared by the check */
};

/* The differences that check job `job`, or a later one, has found in the fields of the request. */
void comparison_find_differences(const struct verify_request *request,
                                 const struct shard_list *list, int64_t job, struct arena *arena,
                                 struct found_differences *found);

#endif
