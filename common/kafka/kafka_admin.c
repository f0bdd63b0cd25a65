/* The client is a consumer without a group. Unlike those of a producer, its requests for metadata
 * never make a broker create a topic. */
#include "common/kafka/kafka_admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_conf.h"
#include "common/kafka/kafka_error.h"
#include "common/kafka/kafka_group_offsets.h"

enum {
    LEADER_POLL_MS = 50,
    LEADERS_WAIT_MS = 60000, /* for all partitions of a new topic, in a cluster that is busy */
};

struct kafka_admin {
    const struct config_kafka *config;
    rd_kafka_t *client;
    rd_kafka_queue_t *replies;
    struct kafka_group_offsets *offsets; /* created by the first request */
    int request_ms;                      /* the limit of a request */
};

int
kafka_admin_create(const struct config_kafka *config, struct kafka_admin **admin, struct error *err)
{
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    int rc = kafka_conf_create(config, KAFKA_ADMIN, &conf, err);
    if (rc == 0)
        rc = kafka_client_create(RD_KAFKA_CONSUMER, conf, &client, err);
    if (rc != 0)
        return rc;
    struct kafka_admin *new_admin = memory_zalloc(sizeof *new_admin);
    new_admin->config = config;
    new_admin->client = client;
    new_admin->request_ms = KAFKA_REQUEST_MS;
    new_admin->replies = rd_kafka_queue_new(client);
    CHECK(new_admin->replies != NULL);
    *admin = new_admin;
    return 0;
}

void
kafka_admin_destroy(struct kafka_admin *admin)
{
    if (admin == NULL)
        return;
    kafka_group_offsets_destroy(admin->offsets);
    rd_kafka_queue_destroy(admin->replies);
    rd_kafka_destroy(admin->client);
    free(admin);
}

void
kafka_admin_limit_requests(struct kafka_admin *admin, int ms)
{
    CHECK(ms > 0 && ms <= KAFKA_REQUEST_MS);
    admin->request_ms = ms;
}

/* Sets `exists` and `partitions` of `out`, and `leaders` to the number of partitions with a leader.
 * */
static int
admin_read_partitions(struct kafka_admin *admin, const char *topic, struct kafka_topic *out,
                      int32_t *leaders, struct error *err)
{
    const struct rd_kafka_metadata *metadata;
    CHECK(topic != NULL);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(admin->client, topic, NULL);
    if (handle == NULL)
        return error_set(err, ERR_USAGE, "kafka: invalid topic name \"%s\"", topic);
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(admin->client, 0, handle, &metadata, admin->request_ms);
    rd_kafka_topic_destroy(handle);
    if (code != 0)
        return kafka_error_set(err, code, "could not read the topic's partitions");
    if (metadata->topic_cnt != 1) {
        rd_kafka_metadata_destroy(metadata);
        return kafka_error_set(err, RD_KAFKA_RESP_ERR__BAD_MSG,
                               "could not read the topic's partitions");
    }
    const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
    code = found->err;
    *leaders = 0;
    out->exists = code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    out->partitions = found->partition_cnt;
    for (int i = 0; i < found->partition_cnt; i++) {
        if (found->partitions[i].leader >= 0)
            ++*leaders;
        if (i == 0 || found->partitions[i].replica_cnt < out->replication)
            out->replication = found->partitions[i].replica_cnt;
    }
    CHECK(*leaders <= out->partitions);
    rd_kafka_metadata_destroy(metadata);
    if (code != 0 && out->exists && code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
        return kafka_error_set(err, code, "could not read the topic's partitions");
    return 0;
}

/* Brokers hide the values of some settings: `value` is NULL then. */
static void
topic_fill_setting(struct kafka_topic *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (strcmp(name, "cleanup.policy") == 0)
        out->cleanup_delete = strcmp(value, "delete") == 0;
    else if (strcmp(name, "message.timestamp.type") == 0)
        out->log_append_time = strcmp(value, "LogAppendTime") == 0;
    else if (strcmp(name, "max.message.bytes") == 0)
        out->message_bytes_max = strtoll(value, NULL, 10);
    else if (strcmp(name, "retention.ms") == 0)
        out->retention_ms = strtoll(value, NULL, 10);
}

/* Waits for the reply to a request on the queue of the admin. The caller destroys `*reply`,
 * which is set only on success. */
static int
admin_wait(struct kafka_admin *admin, const char *what, rd_kafka_event_t **reply, struct error *err)
{
    /* librdkafka replies itself when its request times out */
    CHECK(what != NULL);
    *reply = rd_kafka_queue_poll(admin->replies, 2 * admin->request_ms);
    if (*reply == NULL)
        return kafka_error_set(err, RD_KAFKA_RESP_ERR__TIMED_OUT, what);
    rd_kafka_resp_err_t code = rd_kafka_event_error(*reply);
    if (code == 0)
        return 0;
    int rc = error_set(err, kafka_error_class(code), "kafka: %s: %s", what,
                       rd_kafka_event_error_string(*reply));
    rd_kafka_event_destroy(*reply);
    return rc;
}

static rd_kafka_AdminOptions_t *
admin_options(struct kafka_admin *admin, rd_kafka_admin_op_t operation)
{
    char reason[256];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->client, operation);
    CHECK(options != NULL);
    CHECK(rd_kafka_AdminOptions_set_request_timeout(options, admin->request_ms, reason,
                                                    sizeof reason) == 0);
    return options;
}

