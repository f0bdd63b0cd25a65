/* The kinds of jobs, and the ranges of entity ids that a job of verify or check is about. Pure; any
 * thread.
 */
#ifndef PRODUCER_LOAD_JOB_RANGES_H
#define PRODUCER_LOAD_JOB_RANGES_H

#include <stdbool.h>
#include <stdint.h>

enum job_kind {
    JOB_LOAD,
    JOB_VERIFY, /* sends sums, which consumers compare with their index */
    JOB_CHECK,  /* sends rows, which consumers compare with their index */
};

/* As in bitdex_jobs.kind. */
const char *job_kind_name(enum job_kind kind);
/* False: there is no kind of that name. */
bool job_kind_find(const char *name, enum job_kind *kind);

struct job_range {
    int64_t begin; /* 0 <= begin < end */
    int64_t end;   /* exclusive; CHUNK_NO_END */
};

struct job_ranges {
    const struct job_range *items; /* ascending, not overlapping */
    uint32_t count;
};

bool job_ranges_are_valid(const struct job_ranges *ranges);

/* What is left from the id `from` on: the rest of the first range that ends after it. False:
 * nothing. */
bool job_ranges_next(const struct job_ranges *ranges, int64_t from, struct job_range *rest);

#endif
