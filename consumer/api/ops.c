#include "consumer/api/ops.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/event/event_codec.h"
#include "common/http/server.h"
#include "common/json/json_write.h"
#include "consumer/engine/engine.h"
#include "consumer/ingest/http_sources.h"
#include "consumer/ingest/ops_request.h"

enum { RETRY_AFTER_S = 1 };

struct api_ops {
    const struct config *config;
    struct ops_sink *sink;
    struct engine *index; /* without entities: it checks whether an op can be applied */
    struct http_sources *sources;
    struct dump_registry *dumps;
    sem_t slots; /* consumer.posts_max; further requests are refused */
    pthread_mutex_t codec_lock;
    struct event_codec *codec;
};

int
api_ops_create(const struct config *config, struct ops_sink *sink, struct http_sources *sources,
               struct dump_registry *dumps, struct api_ops **ops, struct error *err)
{
    const struct engine_options options = {
        .index = &config->index_config,
        .partition = 0,
        .partitions = config->topic.partitions,
        .max_slots = config->topic.max_slots,
    };
    CHECK(config->consumer.posts_max > 0);
    CHECK(sink != NULL);
    CHECK(sources != NULL);
    CHECK(dumps != NULL);
    struct api_ops *made = memory_zalloc(sizeof *made);
    made->config = config;
    made->sink = sink;
    made->sources = sources;
    made->dumps = dumps;
    CHECK(sem_init(&made->slots, 0, (unsigned)config->consumer.posts_max) == 0);
    mutex_init(&made->codec_lock);
    int rc = engine_create(&options, &made->index, err);
    if (rc == 0)
        rc = event_codec_create(&made->codec, err);
    if (rc != 0) {
        api_ops_destroy(made);
        return rc;
    }
    *ops = made;
    return 0;
}

void
api_ops_destroy(struct api_ops *ops)
{
    if (ops == NULL)
        return;
    event_codec_destroy(ops->codec);
    engine_destroy(ops->index);
    mutex_destroy(&ops->codec_lock);
    sem_destroy(&ops->slots);
    free(ops);
}

static int
ops_encode_entry(struct api_ops *ops, const struct ops_request *request,
                 const struct ops_entry *entry, struct ops_post *post, struct error *err)
{
    const struct event event = {
        .source = request->meta.source.bytes > 0 ? request->meta.source : TEXT("http"),
        .has_created_at = true,
        .created_at_us = clock_realtime_us(),
        .kind = entry->is_fan_out ? EVENT_FAN_OUT : EVENT_ROW,
        .entity_id = entry->entity_id,
        .ops = entry->ops,
    };
    int32_t partition = entry->is_fan_out
                            ? OPS_ALL_PARTITIONS
                            : (int32_t)(entry->entity_id % ops->config->topic.partitions);
    size_t begin = post->bytes.bytes;
    CHECK(entry->ops.count > 0);
    CHECK(entry->is_fan_out || entry->entity_id >= 0);
    mutex_lock(&ops->codec_lock);
    int rc = event_encode(ops->codec, &event, &post->bytes, err);
    mutex_unlock(&ops->codec_lock);
    CHECK(rc != 0 || post->bytes.bytes > begin);
    if (rc == 0)
        ops_post_add(post, begin, entry->entity_id, partition);
    return rc;
}

static int
ops_encode(struct api_ops *ops, const struct ops_request *request, struct ops_post *post,
           struct error *err)
{
    CHECK(post->count == 0);
    for (uint32_t i = 0; i < request->count; i++) {
        int rc = ops_encode_entry(ops, request, &request->entries[i], post, err);
        if (rc != 0)
            return error_wrap(err, rc, "ops[%u]", i);
    }
    return 0;
}

