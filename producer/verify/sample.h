/* A random sample of ranges of entities, for a verify of a part of a large index. Pure; any thread.
 */
#ifndef PRODUCER_VERIFY_SAMPLE_H
#define PRODUCER_VERIFY_SAMPLE_H

#include "common/base/memory.h"
#include "producer/load/job_ranges.h"

enum { SAMPLE_RANGES_MAX = 1000 };

/* Picks `wanted` of the units of 65536 entities for each partition that hold the ids from 0 to
 * `last_id`, each equally likely; fewer when there are fewer. Units that follow one another are one
 * range. `random` is the start of the sequence of random numbers, and the result is in `arena`. */
void sample_pick(int64_t last_id, int32_t partitions, uint32_t wanted, uint64_t random,
                 struct arena *arena, struct job_ranges *ranges);

#endif
