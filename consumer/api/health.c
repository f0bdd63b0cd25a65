/* Health is for whoever restarts processes: only what a restart can mend fails it. Readiness is for
 * whoever sends queries. */
#include "consumer/api/api_internal.h"

#include <stdio.h>

#include "common/base/clock.h"

enum {
    STUCK_S = 60,     /* a thread that has not come by for so long is stuck */
    READY_LAG_S = 30, /* watermarks come once a second */
};

static void
health_begin(struct json_writer *json, struct http_response *response, const char *list)
{
    json_writer_init(json, &response->body);
    json_object_begin(json);
    json_key(json, list);
    json_array_begin(json);
}

static void
health_end(struct json_writer *json, struct http_response *response, const char *key, bool well)
{
    json_array_end(json);
    json_key(json, key);
    json_boolean(json, well);
    json_object_end(json);
    response->status = well ? 200 : 503;
}

bool
health_list_stuck(const struct partition_status_list *looks, int64_t main_silent_us,
                  struct json_writer *json)
{
    bool well = main_silent_us <= (int64_t)STUCK_S * US_PER_S;
    if (!well)
        json_string(json, "main");
    for (uint32_t i = 0; i < looks->count; i++) {
        if (looks->items[i].silent_us <= (int64_t)STUCK_S * US_PER_S)
            continue;
        char name[32];
        snprintf(name, sizeof name, "partition %d", looks->items[i].partition);
        json_string(json, name);
        well = false;
    }
    return well;
}

void
api_answer_health(struct api_call *call)
{
    struct api *api = call->api;
    struct json_writer json;
    struct partition_status_list looks;
    partition_status_read(api, false, &looks);
    health_begin(&json, call->response, "stuck");
    int64_t main_us = clock_monotonic_us() - atomic_load(&api->main_heartbeat_us);
    bool well = health_list_stuck(&looks, main_us, &json);
    health_end(&json, call->response, "healthy", well);
    partition_status_free(&looks);
}

/* Why the partition should get no queries; "" when it should. Without a source nothing can lag. */
static void
ready_describe(const struct partition_status *look, bool has_source, char *out, size_t bytes)
{
    out[0] = '\0';
    if (!look->complete)
        snprintf(out, bytes, "%s", look->reason);
    else if (!has_source)
        return;
    else if (look->lag_s < 0)
        snprintf(out, bytes, "no watermark was read yet");
    else if (look->lag_s > READY_LAG_S)
        snprintf(out, bytes, "the last watermark is %.0f s old%s%s", look->lag_s,
                 look->status.trouble[0] != '\0' ? ": " : "", look->status.trouble);
}

static void
ready_write(struct json_writer *json, int32_t partition, const char *reason)
{
    json_object_begin(json);
    json_key(json, "partition");
    json_integer(json, partition);
    json_key(json, "reason");
    json_string(json, reason);
    json_object_end(json);
}

void
api_answer_ready(struct api_call *call)
{
    struct json_writer json;
    struct partition_status_list looks;
    partition_status_read(call->api, false, &looks);
    const struct config *config = call->api->config;
    bool has_source = config->kafka.present;
    /* A member of a group answers for what it is given, which may be nothing yet. */
    bool well = looks.count >= (has_source ? 1 : (uint32_t)config->topic.partitions);
    health_begin(&json, call->response, "partitions");
    for (uint32_t i = 0; i < looks.count; i++) {
        char reason[2 * ERROR_MESSAGE_BYTES];
        ready_describe(&looks.items[i], has_source, reason, sizeof reason);
        ready_write(&json, looks.items[i].partition, reason);
        well = well && reason[0] == '\0';
    }
    health_end(&json, call->response, "ready", well);
    partition_status_free(&looks);
}
