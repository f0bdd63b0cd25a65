/* Where a log ends for a moment of the source's clock, when the topic does not show it. A frame may
 * hold events of a window that ends after the moment, and the log has no watermarks. So a position
 * counts if it is directly after a watermark, or if a later position, still not later than the
 * moment, has seen another watermark: then the window that the first one is in has ended by then.
 * Pure.
 */
#ifndef CONSUMER_PARTITION_AS_OF_CUT_H
#define CONSUMER_PARTITION_AS_OF_CUT_H

#include "consumer/partition/sequence.h"

struct as_of_cut {
    int64_t time_us;
    int64_t offset;   /* where the log ends; -1: no position counts */
    int64_t clock_us; /* of the last watermark before it */
    /* The last position that was taken, and may not count: */
    int64_t last_offset;
    int64_t last_us;
};

void as_of_cut_begin(struct as_of_cut *cut, int64_t time_us);
/* The positions of a checkpoint and of the frames after it, in order. False: this one is later than
 * the moment, and none of the following is of interest. */
bool as_of_cut_take(struct as_of_cut *cut, int64_t offset, const struct sequence *sequence);

#endif
