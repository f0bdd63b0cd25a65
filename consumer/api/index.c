#include "consumer/api/index.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/http/server.h"
#include "common/json/json_write.h"
#include "common/metrics/metrics.h"
#include "consumer/api/as_of.h"
#include "consumer/api/entity_id.h"
#include "consumer/api/field_status.h"
#include "consumer/api/partition_status.h"
#include "consumer/api/served_shard.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/shard.h"
#include "consumer/query/document_request.h"
#include "consumer/query/query_documents.h"
#include "consumer/query/query_fields.h"
#include "consumer/query/query_merge.h"
#include "consumer/query/query_reply.h"
#include "consumer/query/query_request.h"

enum {
    FILTER_DEPTH_MAX = 32,
    FILTER_CLAUSES_MAX = 10000,
};

/* The answers of all partitions. */
struct gathered {
    struct engine_result *results;
    uint32_t result_count;
    int32_t *missing; /* partitions without an answer */
    uint32_t missing_count;
    bool complete; /* nothing is missing, and the fields that are used are complete in all shards */
};

static int
gather_documents(void *context, const struct engine *engine, const struct engine_result *result,
                 struct error *err)
{
    return query_documents_take(context, engine, result, err);
}

/* `documents` NULL: without documents. */
static int
gather(struct api_context *api, const struct engine_query *query, int64_t until_us,
       struct query_documents *documents, struct gathered *gathered, struct error *err)
{
    int32_t partitions = api->config->topic.partitions;
    struct field_set used = query_fields(query, &api->fields);
    if (documents != NULL)
        field_set_add_all(&used, &documents->fields);
    int rc = 0;
    gathered->results = memory_zalloc((size_t)partitions * sizeof *gathered->results);
    gathered->missing = memory_zalloc((size_t)partitions * sizeof *gathered->missing);
    gathered->complete = true;
    assignment_enter(api->assignment);
    for (int32_t i = 0; rc == 0 && i < partitions; i++) {
        struct field_set complete = {{0}};
        struct shard *shard = served_shard_find(api, i, &complete);
        CHECK(gathered->result_count + gathered->missing_count == (uint32_t)i);
        if (shard == NULL)
            gathered->missing[gathered->missing_count++] = i;
        else
            rc = shard_query_read(shard, query, until_us,
                                  documents != NULL ? gather_documents : NULL, documents,
                                  &gathered->results[gathered->result_count], err);
        if (shard != NULL && rc == 0)
            gathered->result_count++;
        if (shard != NULL)
            served_shard_keep_complete(api, shard, &complete);
        gathered->complete =
            gathered->complete && shard != NULL && field_set_includes(&complete, &used);
    }
    assignment_leave(api->assignment);
    CHECK(rc != 0 || gathered->result_count + gathered->missing_count == (uint32_t)partitions);
    CHECK(!gathered->complete || gathered->missing_count == 0);
    CHECK(gathered->result_count <= (uint32_t)partitions);
    return rc;
}

static void
gathered_free(struct gathered *gathered)
{
    for (uint32_t i = 0; i < gathered->result_count; i++)
        engine_result_free(&gathered->results[i]);
    free(gathered->results);
    free(gathered->missing);
}

/* `documents` NULL: without documents. */
static int
index_query(struct api_context *api, const struct engine_query *query,
            struct query_documents *documents, int64_t begin_us, struct buffer *out,
            struct error *err)
{
    struct gathered gathered = {0};
    int64_t until_us = begin_us + (int64_t)atomic_load(&api->limits.query_timeout_ms) * US_PER_MS;
    int rc = gather(api, query, until_us, documents, &gathered, err);
    if (rc == 0) {
        struct query_page page;
        struct buffer as_of = {0};
        as_of_describe(api, &as_of);
        query_merge(query, gathered.results, gathered.result_count, &page);
        CHECK(page.count <= query->limit);
        CHECK(page.count <= page.total_matched);
        const struct query_reply reply = {
            .page = &page,
            .documents = documents,
            .elapsed_us = clock_monotonic_us() - begin_us,
            .complete = gathered.complete,
            .missing_partitions = gathered.missing,
            .missing_count = gathered.missing_count,
            .as_of = {(const char *)as_of.data, as_of.bytes},
        };
        query_reply_write(&reply, out);
        query_page_free(&page);
        buffer_free(&as_of);
    }
    gathered_free(&gathered);
    return rc;
}

static int
index_query_documents(struct api_context *api, const struct query_request *request,
                      int64_t begin_us, struct buffer *out, struct error *err)
{
    long long documents_limit = atomic_load(&api->limits.documents_limit);
    const struct engine_query *query = &request->query;
    struct query_documents documents;
    struct field_set fields;
    CHECK(request->documents.wanted);
    if (query->limit + query->offset > (uint64_t)documents_limit)
        return error_set(err, ERR_DATA,
                         "limit plus offset of a query with include_docs is more than "
                         "consumer.documents_limit, %lld: use a cursor",
                         documents_limit);
    int rc = document_fields_resolve(&request->documents, &api->fields, &fields, err);
    if (rc != 0)
        return error_wrap(err, rc, "include_docs");
    query_documents_init(&documents, query, &fields,
                         (uint64_t)atomic_load(&api->limits.documents_bytes));
    rc = index_query(api, query, &documents, begin_us, out, err);
    query_documents_free(&documents);
    return rc;
}

static void
index_refuse_query(struct api_call *call, int rc, const struct error *err)
{
    struct api_context *api = call->api;
    CHECK(rc == ERR_RETRY || rc == ERR_DATA);
    atomic_fetch_add(rc == ERR_RETRY ? &api->timed_out_queries : &api->refused_queries, 1);
    if (rc == ERR_RETRY)
        http_respond_error(call->response, 503, "%s: consumer.query_timeout_ms is %d", err->message,
                           atomic_load(&api->limits.query_timeout_ms));
    else
        http_respond_error(call->response, 400, "%s", err->message);
}

void
api_answer_query(struct api_call *call)
{
    struct api_context *api = call->api;
    int64_t begin_us = clock_monotonic_us();
    int64_t page = api->config->index_config.max_page_size;
    const struct query_limits limits = {
        .limit = (uint64_t)atomic_load(&api->limits.query_limit),
        .page = page > 0 ? (uint64_t)page : UINT64_MAX,
        .depth = FILTER_DEPTH_MAX,
        .clauses = FILTER_CLAUSES_MAX,
        .values = (uint64_t)atomic_load(&api->limits.query_values),
    };
    struct query_request request;
    struct error err = {0};
    struct arena arena;
    arena_init(&arena);
    int rc = query_request_parse(call->request->body, &limits, &arena, &request, &err);
    if (rc == 0) {
        while (sem_wait(&api->query_slots) != 0)
            CHECK(errno == EINTR);
        rc = request.documents.wanted
                 ? index_query_documents(api, &request, begin_us, &call->response->body, &err)
                 : index_query(api, &request.query, NULL, begin_us, &call->response->body, &err);
        CHECK(sem_post(&api->query_slots) == 0);
    }
    arena_free(&arena);
    if (rc == 0)
        metrics_observe_us(&api->query_times, clock_monotonic_us() - begin_us);
    else
        index_refuse_query(call, rc, &err);
}

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
        served_shard_keep_complete(api, shard, &answer.complete);
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
