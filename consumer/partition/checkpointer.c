#include "consumer/partition/checkpointer.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "consumer/checkpoint/checkpoint_copy.h"

enum { POLL_MS = 20, FULL_RETRY_S = 60 };

static const char *const area = "worker";

void
checkpointer_init(struct checkpointer *checkpointer, struct replica_pair *replicas,
                  struct worker_control *control, struct worker_status *status)
{
    CHECK(status->replicas == replicas);
    checkpointer->replicas = replicas;
    checkpointer->control = control;
    checkpointer->status = status;
    checkpointer->last = (struct shard_checkpoint){.answered = 0};
    checkpointer->is_active = false;
    checkpointer->full_us = 0;
    atomic_init(&checkpointer->requested, 0);
}

int64_t
checkpointer_request(struct checkpointer *checkpointer)
{
    return atomic_fetch_add(&checkpointer->requested, 1) + 1;
}

bool
checkpointer_has_request(const struct checkpointer *checkpointer, int64_t number)
{
    CHECK(number > 0);
    return number <= atomic_load(&checkpointer->requested);
}

static bool
checkpointer_is_requested(const struct checkpointer *checkpointer)
{
    int64_t requested = atomic_load(&checkpointer->requested);
    CHECK(checkpointer->last.answered >= 0);
    CHECK(checkpointer->last.answered <= requested);
    return requested > checkpointer->last.answered;
}

/* Publishes the outcome for the requests up to last.answered. */
static void
checkpointer_answer(struct checkpointer *checkpointer, const char *error)
{
    struct shard_checkpoint *last = &checkpointer->last;
    CHECK(last->answered >= checkpointer->status->shown.checkpoint.answered);
    last->offset = replica_checkpoint_offset(checkpointer->replicas->served);
    CHECK(last->offset <= replica_durable_offset(checkpointer->replicas->served));
    snprintf(last->error, sizeof last->error, "%s", error);
    checkpointer->status->shown.checkpoint = *last;
    worker_status_publish(checkpointer->status);
}

void
checkpointer_reject(struct checkpointer *checkpointer, const char *why)
{
    CHECK(why[0] != '\0');
    if (checkpointer->is_active || !checkpointer_is_requested(checkpointer))
        return;
    checkpointer->last.answered = atomic_load(&checkpointer->requested);
    checkpointer_answer(checkpointer, why);
}

static void
checkpointer_conclude(struct checkpointer *checkpointer, const struct error *failure)
{
    CHECK(checkpointer->is_active);
    checkpointer->is_active = false;
    if (failure->code != 0)
        log_warn(area, "partition %d: %s", checkpointer->status->partition, failure->message);
    checkpointer_answer(checkpointer, failure->message);
}

void
checkpointer_finish(struct checkpointer *checkpointer)
{
    struct replica *served = checkpointer->replicas->served;
    struct error failure = {0};
    if (!checkpointer->is_active)
        return;
    while (!replica_checkpoint_is_done(served)) {
        worker_control_heartbeat(checkpointer->control);
        clock_sleep_ms(POLL_MS);
    }
    int rc = replica_checkpoint_end(served, &failure);
    CHECK(rc == failure.code);
    checkpointer_conclude(checkpointer, &failure);
}

void
checkpointer_finish_if_done(struct checkpointer *checkpointer)
{
    if (replica_checkpoint_is_done(checkpointer->replicas->served))
        checkpointer_finish(checkpointer);
}

int
checkpointer_begin(struct checkpointer *checkpointer, struct error *err)
{
    struct replica *served = checkpointer->replicas->served;
    struct error failure = {0};
    int64_t begin_us = clock_monotonic_us();
    CHECK(!checkpointer->is_active);
    checkpointer->last.answered = atomic_load(&checkpointer->requested);
    int rc = replica_save(served, err);
    if (rc != 0)
        return rc;
    worker_status_publish(checkpointer->status);
    checkpointer->is_active = true;
    rc = replica_checkpoint_begin(served, &failure);
    checkpointer->last.pause_us = clock_monotonic_us() - begin_us;
    CHECK(rc == 0 || replica_checkpoint_is_done(served)); /* a failed checkpoint is over */
    if (rc != 0)
        checkpointer_conclude(checkpointer, &failure);
    return 0;
}

int
checkpointer_step(struct checkpointer *checkpointer, struct error *err)
{
    checkpointer_finish_if_done(checkpointer);
    bool is_wanted = checkpointer_is_requested(checkpointer) ||
                     replica_checkpoint_is_due(checkpointer->replicas->served);
    if (!is_wanted || checkpointer->is_active || checkpoint_copy_exists())
        return 0; /* another partition's copy does not take long */
    return checkpointer_begin(checkpointer, err);
}

int
checkpointer_step_full(struct checkpointer *checkpointer, struct error *err)
{
    const struct replica *served = checkpointer->replicas->served;
    int64_t now_us = clock_monotonic_us();
    int rc = checkpointer_step(checkpointer, err);
    if (rc != 0 || checkpointer->is_active || checkpoint_copy_exists())
        return rc;
    if (replica_durable_offset(served) <= replica_checkpoint_offset(served))
        return 0; /* another one would be the same */
    if (checkpointer->full_us != 0 &&
        now_us - checkpointer->full_us < (int64_t)FULL_RETRY_S * US_PER_S)
        return 0;
    checkpointer->full_us = now_us;
    log_info(area, "partition %d: the log is full: a checkpoint is taken to shorten it",
             checkpointer->status->partition);
    return checkpointer_begin(checkpointer, err);
}
