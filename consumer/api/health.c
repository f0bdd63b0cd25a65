#include "consumer/api/health.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "consumer/api/as_of.h"
#include "consumer/api/field_status.h"
#include "consumer/api/verified.h"

enum {
    STUCK_S = 60,     /* a thread without a heartbeat for so long is stuck */
    READY_LAG_S = 30, /* the producer sends a watermark once a second */
    WARNING_BYTES = 128,
};

static void
health_begin(struct json_writer *json, struct http_response *response, const char *list)
{
    CHECK(response->body.bytes == 0);
    json_writer_init(json, &response->body);
    json_object_begin(json);
    json_key(json, list);
    json_array_begin(json);
}

static void
health_end(struct json_writer *json, struct http_response *response, const char *key, bool passed)
{
    json_key(json, key);
    json_boolean(json, passed);
    json_object_end(json);
    CHECK(json->depth == 0);
    response->status = passed ? 200 : 503;
}

bool
health_list_stuck(const struct partition_status_list *list, int64_t main_age_us,
                  struct json_writer *json)
{
    bool healthy = main_age_us <= (int64_t)STUCK_S * US_PER_S;
    if (!healthy)
        json_string(json, "main");
    for (uint32_t i = 0; i < list->count; i++) {
        const struct partition_status *status = &list->items[i];
        CHECK(i == 0 || list->items[i - 1].partition < status->partition);
        CHECK(status->heartbeat_age_us >= 0);
        if (status->heartbeat_age_us <= (int64_t)STUCK_S * US_PER_S)
            continue;
        char name[32];
        snprintf(name, sizeof name, "partition %d", status->partition);
        json_string(json, name);
        healthy = false;
    }
    return healthy;
}

static bool
health_check(struct api_context *api, struct json_writer *json)
{
    struct partition_status_list list;
    partition_status_read(api, false, &list);
    int64_t heartbeat_us = atomic_load(&api->main_heartbeat_us); /* before the clock is read */
    int64_t main_age_us = clock_monotonic_us() - heartbeat_us;
    CHECK(main_age_us >= 0);
    bool healthy = health_list_stuck(&list, main_age_us, json);
    partition_status_free(&list);
    return healthy;
}

bool
health_passes(struct api_context *api)
{
    struct json_writer json;
    struct buffer unused = {0};
    json_writer_init(&json, &unused);
    json_array_begin(&json);
    bool healthy = health_check(api, &json);
    json_array_end(&json);
    buffer_free(&unused);
    return healthy;
}

void
api_answer_health(struct api_call *call)
{
    struct json_writer json;
    health_begin(&json, call->response, "stuck");
    bool healthy = health_check(call->api, &json);
    json_array_end(&json);
    health_end(&json, call->response, "healthy", healthy);
}

/* Fields that are not complete do not matter while at least one is: one that is added must not take
 * the index out of service. */
void
health_describe_ready(const struct partition_status *status, bool has_watermarks, char *out,
                      size_t bytes)
{
    const char *error = status->shard.error;
    CHECK(bytes > ERROR_MESSAGE_BYTES);
    CHECK(status->complete == (status->reason[0] == '\0'));
    out[0] = '\0';
    if (!status->serves)
        snprintf(out, bytes, "%s", status->reason);
    else if (!has_watermarks)
        return;
    else if (status->lag_s < 0)
        snprintf(out, bytes, "no watermark was read yet");
    else if (status->lag_s > READY_LAG_S && status->shard.sequence.watermark.owed > 0)
        snprintf(out, bytes,
                 "the last watermark without owed refreshes is %.0f s old: %" PRId64 " are owed",
                 status->lag_s, status->shard.sequence.watermark.owed);
    else if (status->lag_s > READY_LAG_S)
        snprintf(out, bytes, "the last watermark is %.0f s old%s%s", status->lag_s,
                 error[0] != '\0' ? ": " : "", error);
}

static void
ready_write(struct json_writer *json, int32_t partition, const char *reason)
{
    CHECK(partition >= 0);
    json_object_begin(json);
    json_key(json, "partition");
    json_integer(json, partition);
    json_key(json, "reason");
    json_string(json, reason);
    json_object_end(json);
}

/* A dead letter makes nothing incomplete. */
static int64_t
ready_count_letters(const struct partition_status_list *list)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        CHECK(list->items[i].shard.open_letters >= 0);
        count += list->items[i].shard.open_letters;
    }
    return count;
}

/* What is wrong and does not end readiness. */
static void
ready_write_warnings(struct json_writer *json, const struct partition_status_list *list,
                     int64_t letters)
{
    char warning[WARNING_BYTES + SHARD_REPLAY_BYTES];
    json_key(json, "warnings");
    json_array_begin(json);
    if (letters > 0) {
        snprintf(warning, sizeof warning,
                 "%" PRId64 " dead letter%s open: bitdex-consumer dead-letters list", letters,
                 letters == 1 ? " is" : "s are");
        json_string(json, warning);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i].shard.replay[0] == '\0')
            continue;
        snprintf(warning, sizeof warning, "partition %d: %s", list->items[i].partition,
                 list->items[i].shard.replay);
        json_string(json, warning);
    }
    json_array_end(json);
}

void
api_answer_ready(struct api_call *call)
{
    struct json_writer json;
    struct partition_status_list list;
    partition_status_read(call->api, false, &list);
    const struct config *config = call->api->config;
    bool has_group = assignment_source(call->api->assignment) == NULL;
    /* A member of a group owns some partitions, an index with a source all of them. */
    bool ready = list.count >= (has_group ? 1 : (uint32_t)config->topic.partitions);
    CHECK(list.count <= (uint32_t)config->topic.partitions);
    health_begin(&json, call->response, "partitions");
    for (uint32_t i = 0; i < list.count; i++) {
        char reason[2 * ERROR_MESSAGE_BYTES];
        health_describe_ready(&list.items[i], config->kafka.present, reason, sizeof reason);
        if (reason[0] == '\0')
            verified_describe(&list.items[i], config->consumer.ready_requires_verified_s, reason,
                              sizeof reason);
        ready_write(&json, list.items[i].partition, reason);
        ready = ready && reason[0] == '\0';
    }
    json_array_end(&json);
    field_status_write(&list, &call->api->fields, &json);
    field_status_write_exempt(config, &json);
    int64_t letters = ready_count_letters(&list);
    json_key(&json, "dead_letters");
    json_integer(&json, letters);
    ready_write_warnings(&json, &list, letters);
    as_of_write(call->api, &json);
    health_end(&json, call->response, "ready", ready);
    partition_status_free(&list);
}