static const char settings_failed[] = "could not read the topic's settings";

static int
topic_fill_settings(struct kafka_topic *out, const rd_kafka_ConfigResource_t *resource,
                    struct error *err)
{
    size_t count;
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resource);
    if (code != 0)
        return error_set(err, kafka_error_class(code), "kafka: %s: %s", settings_failed,
                         rd_kafka_ConfigResource_error_string(resource));
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++)
        topic_fill_setting(out, rd_kafka_ConfigEntry_name(entries[i]),
                           rd_kafka_ConfigEntry_value(entries[i]));
    return 0;
}

/* The caller destroys `*reply`, which holds `*resource`, and is set only on success. */
static int
admin_ask_settings(struct kafka_admin *admin, const char *topic, rd_kafka_event_t **reply,
                   const rd_kafka_ConfigResource_t **resource, struct error *err)
{
    size_t count;
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    CHECK(asked != NULL);
    rd_kafka_AdminOptions_t *options = admin_options(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(admin->client, &asked, 1, options, admin->replies);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(asked);
    int rc = admin_wait(admin, settings_failed, reply, err);
    if (rc != 0)
        return rc;
    const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(*reply), &count);
    if (count == 1) {
        *resource = found[0];
        return 0;
    }
    rd_kafka_event_destroy(*reply);
    return kafka_error_set(err, RD_KAFKA_RESP_ERR__BAD_MSG, settings_failed);
}

static int
admin_read_settings(struct kafka_admin *admin, const char *topic, struct kafka_topic *out,
                    struct error *err)
{
    rd_kafka_event_t *reply;
    const rd_kafka_ConfigResource_t *resource;
    int rc = admin_ask_settings(admin, topic, &reply, &resource, err);
    if (rc != 0)
        return rc;
    rc = topic_fill_settings(out, resource, err);
    rd_kafka_event_destroy(reply);
    return rc;
}

int
kafka_admin_describe(struct kafka_admin *admin, const char *topic, struct kafka_topic *out,
                     struct error *err)
{
    int32_t leaders;
    *out = (struct kafka_topic){0};
    int rc = admin_read_partitions(admin, topic, out, &leaders, err);
    if (rc != 0 || !out->exists)
        return rc;
    return admin_read_settings(admin, topic, out, err);
}

/* The request replaces all settings of the topic, so it repeats those that are its own. */
static int
retention_request_fill(rd_kafka_ConfigResource_t *request, const rd_kafka_ConfigResource_t *present,
                       int64_t retention_ms)
{
    size_t count;
    char text[32];
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(present, &count);
    snprintf(text, sizeof text, "%" PRId64, retention_ms);
    int rc = rd_kafka_ConfigResource_set_config(request, "retention.ms", text);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *name = rd_kafka_ConfigEntry_name(entries[i]);
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (rd_kafka_ConfigEntry_source(entries[i]) ==
                RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG &&
            value != NULL && strcmp(name, "retention.ms") != 0)
            rc = rd_kafka_ConfigResource_set_config(request, name, value);
    }
    return rc;
}

