#include "consumer/api/index.h"

#include "common/base/check.h"
#include "common/http/server.h"
#include "common/json/json_write.h"
#include "consumer/api/as_of.h"
#include "consumer/api/entity_id.h"
#include "consumer/api/field_status.h"
#include "consumer/api/partition_status.h"
#include "consumer/api/served_shard.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/shard.h"

static void
index_write_incomplete(const struct config_fields *fields, const struct field_set *complete,
                       struct json_writer *json)
{
    json_array_begin(json);
    if (!field_set_has(complete, FIELD_ALIVE))
        json_string(json, config_fields_name(fields, FIELD_ALIVE));
    for (uint32_t i = 0; i < fields->count; i++)
        if (!field_set_has(complete, i))
            json_string(json, config_fields_name(fields, i));
    json_array_end(json);
}

struct entity_answer {
    int64_t id;
    bool alive;
    bool visible;
    struct field_set complete; /* fields of its shard */
    struct buffer fields;      /* as JSON */
};

static void
index_write_entity(struct api_context *api, const struct entity_answer *answer, struct buffer *out)
{
    struct json_writer json;
    const struct config_fields *fields = &api->fields;
    struct field_set all = config_fields_written(fields);
    field_set_add_all(&all, &fields->computed);
    CHECK(answer->id >= 0);
    CHECK(answer->alive || !answer->visible);
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "id");
    json_integer(&json, answer->id);
    json_key(&json, "alive");
    json_boolean(&json, answer->alive);
    json_key(&json, "visible");
    json_boolean(&json, answer->visible);
    json_key(&json, "fields");
    json_raw(&json, (struct text){(const char *)answer->fields.data, answer->fields.bytes});
    json_key(&json, "complete");
    json_boolean(&json, field_set_includes(&answer->complete, &all));
    json_key(&json, "incomplete_fields");
    index_write_incomplete(fields, &answer->complete, &json);
    as_of_write(api, &json);
    json_object_end(&json);
}

void
api_answer_entity(struct api_call *call)
{
    struct api_context *api = call->api;
    struct entity_answer answer = {0};
    if (!entity_id_read(call->id, &answer.id)) {
        http_respond_error(call->response, 400, "'%.*s' is not an entity id", TEXT_ARGS(call->id));
        return;
    }
    int32_t partition = (int32_t)(answer.id % api->config->topic.partitions);
    CHECK(0 <= partition && partition < api->config->topic.partitions);
    buffer_append_text(&answer.fields, "{");
    assignment_enter(api->assignment);
    struct shard *shard = served_shard_find(api, partition, &answer.complete);
    if (shard != NULL) {
        shard_entity_json(shard, answer.id, &answer.fields, &answer.alive, &answer.visible);
        served_shard_keep_complete(shard, &answer.complete);
    }
    assignment_leave(api->assignment);
    buffer_append_text(&answer.fields, "}");
    if (shard != NULL)
        index_write_entity(api, &answer, &call->response->body);
    else
        http_respond_error(call->response, 503,
                           "partition %d is not on this process, or still recovering", partition);
    buffer_free(&answer.fields);
}

void
api_answer_indexes(struct api_call *call)
{
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, "indexes");
    json_array_begin(&json);
    json_string(&json, call->api->config->index);
    json_array_end(&json);
    json_object_end(&json);
}

static struct engine_stats
stats_sum(const struct partition_status_list *list)
{
    struct engine_stats sum = {0};
    for (uint32_t i = 0; i < list->count; i++) {
        const struct engine_stats *one = &list->items[i].engine;
        sum.alive_slots += one->alive_slots;
        sum.unknown_field_ops += one->unknown_field_ops;
        sum.memory_bytes += one->memory_bytes;
    }
    return sum;
}

void
api_answer_stats(struct api_call *call)
{
    struct partition_status_list list;
    struct json_writer json;
    partition_status_read(call->api, true, &list);
    struct engine_stats sum = stats_sum(&list);
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, "index");
    json_string(&json, call->api->config->index);
    json_key(&json, "partitions");
    json_integer(&json, list.count);
    json_key(&json, "alive");
    json_integer(&json, (int64_t)sum.alive_slots);
    json_key(&json, "unknown_field_ops");
    json_integer(&json, (int64_t)sum.unknown_field_ops);
    json_key(&json, "memory_bytes");
    json_integer(&json, (int64_t)sum.memory_bytes);
    field_status_write(&list, &call->api->fields, &json);
    as_of_write(call->api, &json);
    json_object_end(&json);
    partition_status_free(&list);
}
