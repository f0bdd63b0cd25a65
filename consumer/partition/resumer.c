#include "consumer/partition/resumer.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "consumer/partition/resume.h"

static const char *const area = "worker";

/* The state is published as rebuilding while a checkpoint is loaded. */
static int
resumer_open_rebuilt(const struct resumer *resumer, struct error *err)
{
    worker_status_set_healthy(resumer->status);
    return replica_pair_open_rebuilt(resumer->replicas, err);
}

static int
resumer_continue_rebuild(const struct resumer *resumer, struct error *err)
{
    if (!replica_pair_is_interrupted(resumer->replicas))
        return 0;
    int rc = replica_pair_continue_rebuild(resumer->replicas, err);
    return rc == 0 ? resumer_open_rebuilt(resumer, err) : rc;
}

static int
resumer_begin_rebuild(const struct resumer *resumer, int64_t offset, struct error *err)
{
    int rc = replica_pair_begin_rebuild(resumer->replicas, offset, err);
    if (rc == 0)
        rc = resumer_open_rebuilt(resumer, err);
    if (rc != 0)
        return rc;
    CHECK(replica_next_offset(replica_pair_fed(resumer->replicas)) <= offset);
    return 0;
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
    int rc;
    while ((rc = committer_commit(resumer->committer, err)) == ERR_RETRY &&
           !worker_control_is_stopping(resumer->control))
        resumer->wait(resumer->context, err->message);
    return rc;
}

static struct resume_decision
resumer_decide(const struct resumer *resumer, int64_t committed, const struct buffer *metadata)
{
    const struct replica *replica = replica_pair_fed(resumer->replicas);
    const struct text text = {(const char *)metadata->data, metadata->bytes};
    const struct resume_state state = {
        .next_offset = replica_next_offset(replica),
        .replay = replica_position(replica)->replay,
        .data_dir_id = resumer->data_dir_id,
    };
    return resume_decide(&state, committed, text, clock_realtime_us() / US_PER_MS);
}

static void
resumer_log(const struct resumer *resumer, const struct resume_decision *decision,
            int64_t committed)
{
    int32_t partition = resumer->partition;
    int64_t held = replica_next_offset(replica_pair_fed(resumer->replicas));
    if (decision->lost_tail)
        log_warn(area,
                 "partition %d: the log ends at offset %" PRId64 ", before the committed offset "
                 "%" PRId64 ": its end was lost and is read from the topic again",
                 partition, held, committed);
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

/* Also after a reset that was followed before a crash and not acknowledged: the rebuilt log is
 * still empty. */
static bool
resumer_must_rebuild(const struct resumer *resumer, const struct resume_decision *decision)
{
    const struct replica_pair *replicas = resumer->replicas;
    if (decision->verdict == RESUME_REBUILD)
        return true;
    return decision->was_reset && replica_pair_is_rebuilding(replicas) &&
           replica_next_offset(replica_pair_fed(replicas)) < 0;
}

/* A seed may name a later reset than the decision, if the clock went back since. */
static void
resumer_set_replay(const struct resumer *resumer, int64_t replay)
{
    struct replica *replica = replica_pair_fed(resumer->replicas);
    int64_t held = replica_position(replica)->replay;
    replica_set_replay(replica, replay >= held ? replay : held + 1);
}

/* The loss is shown at once: nothing may follow that would publish it. */
static int
resumer_skip(const struct resumer *resumer, int64_t offset, struct error *err)
{
    int rc = replica_skip(replica_pair_fed(resumer->replicas), offset, err);
    if (rc == 0)
        worker_status_publish(resumer->status);
    return rc;
}

static int
resumer_follow(const struct resumer *resumer, const struct resume_decision *decision,
               int64_t committed, struct error *err)
{
    bool is_rebuild = resumer_must_rebuild(resumer, decision);
    int rc = 0;
    CHECK(!is_rebuild || decision->verdict != RESUME_SKIP);
    CHECK(!decision->was_reset || committed >= 0);
    resumer_log(resumer, decision, committed);
    if (decision->verdict == RESUME_SKIP)
        rc = resumer_skip(resumer, committed, err);
    else if (is_rebuild)
        rc = resumer_begin_rebuild(resumer, decision->was_reset ? committed : 0, err);
    if (rc != 0)
        return rc;
    CHECK(!is_rebuild || replica_pair_is_rebuilding(resumer->replicas));
    resumer_set_replay(resumer, decision->replay);
    if (decision->was_reset)
        rc = resumer_acknowledge(resumer, err);
    if (rc == 0 && is_rebuild && !worker_control_is_lost(resumer->control))
        rc = replica_pair_save_seed(resumer->replicas, err);
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
