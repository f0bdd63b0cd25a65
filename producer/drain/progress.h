/* What all sessions of one run of the drain have done so far, and the error that the newest session
 * has yet to recover from. The drain's thread publishes it to the status.
 */
#ifndef PRODUCER_DRAIN_PROGRESS_H
#define PRODUCER_DRAIN_PROGRESS_H

#include "common/base/error.h"
#include "producer/drain/status.h"
#include "producer/sink/publisher.h"

struct progress {
    struct status *status; /* outlives it */
    struct status_progress shown;
    struct status_load load;
    struct status_refresh refresh;
    struct publisher_counts closed; /* by publishers that are destroyed */
    struct error failure;           /* code 0: none */
    uint64_t measured_rows;         /* shown.rows at measured_us */
    int64_t measured_us;            /* monotonic */
    uint64_t letters_to_warn;       /* dead letters since the last warning */
    int64_t letters_warned_us;      /* monotonic; 0: never */
};

void progress_init(struct progress *progress, struct status *status);

/* A session failed. Its error stays in the status until progress_recover(). */
void progress_fail(struct progress *progress, const struct error *err);
/* Everything that was sent is acknowledged. */
void progress_recover(struct progress *progress);

/* `count` dead letters were stored; `reason` is that of one of them. The log warns of them, at once
 * and then at most once a minute (F109). */
void progress_add_letters(struct progress *progress, uint64_t count, const char *reason);

/* An estimate, because ids have gaps and some rows were sent before rows with lower ids. */
int64_t progress_backlog_rows(int64_t max_row_id, int64_t last_row_id);

/* Takes the numbers of the current publisher, which replaces `broker_error` ("": none) in the
 * status. */
void progress_observe(struct progress *progress, const struct publisher_counts *counts,
                      uint64_t outstanding, const char *broker_error);
/* The current publisher, which had these counts, is destroyed. */
void progress_close_publisher(struct progress *progress, const struct publisher_counts *counts);

void progress_publish(struct progress *progress);

#endif
