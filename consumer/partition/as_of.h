/* The data of one partition for an index as of a moment of the source's clock, frozen beside a
 * consumer that may be running (frozen_files.h).
 *
 *     the topic has the moment    the newest checkpoint before the stop (as_of_search.h), the
 *                                 frames up to it, and the rest from the topic
 *     it has not, any more        the newest checkpoint and the frames that were surely before the
 *                                 moment (as_of_cut.h)
 *     nothing of it is here       the topic from its beginning
 *
 * The log that is served counts, during a rebuild too: wal.old then. In the view it is {path}/wal.
 *
 * Failure: a file that the owner removes meanwhile is noticed, and all begins again. One thread.
 */
#ifndef CONSUMER_PARTITION_AS_OF_H
#define CONSUMER_PARTITION_AS_OF_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "consumer/partition/as_of_search.h"
#include "consumer/partition/frozen_files.h"

/* What is asked for. All must outlive the call. */
struct as_of_wanted {
    const struct config *config;
    struct files *real;
    int32_t partition;
    int64_t low;                      /* the first offset that the topic has */
    const struct as_of_search *topic; /* the end of the search */
};

/* Where the partition is taken from. */
struct as_of_place {
    int64_t begin;    /* after what is frozen: reading begins here; -1: nothing is, read all */
    int64_t stop;     /* reading ends here */
    int64_t clock_us; /* of the last watermark before it */
    bool is_exact;    /* it is the last one that is not later than the moment */
};

/* Adds the files to `frozen`. ERR_USAGE: neither the topic nor a checkpoint reaches back to the
 * moment. ERR_RETRY: files keep vanishing. */
int as_of_freeze(const struct as_of_wanted *wanted, struct frozen_files *frozen,
                 struct as_of_place *place, struct error *err);

#endif
