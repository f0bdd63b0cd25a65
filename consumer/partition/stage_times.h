/* Where the time goes: of all workers together, a histogram for each stage of a batch. */
#ifndef CONSUMER_PARTITION_STAGE_TIMES_H
#define CONSUMER_PARTITION_STAGE_TIMES_H

#include "common/metrics/metrics.h"

enum stage {
    STAGE_READ,       /* taking messages from the client, when there were any */
    STAGE_DECODE,     /* and the seq rule, the checks against the index, compaction */
    STAGE_LETTERS,    /* until all dead letters of a batch were acknowledged */
    STAGE_WRITE,      /* of a frame */
    STAGE_SYNC,       /* its fsync */
    STAGE_LOCK,       /* until no query reads the engine */
    STAGE_APPLY,      /* to the engine: what queries wait for */
    STAGE_CHECKPOINT, /* copying the whole state, while nothing is read */
    STAGE_COMMIT,     /* until the worker sees the broker's answer */
    STAGES
};

struct stage_times {
    struct metrics_histogram cycle; /* a batch, from decoding to applied */
    struct metrics_histogram stages[STAGES];
};

#endif
