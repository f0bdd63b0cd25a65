#include "consumer/api/query_wait.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/rendezvous.h"
#include "consumer/partition/shard.h"

/* A partition may leave this process, which is no change of a rendezvous. */
enum { RECHECK_US = 100 * US_PER_MS, SNAPSHOT_SHOWN = 120 };

bool
query_wait_begin(struct api_context *api)
{
    int limit = atomic_load(&api->limits.waiting_queries);
    if (atomic_fetch_add(&api->waiting_queries, 1) < limit)
        return true;
    query_wait_end(api);
    return false;
}

void
query_wait_end(struct api_context *api)
{
    int before = atomic_fetch_sub(&api->waiting_queries, 1);
    CHECK(before > 0);
}

bool *
query_wait_partitions(struct api_context *api)
{
    int32_t partitions = api->config->topic.partitions;
    bool *has = memory_zalloc((size_t)partitions * sizeof *has);
    CHECK(partitions > 0);
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < partitions; i++)
        has[i] = assignment_worker(api->assignment, i) != NULL;
    assignment_leave(api->assignment);
    return has;
}

/* Whether the shard sees the transaction, and what it sees. */
struct seen {
    uint64_t xid;
    bool sees;
    char snapshot[SNAPSHOT_SHOWN + 1];
};

static void
seen_read(void *context, const struct proof *proof)
{
    struct seen *seen = context;
    seen->sees = proof_sees(proof, seen->xid);
    if (!seen->sees)
        snprintf(seen->snapshot, sizeof seen->snapshot, "%s", (const char *)proof->snapshot.data);
}

/* -1: all shards see it; else the first partition that does not. */
static int32_t
wait_find_unseen(struct api_context *api, struct seen *seen)
{
    int32_t unseen = -1;
    assignment_enter(api->assignment);
    for (int32_t i = 0; unseen < 0 && i < api->config->topic.partitions; i++) {
        struct worker *worker = assignment_worker(api->assignment, i);
        if (worker == NULL)
            continue;
        shard_read_proof(worker_shard(worker), seen_read, seen);
        if (!seen->sees)
            unseen = i;
    }
    assignment_leave(api->assignment);
    return unseen;
}

static int
wait_describe(const struct seen *seen, int32_t partition, struct error *err)
{
    if (seen->snapshot[0] == '\0')
        return error_set(err, ERR_RETRY, "partition %" PRId32 " has proved no snapshot yet",
                         partition);
    return error_set(err, ERR_RETRY,
                     "partition %" PRId32 " does not hold transaction %" PRIu64
                     " yet; its snapshot is %s",
                     partition, seen->xid, seen->snapshot);
}

int
query_wait_for_xid(struct api_context *api, uint64_t xid, int64_t until_us, struct error *err)
{
    struct rendezvous *rendezvous = assignment_rendezvous(api->assignment);
    struct seen seen = {.xid = xid};
    int rc = 0;
    CHECK(xid > 0);
    rendezvous_watch_begin(rendezvous);
    for (;;) {
        uint64_t changes = rendezvous_changes(rendezvous);
        int32_t unseen = wait_find_unseen(api, &seen);
        int64_t now_us = clock_monotonic_us();
        if (unseen >= 0 && now_us >= until_us)
            rc = wait_describe(&seen, unseen, err);
        if (unseen < 0 || rc != 0)
            break;
        int64_t recheck_us = now_us + RECHECK_US;
        rendezvous_await_change(rendezvous, changes, recheck_us < until_us ? recheck_us : until_us);
    }
    rendezvous_watch_end(rendezvous);
    return rc;
}
