#include "consumer/group/assignment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rwlock.h"
#include "common/base/shutdown.h"
#include "common/kafka/kafka_admin.h"
#include "consumer/group/feed_kafka.h"
#include "consumer/group/prefetch.h"

static const char *const area = "assignment";

struct assigned {
    struct worker *worker; /* NULL: not assigned */
    int64_t read;          /* how many times reading has begun (worker_ready) */
    bool is_lost;          /* the worker only serves, until the group answers again */
};

struct assignment {
    const struct config *config;
    const struct data_dir *data_dir;
    struct feed_source *source;        /* NULL: the group assigns the partitions */
    struct cursor_table *cursor_table; /* may be NULL */
    struct dump_registry *dumps;
    struct stage_times times;
    struct rendezvous *rendezvous;
    pthread_rwlock_t lock;           /* of what follows: the main thread writes, others read */
    struct kafka_consumer *consumer; /* NULL: not joined */
    struct assigned *partitions;     /* topic.partitions */
    struct error failure;            /* the first one inside a rebalance */
};

struct assignment *
assignment_create(const struct config *config, const struct data_dir *data_dir,
                  struct feed_source *source, struct cursor_table *cursor_table,
                  struct dump_registry *dumps)
{
    CHECK(dumps != NULL);
    CHECK(config->topic.partitions > 0);
    struct assignment *assignment = memory_zalloc(sizeof *assignment);
    assignment->config = config;
    assignment->data_dir = data_dir;
    assignment->source = source;
    assignment->cursor_table = cursor_table;
    assignment->dumps = dumps;
    assignment->partitions =
        memory_zalloc((size_t)config->topic.partitions * sizeof *assignment->partitions);
    assignment->rendezvous =
        rendezvous_create(config->topic.partitions, config->consumer.consistent_hold_ms);
    rwlock_init(&assignment->lock);
    return assignment;
}

void
assignment_destroy(struct assignment *assignment)
{
    CHECK(assignment->consumer == NULL);
    for (int32_t i = 0; i < assignment->config->topic.partitions; i++)
        CHECK(assignment->partitions[i].worker == NULL);
    rwlock_destroy(&assignment->lock);
    rendezvous_destroy(assignment->rendezvous);
    free(assignment->partitions);
    free(assignment);
}

/* A rebalance has no way to fail: an error in it ends the process. */
static void
assignment_fail(struct assignment *assignment, const struct error *err)
{
    CHECK(err->code != 0);
    if (assignment->failure.code == 0)
        assignment->failure = *err;
    shutdown_request();
}

static struct feed *
assignment_open_feed(struct assignment *assignment, int32_t partition)
{
    if (assignment->source != NULL)
        return assignment->source->open(assignment->source, partition);
    CHECK(assignment->consumer != NULL);
    const struct feed_kafka_options options = {
        .config = assignment->config,
        .consumer = assignment->consumer,
        .cursor_table = assignment->cursor_table,
        .commit_times = &assignment->times.stages[STAGE_COMMIT],
        .partition = partition,
    };
    return feed_kafka_create(&options);
}

static void
assignment_set(struct assignment *assignment, int32_t partition, struct worker *worker)
{
    struct assigned *assigned = &assignment->partitions[partition];
    CHECK(partition >= 0);
    CHECK(partition < assignment->config->topic.partitions);
    CHECK((worker == NULL) == (assigned->worker != NULL)); /* one owner after the other */
    rwlock_lock_write(&assignment->lock);
    *assigned = (struct assigned){.worker = worker};
    rwlock_unlock(&assignment->lock);
}

static void
assignment_start(struct assignment *assignment, int32_t partition)
{
    struct error err = {0};
    struct worker *worker = NULL;
    CHECK(partition >= 0);
    CHECK(assignment_worker(assignment, partition) == NULL);
    if (partition >= assignment->config->topic.partitions) {
        error_set(&err, ERR_USAGE,
                  "topic %s has a partition %d, more than topic.partitions: %d; a topic with more "
                  "partitions needs a new name and a load",
                  assignment->config->topic.name, partition, assignment->config->topic.partitions);
        assignment_fail(assignment, &err);
        return;
    }
    const struct worker_options options = {
        .config = assignment->config,
        .data_dir = assignment->data_dir,
        .feed = assignment_open_feed(assignment, partition),
        .times = &assignment->times,
        .dumps = assignment->dumps,
        .rendezvous = assignment->rendezvous,
        .partition = partition,
        .as_of_us = assignment->source != NULL ? assignment->source->as_of_us : 0,
    };
    if (worker_start(&options, &worker, &err) != 0)
        assignment_fail(assignment, &err);
    else
        assignment_set(assignment, partition, worker);
}

