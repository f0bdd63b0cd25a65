/* Happy path: the coordinator of the group answers with all of its offsets.
 *
 * Failure: whatever fails leaves the group unknown. When a coordinator answers that it is no longer
 * one, librdkafka 2.0 looks for that of the client's own group, and crashes in a client that has
 * none. Therefore the client has one, the first that is asked for: no other right is needed. It
 * never joins it.
 */
#include "common/kafka/kafka_group_offsets.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_conf.h"

struct kafka_group_offsets {
    rd_kafka_t *client;
    rd_kafka_queue_t *replies;
    int request_ms;
};

static enum kafka_group_topics
offsets_find(const rd_kafka_topic_partition_list_t *offsets, const char *topic)
{
    CHECK(topic[0] != '\0');
    for (int i = 0; offsets != NULL && i < offsets->cnt; i++)
        if (strcmp(offsets->elems[i].topic, topic) == 0)
            return KAFKA_GROUP_HERE;
    return offsets != NULL && offsets->cnt > 0 ? KAFKA_GROUP_ELSEWHERE : KAFKA_GROUP_UNKNOWN;
}

static enum kafka_group_topics
reply_find(rd_kafka_event_t *reply, const char *topic)
{
    size_t count;
    if (rd_kafka_event_error(reply) != 0)
        return KAFKA_GROUP_UNKNOWN;
    const rd_kafka_group_result_t **found = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(reply), &count);
    if (count != 1 || rd_kafka_group_result_error(found[0]) != NULL)
        return KAFKA_GROUP_UNKNOWN;
    return offsets_find(rd_kafka_group_result_partitions(found[0]), topic);
}

enum kafka_group_topics
kafka_group_offsets_find(struct kafka_group_offsets *offsets, const char *group, const char *topic)
{
    CHECK(group[0] != '\0');
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(offsets->client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    CHECK(rd_kafka_AdminOptions_set_request_timeout(options, offsets->request_ms, NULL, 0) == 0);
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    rd_kafka_ListConsumerGroupOffsets(offsets->client, &request, 1, options, offsets->replies);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_AdminOptions_destroy(options);
    /* librdkafka replies itself when its request times out */
    rd_kafka_event_t *reply = rd_kafka_queue_poll(offsets->replies, 2 * offsets->request_ms);
    if (reply == NULL)
        return KAFKA_GROUP_UNKNOWN;
    enum kafka_group_topics found = reply_find(reply, topic);
    rd_kafka_event_destroy(reply);
    return found;
}

int
kafka_group_offsets_create(const struct config_kafka *config, const char *group, int request_ms,
                           struct kafka_group_offsets **offsets, struct error *err)
{
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    CHECK(request_ms > 0);
    int rc = kafka_conf_create(config, KAFKA_ADMIN, &conf, err);
    if (rc != 0)
        return rc;
    rc = kafka_conf_set(conf, "group.id", group, err);
    if (rc != 0)
        rd_kafka_conf_destroy(conf);
    else
        rc = kafka_client_create(RD_KAFKA_CONSUMER, conf, &client, err);
    if (rc != 0)
        return rc;
    struct kafka_group_offsets *created = memory_zalloc(sizeof *created);
    created->client = client;
    created->replies = rd_kafka_queue_new(client);
    created->request_ms = request_ms;
    *offsets = created;
    return 0;
}

void
kafka_group_offsets_destroy(struct kafka_group_offsets *offsets)
{
    if (offsets == NULL)
        return;
    rd_kafka_queue_destroy(offsets->replies);
    rd_kafka_destroy(offsets->client);
    free(offsets);
}