static const char retention_failed[] = "could not set the topic's retention.ms";

static int
admin_alter(struct kafka_admin *admin, rd_kafka_ConfigResource_t *request, struct error *err)
{
    size_t count;
    rd_kafka_event_t *reply;
    rd_kafka_AdminOptions_t *options = admin_options(admin, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
    rd_kafka_AlterConfigs(admin->client, &request, 1, options, admin->replies);
    rd_kafka_AdminOptions_destroy(options);
    int rc = admin_wait(admin, retention_failed, &reply, err);
    if (rc != 0)
        return rc;
    const rd_kafka_ConfigResource_t **altered =
        rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(reply), &count);
    rd_kafka_resp_err_t code =
        count == 1 ? rd_kafka_ConfigResource_error(altered[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    if (code != 0)
        rc = kafka_error_set(err, code, retention_failed);
    rd_kafka_event_destroy(reply);
    return rc;
}

int
kafka_admin_set_retention(struct kafka_admin *admin, const char *topic, int64_t retention_ms,
                          struct error *err)
{
    rd_kafka_event_t *reply;
    const rd_kafka_ConfigResource_t *present;
    CHECK(retention_ms >= -1);
    int rc = admin_ask_settings(admin, topic, &reply, &present, err);
    if (rc != 0)
        return rc;
    rd_kafka_ConfigResource_t *request =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    CHECK(request != NULL);
    CHECK(retention_request_fill(request, present, retention_ms) == 0);
    rd_kafka_event_destroy(reply);
    rc = admin_alter(admin, request, err);
    rd_kafka_ConfigResource_destroy(request);
    return rc;
}

static int
admin_wait_leaders(struct kafka_admin *admin, const struct config_topic *topic, struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)LEADERS_WAIT_MS * US_PER_MS;
    for (;;) {
        struct kafka_topic found;
        int32_t leaders;
        int rc = admin_read_partitions(admin, topic->name, &found, &leaders, err);
        if (rc != 0 || (found.exists && found.partitions > 0 && leaders == found.partitions))
            return rc;
        if (clock_monotonic_us() > deadline_us)
            return error_set(err, ERR_RETRY, "kafka: topic \"%s\" has no leaders yet", topic->name);
        clock_sleep_ms(LEADER_POLL_MS);
    }
}

static rd_kafka_NewTopic_t *
new_topic_create(const struct config_topic *topic, struct error *err)
{
    CHECK(topic->name != NULL);
    CHECK(topic->partitions > 0);
    CHECK(topic->replication_factor > 0);
    char reason[256];
    char retention_ms[32];
    snprintf(retention_ms, sizeof retention_ms, "%" PRId64,
             topic->retention_hours * INT64_C(3600000));
    rd_kafka_NewTopic_t *request = rd_kafka_NewTopic_new(
        topic->name, topic->partitions, topic->replication_factor, reason, sizeof reason);
    if (request == NULL) {
        error_set(err, ERR_USAGE, "kafka: topic \"%s\": %s", topic->name, reason);
        return NULL;
    }
    CHECK(rd_kafka_NewTopic_set_config(request, "cleanup.policy", "delete") == 0);
    CHECK(rd_kafka_NewTopic_set_config(request, "message.timestamp.type", "LogAppendTime") == 0);
    CHECK(rd_kafka_NewTopic_set_config(request, "retention.ms", retention_ms) == 0);
    return request;
}

/* A topic that exists is not an error. */
static int
admin_check_created(const rd_kafka_topic_result_t *result, bool *created, struct error *err)
{
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);
    *created = code == 0;
    if (code == 0 || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return 0;
    return error_set(err, kafka_error_class(code), "kafka: could not create topic \"%s\": %s",
                     rd_kafka_topic_result_name(result),
                     rd_kafka_topic_result_error_string(result));
}

int
kafka_admin_create_topic(struct kafka_admin *admin, const struct config_topic *topic, bool *created,
                         struct error *err)
{
    rd_kafka_NewTopic_t *request = new_topic_create(topic, err);
    if (request == NULL)
        return ERR_USAGE;
    rd_kafka_AdminOptions_t *options = admin_options(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(admin->client, &request, 1, options, admin->replies);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(request);
    rd_kafka_event_t *reply;
    int rc = admin_wait(admin, "could not create the topic", &reply, err);
    if (rc != 0)
        return rc;
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(reply), &count);
    rc = count == 1
             ? admin_check_created(results[0], created, err)
             : kafka_error_set(err, RD_KAFKA_RESP_ERR__BAD_MSG, "could not create the topic");
    rd_kafka_event_destroy(reply);
    return rc == 0 ? admin_wait_leaders(admin, topic, err) : rc;
}

/* rd_kafka_query_watermark_offsets() exceeds its timeout when a broker hangs. */
static rd_kafka_resp_err_t
admin_ask_offset(struct kafka_admin *admin, const char *topic, int32_t partition, int64_t which,
                 int64_t *offset)
{
    CHECK(partition >= 0);
    CHECK(which == RD_KAFKA_OFFSET_BEGINNING || which == RD_KAFKA_OFFSET_END);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic, partition);
    asked->offset = which;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(admin->client, list, KAFKA_REQUEST_MS);
    if (code == 0)
        code = asked->err;
    *offset = asked->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

/* A topic that was just created has no leader for a moment. */
static int
admin_read_offset(struct kafka_admin *admin, const char *topic, int32_t partition, int64_t which,
                  int64_t *offset, struct error *err)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)KAFKA_REQUEST_MS * US_PER_MS;
    rd_kafka_resp_err_t code = admin_ask_offset(admin, topic, partition, which, offset);
    while ((code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
            code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) &&
           clock_monotonic_us() < until_us) {
        clock_sleep_ms(LEADER_POLL_MS);
        code = admin_ask_offset(admin, topic, partition, which, offset);
    }
    return code == 0 ? 0 : kafka_error_set(err, code, "could not read the partition's offsets");
}

