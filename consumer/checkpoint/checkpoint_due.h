/* When the next checkpoint of a partition is due. Pure.
 *
 *     by size    the log has grown by `bytes`
 *     by time    `interval_us` have passed, and the log has grown by what makes a checkpoint worth
 *                its writing: an eighth of the last one, and CHECKPOINT_GROWTH_BYTES
 *
 * A start reads the checkpoint and applies that growth. An eighth takes about as long to apply as
 * the whole checkpoint to read, and checkpoints by time write at most eight times as much as the
 * log.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_DUE_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_DUE_H

#include <stdbool.h>
#include <stdint.h>

enum { CHECKPOINT_GROWTH_BYTES = 1 << 20 };

struct checkpoint_interval {
    int64_t bytes;
    int64_t interval_us; /* 0: not by time */
};

/* Since the last checkpoint, or the last attempt at one. */
struct checkpoint_growth {
    int64_t log_bytes;
    int64_t since_us;
    int64_t last_bytes; /* the size of the newest checkpoint; 0: no checkpoint yet */
};

bool checkpoint_is_due(const struct checkpoint_interval *interval,
                       const struct checkpoint_growth *growth);

#endif