static void
assignment_stop(struct assignment *assignment, int32_t partition)
{
    struct error err = {0};
    struct worker *worker = assignment_worker(assignment, partition);
    if (worker == NULL)
        return;
    assignment_set(assignment, partition, NULL); /* no other thread uses the worker any more */
    if (worker_stop(worker, &err) != 0)
        assignment_fail(assignment, &err);
    dump_registry_own(assignment->dumps, partition, false);
}

/* It is known again which partitions this member owns. */
static void
assignment_notify_dumps(struct assignment *assignment)
{
    struct error err = {0};
    if (dump_registry_assigned(assignment->dumps, true, &err) != 0)
        assignment_fail(assignment, &err);
}

/* The registry is notified before the first of them starts, so that no dump is complete because a
 * partition is not owned yet. */
static void
assignment_own(struct assignment *assignment, const int32_t *partitions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (partitions[i] < assignment->config->topic.partitions)
            dump_registry_own(assignment->dumps, partitions[i], true);
}

/* Partitions that were lost until now are assigned again, here or to another member. */
static void
assignment_on_assigned(void *context, const int32_t *partitions, uint32_t count)
{
    struct assignment *assignment = context;
    CHECK(assignment->source == NULL); /* a stand-alone index has no group */
    for (int32_t i = 0; i < assignment->config->topic.partitions; i++)
        if (assignment->partitions[i].is_lost)
            assignment_stop(assignment, i);
    assignment_own(assignment, partitions, count);
    for (uint32_t i = 0; i < count; i++) {
        log_info(area, "partition %d: assigned", partitions[i]);
        assignment_start(assignment, partitions[i]);
    }
    assignment_notify_dumps(assignment);
}

/* An outage of the broker loses partitions as well, and queries must be answered meanwhile. */
static void
assignment_on_lost(struct assignment *assignment, const int32_t *partitions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = assignment_worker(assignment, partitions[i]);
        if (worker == NULL || assignment->partitions[partitions[i]].is_lost)
            continue;
        log_warn(area, "partition %d: lost", partitions[i]);
        worker_lose(worker);
        assignment->partitions[partitions[i]].is_lost = true;
    }
}