int
kafka_admin_offsets(struct kafka_admin *admin, const char *topic, int32_t partition, int64_t *low,
                    int64_t *high, struct error *err)
{
    int rc = admin_read_offset(admin, topic, partition, RD_KAFKA_OFFSET_BEGINNING, low, err);
    return rc == 0 ? admin_read_offset(admin, topic, partition, RD_KAFKA_OFFSET_END, high, err)
                   : rc;
}

/* --- members of groups ----------------------------------------------------------------------- */

static const char groups_failed[] = "could not list the consumer groups";
static const char members_failed[] = "could not describe the consumer groups";

/* `*reply` holds the names. */
static int
admin_list_groups(struct kafka_admin *admin, rd_kafka_event_t **reply, struct error *err)
{
    size_t count;
    rd_kafka_AdminOptions_t *options = admin_options(admin, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    rd_kafka_ListConsumerGroups(admin->client, options, admin->replies);
    rd_kafka_AdminOptions_destroy(options);
    int rc = admin_wait(admin, groups_failed, reply, err);
    if (rc != 0)
        return rc;
    const rd_kafka_error_t **errors = rd_kafka_ListConsumerGroups_result_errors(
        rd_kafka_event_ListConsumerGroups_result(*reply), &count);
    if (count == 0)
        return 0;
    rc = kafka_error_set(err, rd_kafka_error_code(errors[0]), groups_failed);
    rd_kafka_event_destroy(*reply);
    return rc;
}

static int
admin_describe_groups(struct kafka_admin *admin, const char **groups, size_t count,
                      rd_kafka_event_t **reply, struct error *err)
{
    CHECK(count > 0);
    rd_kafka_AdminOptions_t *options =
        admin_options(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    rd_kafka_DescribeConsumerGroups(admin->client, groups, count, options, admin->replies);
    rd_kafka_AdminOptions_destroy(options);
    return admin_wait(admin, members_failed, reply, err);
}

static bool
member_reads(const rd_kafka_MemberDescription_t *member, const char *topic)
{
    const rd_kafka_MemberAssignment_t *assignment = rd_kafka_MemberDescription_assignment(member);
    const rd_kafka_topic_partition_list_t *partitions =
        assignment != NULL ? rd_kafka_MemberAssignment_partitions(assignment) : NULL;
    for (int i = 0; partitions != NULL && i < partitions->cnt; i++)
        if (strcmp(partitions->elems[i].topic, topic) == 0)
            return true;
    return false;
}

/* Appends the members of the group that read the topic. */
static void
group_add_members(const rd_kafka_ConsumerGroupDescription_t *group, const char *topic,
                  struct arena *arena, struct buffer *members)
{
    const char *name =
        arena_strdup(arena, text_of(rd_kafka_ConsumerGroupDescription_group_id(group)));
    size_t count = rd_kafka_ConsumerGroupDescription_member_count(group);
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_MemberDescription_t *found =
            rd_kafka_ConsumerGroupDescription_member(group, i);
        CHECK(found != NULL);
        if (!member_reads(found, topic))
            continue;
        const char *client_id = rd_kafka_MemberDescription_client_id(found);
        const struct kafka_member member = {name, arena_strdup(arena, text_of(client_id))};
        buffer_append(members, &member, sizeof member);
    }
}

/* While a group rebalances, its members have no partitions. */
static bool
group_is_settled(const rd_kafka_ConsumerGroupDescription_t *group)
{
    rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(group);
    return state != RD_KAFKA_CONSUMER_GROUP_STATE_PREPARING_REBALANCE &&
           state != RD_KAFKA_CONSUMER_GROUP_STATE_COMPLETING_REBALANCE;
}

/* What a group that rebalances, or has no members, reads. */
static enum kafka_group_topics
admin_find_group_topics(struct kafka_admin *admin, const char *group, const char *topic)
{
    struct error ignored = {0};
    if (admin->offsets == NULL &&
        kafka_group_offsets_create(admin->config, group, admin->request_ms, &admin->offsets,
                                   &ignored) != 0)
        return KAFKA_GROUP_UNKNOWN;
    return kafka_group_offsets_find(admin->offsets, group, topic);
}

static int
admin_add_members(struct kafka_admin *admin, const char **groups, size_t group_count,
                  const char *topic, struct arena *arena, struct buffer *members,
                  const char **rebalancing, struct error *err)
{
    size_t count;
    rd_kafka_event_t *reply;
    int rc = admin_describe_groups(admin, groups, group_count, &reply, err);
    if (rc != 0)
        return rc;
    const rd_kafka_ConsumerGroupDescription_t **found =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(reply), &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const rd_kafka_error_t *failure = rd_kafka_ConsumerGroupDescription_error(found[i]);
        if (failure != NULL && rd_kafka_error_code(failure) != 0)
            rc = kafka_error_set(err, rd_kafka_error_code(failure), members_failed);
        if (!group_is_settled(found[i]) &&
            admin_find_group_topics(admin, rd_kafka_ConsumerGroupDescription_group_id(found[i]),
                                    topic) != KAFKA_GROUP_ELSEWHERE)
            *rebalancing =
                arena_strdup(arena, text_of(rd_kafka_ConsumerGroupDescription_group_id(found[i])));
        group_add_members(found[i], topic, arena, members);
    }
    rd_kafka_event_destroy(reply);
    return rc;
}

