/* Where the workers spend their time: a histogram for each stage of a batch, of all workers
 * together. */
#ifndef CONSUMER_PARTITION_STAGE_TIMES_H
#define CONSUMER_PARTITION_STAGE_TIMES_H

#include <stdatomic.h>

#include "common/metrics/metrics.h"

enum stage {
    STAGE_READ,         /* taking messages from the client, when there are any */
    STAGE_DECODE,       /* with the seq rule, the checks against the index, and compaction */
    STAGE_DEAD_LETTERS, /* until all dead letters of a batch are acknowledged */
    STAGE_WRITE,        /* writing a frame */
    STAGE_SYNC,         /* syncing it */
    STAGE_LOCK,         /* waiting until no query reads the engine */
    STAGE_APPLY,        /* to the engine: queries wait meanwhile */
    STAGE_COMPARE,      /* comparing a range with the source */
    STAGE_CHECKPOINT,   /* copying the whole state: reading is paused */
    STAGE_COMMIT,       /* from a commit until the worker sees the broker's answer */
    STAGES
};

struct stage_times {
    struct metrics_histogram cycle; /* of a batch, from decoding to applied */
    struct metrics_histogram stages[STAGES];
    atomic_ullong sums;        /* of ranges, compared with the source */
    atomic_ullong differences; /* values that check chunks have found to differ */
};

#endif
