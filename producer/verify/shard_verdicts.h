/* Which verdicts of which shards answer a request, and what is not known: a shard that nobody
 * answers for, or whose verdicts are older than the request, is never taken for equal.
 *
 * Everything lives in the caller's arena, or in what the caller has passed. Pure; any thread.
 */
#ifndef PRODUCER_VERIFY_SHARD_VERDICTS_H
#define PRODUCER_VERIFY_SHARD_VERDICTS_H

#include "producer/load/job_ranges.h"
#include "producer/verify/verdict_answer.h"

struct verify_request {
    const char *index;
    int32_t partitions;
    int64_t epoch;            /* of the producer: a shard of another one has read another history */
    int64_t since_tick;       /* a verdict of this tick, or before it, is older than the request */
    int64_t end_tick;         /* in which the last sums were sent */
    struct job_ranges ranges; /* of entities that must have verdicts; not none */
    const struct text *fields; /* that were summed, in the order of their bytes; "": existence */
    uint32_t field_count;
    const char *const *groups;
    uint32_t group_count;
};

/* What came of asking a member. */
struct member_report {
    const char *group;
    const char *address;
    const struct verdict_answer *answer; /* NULL: for the reason in `error` */
    const char *error;
};

struct verify_unknown {
    const char *group;
    const char *reason;
};

/* The verdicts of one shard that answer the request: newer than it, about all of its fields, and
 * about entities that it names. */
struct shard_verdicts {
    const char *group;
    int32_t partition;
    const struct verdict_answer *answer;
    const struct verdict_range *const *ranges; /* ascending */
    uint32_t range_count;
};

struct shard_list {
    const struct shard_verdicts *shards; /* by group, as in the request, then by partition */
    uint32_t shard_count;
    const struct verify_unknown *unknown;
    uint32_t unknown_count;
    uint32_t lagging; /* shards that have not reached the end tick */
};

/* The index of `field` among those of the request; -1: it is not one of them. */
int64_t verify_request_find(const struct verify_request *request, struct text field);

void shard_list_make(const struct verify_request *request, const struct member_report *reports,
                     uint32_t report_count, struct arena *arena, struct shard_list *list);

#endif
