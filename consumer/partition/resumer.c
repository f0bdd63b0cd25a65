#include "consumer/partition/resumer.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "consumer/partition/resume.h"

static const char *const area = "worker";

/* The state is published while a checkpoint is loaded. */
static int
resumer_continue_rebuild(const struct resumer *resumer, struct error *err)
{
    worker_status_set_healthy(resumer->status);
    if (!replica_pair_is_interrupted(resumer->replicas))
        return 0;
    int rc = replica_pair_continue_rebuild(resumer->replicas, err);
    if (rc == 0)
        worker_status_set_healthy(resumer->status);
    return rc;
}

/* ERR_RETRY only when the worker was asked to stop. */
static int
resumer_read_committed(const struct resumer *resumer, int64_t *offset, struct buffer *metadata,
                       struct error *err)
{
    struct feed *feed = resumer->feed;
    int rc;
    while ((rc = feed->committed(feed, offset, metadata, err)) == ERR_RETRY &&
           !worker_control_is_stopping(resumer->control))
        resumer->wait(resumer->context, err->message);
    CHECK(rc != 0 || *offset >= -1);
    return rc;
}

/* The same. */
static int
resumer_acknowledge(const struct resumer *resumer, struct error *err)
{
    int64_t replay = replica_pair_replay(resumer->replicas);
    int rc;
    while ((rc = committer_commit(resumer->committer, replay, err)) == ERR_RETRY &&
           !worker_control_is_stopping(resumer->control))
        resumer->wait(resumer->context, err->message);
    return rc;
}

static struct resume_decision
resumer_decide(const struct resumer *resumer, int64_t committed, const struct buffer *metadata)
{
    const struct replica *served = resumer->replicas->served;
    const struct replica *rebuilt = resumer->replicas->rebuilt;
    const struct text text = {(const char *)metadata->data, metadata->bytes};
    const struct resume_state state = {
        .next_offset = replica_next_offset(served),
        .replay = replica_position(served)->replay,
        .is_rebuilding = rebuilt != NULL,
        .rebuilt_replay = rebuilt != NULL ? replica_position(rebuilt)->replay : 0,
        .data_dir_id = resumer->data_dir_id,
    };
    return resume_decide(&state, committed, text, clock_realtime_us() / US_PER_MS);
}

static void
resumer_log(const struct resumer *resumer, const struct resume_decision *decision,
            int64_t committed)
{
    int32_t partition = resumer->partition;
    int64_t held = replica_next_offset(resumer->replicas->served);
    if (decision->lost_tail)
        log_warn(area,
                 "partition %d: the log ends at offset %" PRId64 ", before the committed offset "
                 "%" PRId64 ": its end was lost and is read from the topic again",
                 partition, held, committed);
    if (decision->gives_up)
        log_warn(area, "partition %d: the rebuild at offset %" PRId64 " is given up: %s", partition,
                 replica_next_offset(resumer->replicas->rebuilt),
                 decision->verdict == RESUME_REBUILD ? "another one begins"
                                                     : "its reset was taken back");
    if (decision->verdict == RESUME_REBUILD)
        log_warn(area, "partition %d: %s: a rebuild begins beside the replica at offset %" PRId64,
                 partition,
                 decision->was_reset ? "its offset was reset to an earlier one"
                                     : "its replica is older than a reset of its offset",
                 held);
    if (decision->verdict == RESUME_SKIP)
        log_warn(area,
                 "partition %d: its offset was reset from %" PRId64 " to %" PRId64
                 ": the messages between are skipped",
                 partition, held, committed);
}

/* The loss is shown at once: nothing may follow that would publish it. */
static int
resumer_skip(const struct resumer *resumer, int64_t offset, struct error *err)
{
    int rc = replica_skip(resumer->replicas->served, offset, err);
    if (rc == 0)
        worker_status_publish(resumer->status);
    return rc;
}

/* Gives a rebuild up and begins another one, as decided. */
static int
resumer_rebuild(const struct resumer *resumer, const struct resume_decision *decision,
                int64_t offset, struct error *err)
{
    struct replica_pair *replicas = resumer->replicas;
    int rc = decision->gives_up ? replica_pair_end_rebuild(replicas, err) : 0;
    if (rc == 0 && decision->verdict == RESUME_REBUILD)
        rc = replica_pair_begin_rebuild(replicas, offset, decision->replay, err);
    if (rc != 0)
        return rc;
    worker_status_set_healthy(resumer->status);
    worker_status_publish(resumer->status);
    return 0;
}

static int
resumer_follow(const struct resumer *resumer, const struct resume_decision *decision,
               int64_t committed, struct error *err)
{
    struct replica_pair *replicas = resumer->replicas;
    bool is_rebuild = decision->verdict == RESUME_REBUILD;
    CHECK(!decision->was_reset || committed >= 0);
    resumer_log(resumer, decision, committed);
    int rc = resumer_rebuild(resumer, decision, decision->was_reset ? committed : 0, err);
    if (rc == 0 && !is_rebuild)
        replica_set_replay(replicas->served, decision->replay);
    if (rc == 0 && decision->verdict == RESUME_SKIP)
        rc = resumer_skip(resumer, committed, err);
    if (rc == 0 && decision->was_reset)
        rc = resumer_acknowledge(resumer, err);
    if (rc == 0 && is_rebuild && !worker_control_is_lost(resumer->control))
        rc = replica_pair_save_seed(replicas, err);
    return rc;
}

int
resumer_run(const struct resumer *resumer, struct error *err)
{
    struct buffer metadata;
    int64_t committed;
    buffer_init(&metadata);
    int rc = resumer_continue_rebuild(resumer, err);
    if (rc == 0)
        rc = resumer_read_committed(resumer, &committed, &metadata, err);
    if (rc == 0) {
        const struct resume_decision decision = resumer_decide(resumer, committed, &metadata);
        rc = resumer_follow(resumer, &decision, committed, err);
    }
    buffer_free(&metadata);
    if (rc != 0)
        return rc;
    CHECK(!replica_pair_is_interrupted(resumer->replicas));
    worker_status_set_healthy(resumer->status);
    return 0;
}
