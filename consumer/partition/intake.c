#include "consumer/partition/intake.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum { LONG_WAIT_US = 2 * US_PER_S, RETRY_MS = 100 };

void
intake_init(struct intake *intake, const struct intake_options *options, struct replica *replica)
{
    CHECK(options->codec != NULL);
    CHECK(options->wait != NULL);
    *intake = (struct intake){.options = *options, .replica = replica};
    intake->read = memory_zalloc(sizeof *intake->read);
    const struct batch_context context = {
        .config = options->config,
        .partition = options->partition,
        .engine = replica_engine(replica),
        .codec = options->codec,
    };
    batch_init(&intake->batch, &context);
}

void
intake_free(struct intake *intake)
{
    if (intake->read == NULL)
        return;
    kafka_batch_release(intake->read);
    free(intake->read);
    batch_free(&intake->batch);
    intake->read = NULL;
}

/* Drops the records that the replica has gone beyond. */
static void
intake_skip(struct intake *intake)
{
    const struct kafka_batch *read = intake->read;
    int64_t offset = replica_next_offset(intake->replica);
    while (intake->next < read->count && read->records[intake->next].offset < offset)
        intake->next++;
}

void
intake_begin(struct intake *intake)
{
    CHECK(intake->read->count <= KAFKA_BATCH_RECORDS_MAX);
    intake->next = 0;
    intake_skip(intake);
}

void
intake_feed(struct intake *intake, struct replica *replica)
{
    CHECK(replica != NULL);
    intake->replica = replica;
    intake->batch.context.engine = replica_engine(replica);
    intake_skip(intake);
}

void
intake_drop(struct intake *intake)
{
    kafka_batch_release(intake->read);
    intake->next = 0;
}

bool
intake_has_records(const struct intake *intake)
{
    CHECK(intake->next <= intake->read->count);
    return intake->next < intake->read->count;
}

static void
intake_observe(struct intake *intake, enum stage stage, int64_t begin_us)
{
    metrics_observe_us(&intake->options.times->stages[stage], clock_monotonic_us() - begin_us);
}

/* Waits until the batch's dead letters are acknowledged. False: asked to stop before that. */
static bool
intake_deliver(struct intake *intake)
{
    const struct intake_options *options = &intake->options;
    const struct dead_letter_list *dead_letters = &intake->batch.dead_letters;
    if (options->is_as_of) /* they were delivered when they were new */
        return true;
    /* A stand-alone index has no such topic: POST /ops refuses what cannot be applied. */
    CHECK(dead_letters->count == 0 || options->dead_letter_topic != NULL);
    int64_t begin_us = clock_monotonic_us();
    struct error err = {0};
    while (dead_letters->count > 0 &&
           dead_letter_topic_deliver(options->dead_letter_topic, dead_letters, RETRY_MS, &err) !=
               0) {
        if (worker_control_is_stopping(options->control))
            return false;
        bool is_long = clock_monotonic_us() - begin_us > LONG_WAIT_US;
        options->wait(options->context, is_long ? err.message : "");
    }
    if (dead_letters->count > 0)
        intake_observe(intake, STAGE_DEAD_LETTERS, begin_us);
    return true;
}

/* Before the batch is durable: a mark that is registered and lost in a crash is read again. */
static int
intake_mark_dumps(struct intake *intake, struct error *err)
{
    const struct intake_options *options = &intake->options;
    const struct batch *batch = &intake->batch;
    CHECK(batch->is_closed);
    if (options->dumps == NULL || batch->job_count == 0)
        return 0;
    return dump_registry_mark(options->dumps, options->partition, batch->jobs, batch->job_count,
                              err);
}

/* From dead letters to applied. */
static int
intake_finish_batch(struct intake *intake, struct error *err)
{
    const struct intake_options *options = &intake->options;
    CHECK(intake->batch.context.engine == replica_engine(intake->replica));
    if (!intake_deliver(intake))
        return 0;
    int rc = intake_mark_dumps(intake, err);
    if (rc == 0 && options->applying != NULL)
        options->applying(options->context, &intake->batch);
    if (rc == 0)
        rc = replica_advance(intake->replica, &intake->batch, err);
    if (rc == 0 && options->applied != NULL)
        options->applied(options->context, &intake->batch);
    return rc;
}

/* While a query wants one tick of all partitions, a batch ends at each proof. */
static bool
intake_is_over(const struct intake *intake)
{
    const struct rendezvous *rendezvous = intake->options.rendezvous;
    return batch_full(&intake->batch) || (rendezvous != NULL && batch_at_proof(&intake->batch) &&
                                          rendezvous_is_wanted(rendezvous));
}

int
intake_take(struct intake *intake, struct error *stuck, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    struct batch *batch = &intake->batch;
    uint32_t first = intake->next;
    CHECK(intake_has_records(intake));
    stuck->code = 0;
    batch_begin(batch, &replica_position(intake->replica)->sequence,
                replica_record(intake->replica));
    batch_set_proof(batch, replica_proof(intake->replica));
    int rc = intake->is_other_topic ? batch_change_topic(batch, stuck) : 0;
    while (rc == 0 && intake_has_records(intake) && !intake_is_over(intake)) {
        rc = batch_add(batch, &intake->read->records[intake->next], stuck);
        intake->next += rc == 0;
    }
    if (rc != 0 && batch->counts.records == 0)
        return 0;
    stuck->code = 0; /* the next call meets it again */
    CHECK(batch->counts.records > 0);
    CHECK(batch->counts.records == intake->next - first);
    batch_close(batch);
    intake_observe(intake, STAGE_DECODE, begin_us);
    rc = intake_finish_batch(intake, err);
    metrics_observe_us(&intake->options.times->cycle, clock_monotonic_us() - begin_us);
    return rc;
}
