/* Rebuilds a partition beside the replica that serves (replica_pair.h): reads the topic a second
 * time into the rebuilt replica, and finds out by the rules of replay.h when that may serve. The
 * worker takes turns: a batch for the served replica, a batch for the rebuilt one.
 *
 * What keeps a replay from going on is in the published status, and so is why it ended.
 *
 * One thread, the worker's.
 */
#ifndef CONSUMER_PARTITION_REBUILDER_H
#define CONSUMER_PARTITION_REBUILDER_H

#include "consumer/partition/committer.h"
#include "consumer/partition/feed.h"
#include "consumer/partition/intake.h"
#include "consumer/partition/replay.h"
#include "consumer/partition/replica_pair.h"
#include "consumer/partition/worker_status.h"

/* All pointers must outlive it. */
struct rebuilder_options {
    struct feed *feed;
    struct replica_pair *replicas;
    const struct committer *committer;
    struct worker_status *status;
    struct intake_options intake; /* of the rebuilt replica */
};

struct rebuilder {
    struct rebuilder_options options;
    struct feed_reader *reader; /* NULL: the topic is not being read a second time */
    struct intake intake;       /* used while there is a reader */
    int64_t opened_us;          /* when a reader was opened last, or could not be */
    bool is_idle;               /* the last read found nothing */
    bool is_lost;               /* the topic does not have the next offset */
    struct error stuck;         /* why it cannot read on for now; code 0: it can */
};

void rebuilder_init(struct rebuilder *rebuilder, const struct rebuilder_options *options);
/* Also of zeros. */
void rebuilder_free(struct rebuilder *rebuilder);

/* Begins a rebuild from `offset`, which is before the serving position; see
 * replica_pair_begin_rebuild(). `*unanswered` has a code if the group has not acknowledged it: then
 * a crash takes it back. */
int rebuilder_begin(struct rebuilder *rebuilder, int64_t offset, bool accepts_loss,
                    struct error *unanswered, struct error *err);

/* Reads once or takes one batch, and decides. `is_close`: as the step before decided. */
int rebuilder_step(struct rebuilder *rebuilder, bool is_close, enum replay_step *step,
                   struct error *err);
/* Has it found messages lately? Then the worker need not pause. */
bool rebuilder_is_busy(const struct rebuilder *rebuilder);

/* Gives the rebuild up, which the group acknowledges before. ERR_RETRY: it does not answer, and the
 * rebuild continues. */
int rebuilder_end(struct rebuilder *rebuilder, struct error *err);
/* Serves the rebuilt replica. No checkpoint of the served one may be under way. */
int rebuilder_swap(struct rebuilder *rebuilder, struct error *err);
/* Before the worker ends. */
int rebuilder_save(struct rebuilder *rebuilder, struct error *err);

#endif