static void
group_find_instance(const rd_kafka_ConsumerGroupDescription_t *group, const char *instance_id,
                    char *out, size_t bytes)
{
    size_t count = rd_kafka_ConsumerGroupDescription_member_count(group);
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_MemberDescription_t *one =
            rd_kafka_ConsumerGroupDescription_member(group, i);
        const char *id = rd_kafka_MemberDescription_group_instance_id(one);
        if (id != NULL && strcmp(id, instance_id) == 0)
            snprintf(out, bytes, "%s from %s", rd_kafka_MemberDescription_client_id(one),
                     rd_kafka_MemberDescription_host(one));
    }
}

int
kafka_admin_find_instance(struct kafka_admin *admin, const char *group, const char *instance_id,
                          char *out, size_t bytes, struct error *err)
{
    size_t count;
    rd_kafka_event_t *reply;
    CHECK(bytes > 0);
    out[0] = '\0';
    int rc = admin_describe_groups(admin, &group, 1, &reply, err);
    if (rc != 0)
        return rc;
    const rd_kafka_ConsumerGroupDescription_t **found =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(reply), &count);
    for (size_t i = 0; i < count; i++)
        group_find_instance(found[i], instance_id, out, bytes);
    rd_kafka_event_destroy(reply);
    return 0;
}

