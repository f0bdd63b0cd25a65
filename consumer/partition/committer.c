#include "consumer/partition/committer.h"

#include "common/base/check.h"
#include "consumer/partition/resume.h"

static int
committer_send(const struct committer *committer, int64_t replay, bool wait, struct error *err)
{
    const struct replica *replica = committer->replicas->served;
    const struct position *position = replica_durable_position(replica);
    struct feed *feed = committer->feed;
    char metadata[RESUME_METADATA_BYTES];
    int64_t offset = replica_durable_offset(replica);
    CHECK(offset >= 0 || wait); /* there is nothing to report */
    CHECK(offset <= replica_next_offset(replica));
    CHECK(sequence_is_consistent(&position->sequence));
    resume_describe(&position->sequence, replay, committer->data_dir_id, metadata);
    return feed->durable(feed, offset >= 0 ? offset : 0, &position->sequence, metadata, wait, err);
}

int
committer_report(const struct committer *committer, struct error *err)
{
    const struct replica_pair *replicas = committer->replicas;
    if (worker_control_is_lost(committer->control) || replica_durable_offset(replicas->served) < 0)
        return 0;
    return committer_send(committer, replica_pair_replay(replicas), false, err);
}

int
committer_commit(const struct committer *committer, int64_t replay, struct error *err)
{
    if (worker_control_is_lost(committer->control))
        return 0;
    return committer_send(committer, replay, true, err);
}
