#include "common/config/config_invariants.h"

#include <stddef.h>

#include "common/base/check.h"

static void
check_kafka(const struct config *config)
{
    CHECK(config->kafka.present || config->kafka.common.count == 0);
    CHECK(!config->kafka.present || config->topic.name != NULL);
}

static void
check_topic(const struct config_topic *topic)
{
    CHECK(topic->partitions > 0);
    CHECK(topic->partitions <= CONFIG_PARTITIONS_MAX);
    CHECK(topic->replication_factor > 0);
    CHECK(topic->retention_hours > 0);
    CHECK(topic->max_slots > 0);
}

static void
check_producer(const struct config_producer *producer)
{
    CHECK(producer->name != NULL);
    CHECK(producer->listen != NULL);
    CHECK(producer->poll_interval_ms > 0);
    CHECK(producer->watch_interval_ms > 0);
    CHECK(producer->guard_interval_ms > 0);
    CHECK(producer->mark_interval_ms > 0);
    CHECK(producer->chunk_rows > 0);
    CHECK(producer->row_bytes > 0);
    CHECK(producer->row_bytes <= producer->chunk_bytes);
    CHECK(producer->load.share >= 0 && producer->load.share <= 1);
    CHECK(producer->load.connections > 0);
    CHECK(producer->patrol.share >= 0 && producer->patrol.share <= 1);
}

static void
check_consumer(const struct config_consumer *consumer)
{
    CHECK(consumer->group != NULL);
    CHECK(consumer->listen != NULL);
    CHECK(consumer->advertise != NULL);
    CHECK(consumer->batch_rows > 0);
    CHECK(consumer->batch_bytes > 0);
    CHECK(consumer->prefetch_bytes > 0);
    CHECK(consumer->wal_segment_bytes > 0);
    CHECK(consumer->wal_segment_bytes <= consumer->wal_limit_bytes);
    CHECK(consumer->body_bytes <= consumer->bodies_bytes);
    CHECK(consumer->checkpoint_bytes > 0);
    CHECK(consumer->http_threads > 0);
    CHECK(consumer->posts_max > 0);
}

static void
check_links(const struct config_trigger *trigger)
{
    CHECK(trigger->link_count <= CONFIG_LINKS_MAX);
    for (uint32_t i = 0; i < trigger->link_count; i++) {
        const struct config_link *link = &trigger->links[i];
        CHECK(link->table != NULL);
        CHECK(link->foreign_key != NULL);
        CHECK((link->slot != NULL) == (i + 1 == trigger->link_count));
    }
}

static void
check_trigger(const struct config_trigger *trigger)
{
    CHECK(trigger->table != NULL);
    switch (trigger->kind) {
    case TRIGGER_DIRECT:
        CHECK(trigger->slot_field != NULL);
        break;
    case TRIGGER_JOIN:
        CHECK(trigger->slot_field != NULL);
        CHECK(trigger->field != NULL);
        CHECK(trigger->value_field != NULL);
        break;
    case TRIGGER_FAN_OUT:
        CHECK(trigger->query != NULL);
        break;
    case TRIGGER_FAN_OUT_PER_ROW:
        CHECK(trigger->link_count > 0);
        break;
    default:
        CHECK(false);
    }
    check_links(trigger);
    for (uint32_t i = 0; i < trigger->track_field_count; i++) {
        const struct config_tracked_field *field = &trigger->track_fields[i];
        CHECK(field->target != NULL);
        CHECK(field->column != NULL || field->expression != NULL);
    }
}

static void
check_index(const struct config_index *index)
{
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        CHECK(index->filter_fields[i].name != NULL);
    for (uint32_t i = 0; i < index->sort_field_count; i++) {
        const struct config_sort_field *field = &index->sort_fields[i];
        CHECK(field->name != NULL);
        CHECK(field->bits >= 1 && field->bits <= 63);
        CHECK((field->computed_op == COMPUTED_NONE) == (field->source_field_count == 0));
    }
}

void
config_invariants_check(const struct config *config, enum config_program program)
{
    CHECK(config->path != NULL);
    CHECK(config->index != NULL);
    CHECK(program != CONFIG_PRODUCER || config->postgres != NULL);
    CHECK(program != CONFIG_PRODUCER || config->kafka.present);
    CHECK(program != CONFIG_CONSUMER || config->consumer.data_dir != NULL);
    check_kafka(config);
    check_topic(&config->topic);
    check_producer(&config->producer);
    check_consumer(&config->consumer);
    check_index(&config->index_config);
    for (uint32_t i = 0; i < config->trigger_count; i++)
        check_trigger(&config->triggers[i]);
}
