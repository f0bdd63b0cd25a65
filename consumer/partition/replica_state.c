#include "consumer/partition/replica_state.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/partition/comparison.h"

/* How long queries wait at most for the next part of a chunk or pass, if the parts are short. */
enum { LOCKED_US = 3 * US_PER_MS };

int
replica_create_engine(const struct replica_options *options, const struct recorded_config *recorded,
                      struct engine **engine, struct error *err)
{
    const struct engine_options engine_options = {
        .index = recorded != NULL ? &recorded->config.index_config : &options->config->index_config,
        .partition = options->partition,
        .partitions = options->config->topic.partitions,
        .max_slots = options->config->topic.max_slots,
    };
    return engine_create(&engine_options, engine, err);
}

struct checkpoint_place
replica_place(const struct replica *replica, const char *directory)
{
    const struct text identity = {(const char *)replica->identity.data, replica->identity.bytes};
    return (struct checkpoint_place){replica->options.files, directory, identity};
}

struct engine *
replica_write_begin(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_write_begin(replica->shard);
    replica->locked_us = clock_monotonic_us();
    return replica->engine;
}

void
replica_write_end(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_write_end(replica->shard);
}

void
replica_yield(void *context)
{
    struct replica *replica = context;
    worker_control_heartbeat(replica->options.control);
    if (replica->shard == NULL || clock_monotonic_us() - replica->locked_us < LOCKED_US)
        return;
    replica_write_end(replica);
    replica_write_begin(replica);
}

const struct config_fields *
replica_fields(const struct replica *replica)
{
    return replica->recorded != NULL ? &replica->recorded->fields : &replica->fields;
}

static void
replica_heartbeat(void *context)
{
    const struct replica *replica = context;
    worker_control_heartbeat(replica->options.control);
}

/* --- verdicts -------------------------------------------------------------------------------- */

void
replica_verdicts_begin(struct replica *replica)
{
    if (replica->shard != NULL)
        shard_verdicts_begin(replica->shard);
}

void
replica_verdicts_end(struct replica *replica)
{
    verdicts_summarise(&replica->verdicts, &replica->summary);
    if (replica->shard != NULL)
        shard_verdicts_end(replica->shard);
}

void
replica_compare(void *context, const struct event *event)
{
    struct replica *replica = context;
    struct comparison comparison;
    const struct engine_yield yield = {replica_heartbeat, replica};
    const struct comparison_place place = {
        .engine = replica->engine,
        .fields = replica_fields(replica),
        .sequence = &replica->position.sequence,
        .yield = &yield,
    };
    comparison_make(&place, &replica->verdicts, event, &comparison);
    if (event->kind == EVENT_SUM)
        atomic_fetch_add(&replica->options.times->sums, 1);
    else
        atomic_fetch_add(&replica->options.times->differences, comparison.check.total);
    replica_verdicts_begin(replica);
    comparison_store(&comparison, &replica->verdicts);
    replica_verdicts_end(replica);
}

void
replica_check(const struct replica *replica)
{
    int64_t durable = position_order_offset(&replica->order, POSITION_DURABLE);
    CHECK(wal_durable_offset(replica->wal) == durable);
    CHECK(position_order_offset(&replica->order, POSITION_APPLIED) == durable);
    CHECK(durable <= replica->next_offset);
    CHECK((replica->unsaved_offset < 0) == (durable == replica->next_offset));
    CHECK(replica->unsaved_offset < 0 || replica->unsaved_offset >= durable);
    CHECK(replica->unsaved_offset >= 0 || unanswered_changes_are_none(&replica->changes));
    CHECK(replica->position.sequence.unanswered == unanswered_count(replica->record));
}

void
replica_hold(void *context, uint32_t slot, bool is_held)
{
    engine_hold(context, slot, is_held);
}

void
replica_observe(struct replica *replica, enum stage stage, int64_t *since_us)
{
    int64_t now_us = clock_monotonic_us();
    metrics_observe_us(&replica->options.times->stages[stage], now_us - *since_us);
    *since_us = now_us;
}