static void
assignment_on_revoked(void *context, const int32_t *partitions, uint32_t count, bool lost)
{
    struct assignment *assignment = context;
    CHECK(assignment->source == NULL);
    if (lost) {
        assignment_on_lost(assignment, partitions, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct worker *worker = assignment_worker(assignment, partitions[i]);
        if (worker == NULL)
            continue;
        log_info(area, "partition %d: revoked", partitions[i]);
        worker_request_stop(worker);
    }
    for (uint32_t i = 0; i < count; i++)
        assignment_stop(assignment, partitions[i]);
    if (assignment->consumer != NULL) /* else this member leaves the group */
        assignment_notify_dumps(assignment);
}

/* The member with the id of this data directory, if it has another address; "". */
static void
assignment_find_other(const struct assignment *assignment, char *out, size_t bytes)
{
    struct kafka_admin *admin;
    struct error ignored = {0};
    const struct config_consumer *consumer = &assignment->config->consumer;
    size_t own_bytes = strlen(consumer->advertise);
    out[0] = '\0';
    if (kafka_admin_create(&assignment->config->kafka, &admin, &ignored) != 0)
        return;
    kafka_admin_find_instance(admin, consumer->group, assignment->data_dir->id, out, bytes,
                              &ignored);
    kafka_admin_destroy(admin);
    if (strncmp(out, consumer->advertise, own_bytes) == 0 && out[own_bytes] == ' ')
        out[0] = '\0';
}

/* Before this member takes its place. */
static void
assignment_warn_of_other(const struct assignment *assignment)
{
    char other[256];
    CHECK(assignment->consumer == NULL);
    assignment_find_other(assignment, other, sizeof other);
    if (other[0] != '\0')
        log_warn(area,
                 "group %s has a member with the id of %s: %s. This one takes its place; if that "
                 "one runs, one data_dir is a copy of the other: stop one of them",
                 assignment->config->consumer.group, assignment->config->consumer.data_dir, other);
}

/* The id of the data directory is the member's static id, because the state of its partitions is
 * there: a process that is started again within the session timeout, also after a crash, gets its
 * partitions back at once. */
static int
assignment_create_consumer(struct assignment *assignment, const struct kafka_rebalance *rebalance,
                           struct kafka_consumer **consumer, struct error *err)
{
    CHECK(assignment->consumer == NULL);
    const struct config *config = assignment->config;
    const struct config_kafka_settings *configured = &config->kafka.common;
    struct prefetch prefetch;
    prefetch_fill(config, &prefetch);
    const struct config_kafka_setting ours[] = {
        {"group.instance.id", assignment->data_dir->id},
        {"session.timeout.ms", "10000"},
    };
    enum { OURS = sizeof ours / sizeof ours[0], BEFORE = OURS + PREFETCH_SETTINGS };
    struct config_kafka_setting *all = memory_alloc((BEFORE + configured->count) * sizeof *all);
    memcpy(all, ours, sizeof ours);
    memcpy(all + OURS, prefetch.settings, sizeof prefetch.settings);
    for (uint32_t i = 0; i < configured->count; i++)
        all[BEFORE + i] = configured->items[i]; /* a later setting wins */
    struct config_kafka kafka = config->kafka;
    kafka.common = (struct config_kafka_settings){all, BEFORE + configured->count};
    int rc = kafka_consumer_create(&kafka, config->consumer.group, config->topic.name,
                                   config->consumer.advertise, rebalance, consumer, err);
    free(all);
    return rc;
}

static int
assignment_start_all(struct assignment *assignment, struct error *err)
{
    for (int32_t i = 0; i < assignment->config->topic.partitions; i++)
        assignment_own(assignment, &i, 1);
    for (int32_t i = 0; i < assignment->config->topic.partitions; i++)
        assignment_start(assignment, i);
    assignment_notify_dumps(assignment);
    for (int32_t i = 0; i < assignment->config->topic.partitions; i++)
        CHECK(assignment->failure.code != 0 || assignment->partitions[i].worker != NULL);
    if (assignment->failure.code != 0)
        *err = assignment->failure;
    return assignment->failure.code;
}

int
assignment_join(struct assignment *assignment, struct error *err)
{
    CHECK(assignment->consumer == NULL);
    if (assignment->source != NULL)
        return assignment_start_all(assignment, err);
    const struct kafka_rebalance rebalance = {
        .assigned = assignment_on_assigned,
        .revoked = assignment_on_revoked,
        .context = assignment,
    };
    struct kafka_consumer *consumer;
    assignment_warn_of_other(assignment);
    int rc = assignment_create_consumer(assignment, &rebalance, &consumer, err);
    if (rc != 0)
        return rc;
    rwlock_lock_write(&assignment->lock);
    assignment->consumer = consumer;
    rwlock_unlock(&assignment->lock);
    return 0;
}

/* `is_again`: the partition is read at another offset already. */
static int
assignment_begin_reading(struct assignment *assignment, int32_t partition, int64_t offset,
                         bool is_again, struct error *err)
{
    CHECK(offset >= 0 || offset == KAFKA_OFFSET_BEGINNING);
    CHECK(!is_again || assignment->source == NULL); /* other sources have no replays */
    if (is_again)
        return kafka_consumer_move(assignment->consumer, partition, offset, err);
    if (assignment->source == NULL)
        return kafka_consumer_assign(assignment->consumer, &partition, &offset, 1, err);
    assignment->source->start(assignment->source, partition, offset);
    return 0;
}

/* Begins to read the partitions whose workers have become ready since the last call. */
static int
assignment_read_ready(struct assignment *assignment, struct error *err)
{
    int rc = 0;
    for (int32_t i = 0; rc == 0 && i < assignment->config->topic.partitions; i++) {
        struct assigned *assigned = &assignment->partitions[i];
        int64_t offset;
        CHECK(assigned->worker != NULL || (assigned->read == 0 && !assigned->is_lost));
        if (assigned->worker == NULL || assigned->is_lost)
            continue;
        int64_t ready = worker_ready(assigned->worker, &offset);
        if (ready == assigned->read)
            continue;
        rc = assignment_begin_reading(assignment, i, offset, assigned->read > 0, err);
        if (rc == 0)
            worker_begin_reading(assigned->worker, ready);
        assigned->read = rc == 0 ? ready : assigned->read;
    }
    return rc;
}

int
assignment_leave_group(struct assignment *assignment, struct error *err)
{
    int32_t count = assignment->config->topic.partitions;
    CHECK(assignment->source == NULL || assignment->consumer == NULL);
    if (dump_registry_assigned(assignment->dumps, false, err) != 0)
        assignment_fail(assignment, err);
    for (int32_t i = 0; i < count; i++)
        if (assignment->partitions[i].worker != NULL)
            worker_request_stop(assignment->partitions[i].worker);
    for (int32_t i = 0; i < count; i++) {
        assignment_stop(assignment, i);
        CHECK(assignment_worker(assignment, i) == NULL);
    }
    struct kafka_consumer *consumer = assignment->consumer;
    rwlock_lock_write(&assignment->lock);
    assignment->consumer = NULL;
    rwlock_unlock(&assignment->lock);
    kafka_consumer_destroy(consumer);
    if (assignment->failure.code != 0)
        *err = assignment->failure;
    return assignment->failure.code;
}

static int
assignment_join_again(struct assignment *assignment, struct error *err)
{
    CHECK(err->code == ERR_FATAL);
    log_warn(area, "%s; joining the group again", err->message);
    int rc = assignment_leave_group(assignment, err);
    return rc == 0 ? assignment_join(assignment, err) : rc;
}

/* Another process has the id of this data directory: it uses a copy. */
static int
assignment_explain_fence(const struct assignment *assignment, struct error *err)
{
    char other[256];
    const struct config_consumer *consumer = &assignment->config->consumer;
    assignment_find_other(assignment, other, sizeof other);
    return error_set(err, ERR_FATAL,
                     "another member of group %s has the id %s of %s, so one data_dir is a copy of "
                     "the other: %s. Stop one of them; a new member begins with an empty data_dir",
                     consumer->group, assignment->data_dir->id, consumer->data_dir,
                     other[0] != '\0' ? other : "the log of the other one names this one");
}

static int
assignment_poll_group(struct assignment *assignment, int wait_ms, struct error *err)
{
    CHECK(assignment->consumer != NULL);
    int rc = kafka_consumer_poll(assignment->consumer, wait_ms, err);
    if (rc == ERR_FATAL && kafka_consumer_may_join_again(assignment->consumer))
        rc = assignment_join_again(assignment, err);
    else if (rc == ERR_FATAL && kafka_consumer_is_fenced(assignment->consumer))
        rc = assignment_explain_fence(assignment, err);
    return rc;
}

int
assignment_poll(struct assignment *assignment, int wait_ms, struct error *err)
{
    CHECK(assignment->source != NULL || assignment->consumer != NULL);
    int rc = assignment_read_ready(assignment, err);
    if (rc != 0)
        return rc;
    if (assignment->source == NULL)
        return assignment_poll_group(assignment, wait_ms, err);
    clock_sleep_ms(wait_ms);
    return 0;
}

void
assignment_enter(struct assignment *assignment)
{
    rwlock_lock_read(&assignment->lock);
}

void
assignment_leave(struct assignment *assignment)
{
    rwlock_unlock(&assignment->lock);
}

struct worker *
assignment_worker(const struct assignment *assignment, int32_t partition)
{
    if (partition < 0 || partition >= assignment->config->topic.partitions)
        return NULL;
    return assignment->partitions[partition].worker;
}

void
assignment_broker_error(const struct assignment *assignment, char *out, size_t bytes)
{
    CHECK(bytes > 0);
    out[0] = '\0';
    if (assignment->consumer != NULL)
        kafka_consumer_last_error(assignment->consumer, out, bytes);
}

const struct feed_source *
assignment_source(const struct assignment *assignment)
{
    return assignment->source;
}

struct rendezvous *
assignment_rendezvous(struct assignment *assignment)
{
    return assignment->rendezvous;
}

const struct stage_times *
assignment_times(const struct assignment *assignment)
{
    return &assignment->times;
}

struct dump_registry *
assignment_dumps(const struct assignment *assignment)
{
    return assignment->dumps;
}

struct cursor_table *
assignment_cursor_table(const struct assignment *assignment)
{
    return assignment->cursor_table;
}