/* Each group costs requests of its own, and a cluster may keep thousands that nobody uses. Before
 * Kafka 2.6 the state is not known. */
static bool
listing_may_have_members(const rd_kafka_ConsumerGroupListing_t *listing)
{
    rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupListing_state(listing);
    return state != RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY &&
           state != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD;
}

/* Of the groups that may have members. The names belong to the listing. */
static const char **
listing_names(const rd_kafka_ConsumerGroupListing_t **found, size_t *count, struct arena *arena)
{
    size_t kept = 0;
    const char **names = arena_alloc(arena, (*count + 1) * sizeof *names);
    for (size_t i = 0; i < *count; i++)
        if (listing_may_have_members(found[i]))
            names[kept++] = rd_kafka_ConsumerGroupListing_group_id(found[i]);
    *count = kept;
    return names;
}

static int
admin_read_members(struct kafka_admin *admin, rd_kafka_event_t *list, const char *topic,
                   struct arena *arena, struct kafka_members *members, struct error *err)
{
    size_t count;
    const rd_kafka_ConsumerGroupListing_t **found = rd_kafka_ListConsumerGroups_result_valid(
        rd_kafka_event_ListConsumerGroups_result(list), &count);
    const char **groups = listing_names(found, &count, arena);
    *members = (struct kafka_members){0};
    if (count > KAFKA_GROUPS_MAX)
        return error_set(err, ERR_DATA, "kafka: %zu consumer groups with members, more than %d",
                         count, KAFKA_GROUPS_MAX);
    if (count == 0)
        return 0;
    struct buffer all;
    buffer_init(&all);
    int rc =
        admin_add_members(admin, groups, count, topic, arena, &all, &members->rebalancing, err);
    members->count = (uint32_t)(all.bytes / sizeof *members->items);
    members->items = buffer_move(&all, arena);
    return rc;
}

int
kafka_admin_members(struct kafka_admin *admin, const char *topic, struct arena *arena,
                    struct kafka_members *members, struct error *err)
{
    rd_kafka_event_t *list;
    CHECK(topic != NULL);
    int rc = admin_list_groups(admin, &list, err);
    if (rc != 0)
        return rc;
    rc = admin_read_members(admin, list, topic, arena, members, err);
    rd_kafka_event_destroy(list);
    return rc;
}

/* Keeps those of the listed groups without members that read the topic. */
static void
admin_keep_idle(struct kafka_admin *admin, const rd_kafka_ConsumerGroupListing_t **found,
                size_t count, const char *topic, struct arena *arena, struct buffer *names)
{
    uint32_t asked = 0;
    for (size_t i = 0; i < count && asked < KAFKA_IDLE_GROUPS_MAX; i++) {
        const char *group = rd_kafka_ConsumerGroupListing_group_id(found[i]);
        if (rd_kafka_ConsumerGroupListing_state(found[i]) != RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY)
            continue;
        asked++;
        if (admin_find_group_topics(admin, group, topic) != KAFKA_GROUP_HERE)
            continue;
        const char *name = arena_strdup(arena, text_of(group));
        buffer_append(names, &name, sizeof name);
    }
}

int
kafka_admin_idle_groups(struct kafka_admin *admin, const char *topic, struct arena *arena,
                        const char *const **names, uint32_t *count, struct error *err)
{
    rd_kafka_event_t *list;
    size_t listed;
    struct buffer kept;
    CHECK(topic != NULL);
    int rc = admin_list_groups(admin, &list, err);
    if (rc != 0)
        return rc;
    const rd_kafka_ConsumerGroupListing_t **found = rd_kafka_ListConsumerGroups_result_valid(
        rd_kafka_event_ListConsumerGroups_result(list), &listed);
    buffer_init(&kept);
    admin_keep_idle(admin, found, listed, topic, arena, &kept);
    rd_kafka_event_destroy(list);
    *count = (uint32_t)(kept.bytes / sizeof **names);
    *names = buffer_move(&kept, arena);
    return 0;
}
