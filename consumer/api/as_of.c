#include "consumer/api/as_of.h"

#include "common/base/check.h"
#include "common/base/clock.h"

int64_t
as_of_us(const struct api_context *api)
{
    const struct feed_source *source = assignment_source(api->assignment);
    return source != NULL ? source->as_of_us : 0;
}

/* Of all partitions; false: one is still being read. */
static bool
as_of_find_earliest(struct api_context *api, struct sequence_watermark *earliest)
{
    bool has_arrived = true;
    *earliest = (struct sequence_watermark){.newest_us = INT64_MAX};
    assignment_enter(api->assignment);
    for (int32_t i = 0; has_arrived && i < api->config->topic.partitions; i++) {
        struct worker *worker = assignment_worker(api->assignment, i);
        struct shard_status status;
        has_arrived = worker != NULL && worker_has_arrived(worker);
        if (!has_arrived)
            break;
        shard_read_status(worker_shard(worker), &status);
        if (status.sequence.watermark.newest_us < earliest->newest_us)
            *earliest = status.sequence.watermark;
    }
    assignment_leave(api->assignment);
    return has_arrived;
}

static void
as_of_write_time(struct json_writer *json, const char *key, int64_t us)
{
    char text[CLOCK_TEXT_BYTES];
    clock_format_utc(us, text, sizeof text);
    json_key(json, key);
    json_string(json, text);
}

static void
as_of_write_value(struct api_context *api, struct json_writer *json)
{
    struct sequence_watermark earliest;
    const struct feed_source *source = assignment_source(api->assignment);
    CHECK(source != NULL);
    bool has_arrived = as_of_find_earliest(api, &earliest);
    json_object_begin(json);
    as_of_write_time(json, "time", source->as_of_us);
    if (has_arrived) {
        as_of_write_time(json, "watermark", earliest.newest_us);
        json_key(json, "tick");
        json_integer(json, earliest.tick);
    }
    json_key(json, "exact");
    json_boolean(json, has_arrived && source->is_exact);
    json_object_end(json);
}

void
as_of_write(struct api_context *api, struct json_writer *json)
{
    if (as_of_us(api) == 0)
        return;
    json_key(json, "as_of");
    as_of_write_value(api, json);
}

void
as_of_describe(struct api_context *api, struct buffer *out)
{
    struct json_writer json;
    if (as_of_us(api) == 0)
        return;
    json_writer_init(&json, out);
    as_of_write_value(api, &json);
}
