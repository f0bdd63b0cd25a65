#include "consumer/api/documents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/http/server.h"
#include "common/json/json_write.h"
#include "consumer/api/as_of.h"
#include "consumer/api/entity_id.h"
#include "consumer/api/served_shard.h"
#include "consumer/engine/engine.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/shard.h"
#include "consumer/query/document_request.h"

/* A document in the buffer of all. */
struct document_place {
    size_t at;
    size_t bytes; /* 0: it was not read */
};

/* The documents of a request. */
struct documents {
    struct api_context *api;
    const struct document_request *request;
    struct field_set fields;
    struct document_place *places; /* by the ids of the request */
    struct buffer json;            /* all documents, shard by shard */
    int32_t *missing;              /* partitions that cannot answer */
    uint32_t missing_count;
    bool complete;
    int32_t partition; /* that is being read */
};

/* False: no entity has this id. */
static bool
documents_find_partition(const struct documents *documents, int64_t id, int32_t *partition)
{
    *partition = id < 0 ? -1 : (int32_t)(id % documents->api->config->topic.partitions);
    return *partition >= 0;
}

/* Reads the documents of one partition. */
static int
documents_read(void *context, const struct engine *engine, struct error *err)
{
    struct documents *documents = context;
    int64_t bytes_max = atomic_load(&documents->api->limits.documents_bytes);
    for (uint32_t i = 0; i < documents->request->count; i++) {
        int64_t id = documents->request->ids[i];
        int32_t partition;
        if (!documents_find_partition(documents, id, &partition) ||
            partition != documents->partition)
            continue;
        struct document_place *place = &documents->places[i];
        place->at = documents->json.bytes;
        engine_document_json(engine, id, &documents->fields, &documents->json);
        place->bytes = documents->json.bytes - place->at;
        CHECK(place->bytes > 0);
        if (documents->json.bytes > (size_t)bytes_max)
            return error_set(err, ERR_DATA,
                             "the documents have more than consumer.documents_bytes, %lld: ask for "
                             "fewer fields or ids",
                             (long long)bytes_max);
    }
    return 0;
}

static int
documents_read_partition(struct documents *documents, int32_t partition, struct error *err)
{
    struct field_set used = documents->fields;
    struct field_set complete = {{0}};
    struct shard *shard = served_shard_find(documents->api, partition, &complete);
    if (shard == NULL) {
        documents->missing[documents->missing_count++] = partition;
        documents->complete = false;
        return 0;
    }
    documents->partition = partition;
    field_set_add(&used, FIELD_ALIVE);
    int rc = shard_read(shard, documents_read, documents, err);
    served_shard_keep_complete(shard, &complete);
    documents->complete = documents->complete && field_set_includes(&complete, &used);
    return rc;
}

static int
documents_gather(struct documents *documents, struct error *err)
{
    struct api_context *api = documents->api;
    int32_t partitions = api->config->topic.partitions;
    bool *is_read = memory_zalloc((size_t)partitions * sizeof *is_read);
    int rc = 0;
    documents->complete = true;
    assignment_enter(api->assignment);
    for (uint32_t i = 0; rc == 0 && i < documents->request->count; i++) {
        int32_t partition;
        if (!documents_find_partition(documents, documents->request->ids[i], &partition) ||
            is_read[partition])
            continue;
        is_read[partition] = true;
        rc = documents_read_partition(documents, partition, err);
    }
    assignment_leave(api->assignment);
    CHECK(documents->missing_count <= (uint32_t)partitions);
    free(is_read);
    return rc;
}

static struct text
documents_text(const struct documents *documents, uint32_t at)
{
    const struct document_place *place = &documents->places[at];
    CHECK(place->at + place->bytes <= documents->json.bytes);
    if (place->bytes == 0)
        return TEXT("null");
    return (struct text){(const char *)documents->json.data + place->at, place->bytes};
}

static void
documents_write_list(const struct documents *documents, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, "documents");
    json_array_begin(&json);
    for (uint32_t i = 0; i < documents->request->count; i++)
        json_raw(&json, documents_text(documents, i));
    json_array_end(&json);
    json_key(&json, "complete");
    json_boolean(&json, documents->complete);
    json_key(&json, "missing_partitions");
    json_array_begin(&json);
    for (uint32_t i = 0; i < documents->missing_count; i++)
        json_integer(&json, documents->missing[i]);
    json_array_end(&json);
    as_of_write(documents->api, &json);
    json_object_end(&json);
}

static void
documents_write_one(const struct documents *documents, struct http_response *response)
{
    struct text text = documents_text(documents, 0);
    CHECK(documents->request->count == 1);
    if (documents->missing_count > 0) {
        http_respond_error(response, 503,
                           "partition %d is not on this process, or still recovering",
                           documents->missing[0]);
        return;
    }
    response->header = "Bitdex-Complete";
    snprintf(response->header_value, sizeof response->header_value, "%s",
             documents->complete ? "true" : "false");
    buffer_append(&response->body, text.data, text.bytes);
}

/* Answers a request that was parsed: `is_list`, with the list of the documents. */
static int
documents_answer(struct api_call *call, const struct document_request *request, bool is_list,
                 struct error *err)
{
    struct api_context *api = call->api;
    struct documents documents = {.api = api, .request = request};
    int rc = document_fields_resolve(&request->fields, &api->fields, &documents.fields, err);
    if (rc != 0)
        return error_wrap(err, rc, "fields");
    documents.places = memory_zalloc(request->count * sizeof *documents.places);
    documents.missing =
        memory_zalloc((size_t)api->config->topic.partitions * sizeof *documents.missing);
    buffer_init(&documents.json);
    while (sem_wait(&api->query_slots) != 0)
        CHECK(errno == EINTR);
    rc = documents_gather(&documents, err);
    CHECK(sem_post(&api->query_slots) == 0);
    if (rc == 0 && is_list)
        documents_write_list(&documents, &call->response->body);
    else if (rc == 0)
        documents_write_one(&documents, call->response);
    buffer_free(&documents.json);
    free(documents.missing);
    free(documents.places);
    return rc;
}

void
api_answer_documents(struct api_call *call)
{
    struct document_request request;
    struct error err = {0};
    struct arena arena;
    uint64_t limit = (uint64_t)atomic_load(&call->api->limits.documents_limit);
    arena_init(&arena);
    int rc = document_request_parse(call->request->body, limit, &arena, &request, &err);
    if (rc == 0)
        rc = documents_answer(call, &request, true, &err);
    if (rc != 0)
        http_respond_error(call->response, 400, "%s", err.message);
    arena_free(&arena);
}

void
api_answer_document(struct api_call *call)
{
    struct document_request request;
    struct error err = {0};
    struct arena arena;
    arena_init(&arena);
    int rc = document_request_parse_one(call->request->body, &arena, &request, &err);
    if (rc == 0)
        rc = documents_answer(call, &request, false, &err);
    if (rc != 0)
        http_respond_error(call->response, 400, "%s", err.message);
    arena_free(&arena);
}

void
api_answer_document_of(struct api_call *call)
{
    int64_t id;
    struct error err = {0};
    if (!entity_id_read(call->id, &id)) {
        http_respond_error(call->response, 400, "'%.*s' is not an entity id", TEXT_ARGS(call->id));
        return;
    }
    const struct document_request request = {
        .ids = &id, .count = 1, .fields = {.wanted = true, .all = true}};
    if (documents_answer(call, &request, false, &err) != 0)
        http_respond_error(call->response, 400, "%s", err.message);
}