/* Of all messages. */
static int64_t
ops_bytes_written(const struct ops_post *post, int32_t partitions)
{
    int64_t bytes = 0;
    CHECK(partitions > 0);
    for (uint32_t i = 0; i < post->count; i++) {
        int32_t first;
        bytes += (int64_t)post->spans[i].bytes *
                 ops_span_partitions(&post->spans[i], partitions, &first);
    }
    return bytes;
}

static void
ops_reply(const struct ops_request *request, int64_t bytes_written, struct buffer *out)
{
    struct json_writer json;
    CHECK(bytes_written >= 0);
    CHECK(out->bytes == 0);
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "accepted");
    json_integer(&json, request->count);
    json_key(&json, "bytes_written");
    json_integer(&json, bytes_written);
    json_object_end(&json);
}

static int
ops_check(const void *index, const struct op *op, struct error *err)
{
    int rc = engine_check_names(index, op, err);
    return rc == 0 ? engine_check_op(index, op, err) : rc;
}

/* The ops are durable: their dump counts them. */
static int
ops_count(struct api_ops *ops, const struct ops_request *request, const struct ops_post *post,
          struct error *err)
{
    struct error failure = {0};
    CHECK(post->offsets != NULL);
    for (int32_t i = 0; i < ops->config->topic.partitions; i++)
        if (post->offsets[i] == OPS_OFFSET_UNKNOWN)
            return error_set(err, ERR_RETRY,
                             "the ops are stored and not counted, send them again: the broker has "
                             "not said where it stored them");
    if (dump_registry_post(ops->dumps, request->meta.source, request->count, post->offsets,
                           &failure) == 0)
        return 0;
    return error_set(err, ERR_RETRY, "the ops are stored and not counted, send them again: %s",
                     failure.message);
}

static int
ops_send(struct api_ops *ops, const struct ops_request *request, struct ops_post *post,
         struct error *err)
{
    bool is_counted = dump_registry_counts(ops->dumps, request->meta.source);
    int rc = ops_encode(ops, request, post, err);
    if (rc != 0 || post->count == 0)
        return rc;
    CHECK(post->count == request->count);
    if (is_counted)
        ops_post_want_offsets(post, ops->config->topic.partitions);
    rc = ops->sink->store(ops->sink, post, err);
    return rc == 0 && is_counted ? ops_count(ops, request, post, err) : rc;
}

static int
ops_store(struct api_ops *ops, struct text body, struct arena *arena, struct ops_post *post,
          struct buffer *out, struct error *err)
{
    struct ops_request request;
    const struct ops_rules rules = {&ops->config->topic, ops_check, ops->index};
    int rc = ops_request_parse(body, &rules, arena, &request, err);
    if (rc == 0)
        rc = ops_send(ops, &request, post, err);
    if (rc != 0)
        return rc;
    uint64_t count = 0;
    for (uint32_t i = 0; i < request.count; i++)
        count += request.entries[i].ops.count;
    http_sources_record(ops->sources, &request.meta, count);
    ops_reply(&request, ops_bytes_written(post, ops->config->topic.partitions), out);
    return 0;
}

static void
ops_refuse(struct http_response *response, int code, const char *reason)
{
    CHECK(code == ERR_DATA || code == ERR_RETRY);
    http_respond_error(response, code == ERR_DATA ? 400 : 503, "%s", reason);
    if (code == ERR_RETRY)
        response->retry_after_s = RETRY_AFTER_S;
}

void
api_answer_ops(struct api_call *call)
{
    struct api_ops *ops = call->api->ops;
    if (sem_trywait(&ops->slots) != 0) {
        ops_refuse(call->response, ERR_RETRY, "nothing was stored: too many requests at once");
        return;
    }
    struct error err = {0};
    struct ops_post post = {0};
    struct arena arena;
    arena_init(&arena);
    int rc = ops_store(ops, call->request->body, &arena, &post, &call->response->body, &err);
    if (rc != 0)
        ops_refuse(call->response, rc, err.message);
    ops_post_free(&post);
    arena_free(&arena);
    CHECK(sem_post(&ops->slots) == 0);
}
