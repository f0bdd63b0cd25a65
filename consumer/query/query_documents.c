#include "consumer/query/query_documents.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

struct query_document {
    struct engine_hit hit;
    char *json; /* NULL: not read yet */
    size_t bytes;
};

void
query_documents_init(struct query_documents *documents, const struct engine_query *query,
                     const struct field_set *fields, uint64_t bytes_max)
{
    CHECK(bytes_max > 0);
    *documents =
        (struct query_documents){.query = query, .fields = *fields, .bytes_max = bytes_max};
}

/* Frees the documents from `first` on, which are at the end. */
static void
documents_drop(struct query_documents *documents, uint64_t first)
{
    CHECK(first <= documents->count);
    for (uint64_t i = first; i < documents->count; i++) {
        CHECK(documents->bytes >= documents->best[i].bytes);
        documents->bytes -= documents->best[i].bytes;
        free(documents->best[i].json);
    }
    documents->count = first;
}

void
query_documents_free(struct query_documents *documents)
{
    documents_drop(documents, 0);
    CHECK(documents->bytes == 0);
    free(documents->best);
    documents->best = NULL;
}

/* Merges the hits of `result` into the best ones. */
static void
documents_merge(struct query_documents *documents, const struct engine_result *result)
{
    const struct engine_query *query = documents->query;
    uint64_t most = query->offset + query->limit;
    uint64_t all = documents->count + result->count;
    uint64_t wanted = all < most ? all : most;
    struct query_document *merged = memory_alloc(wanted * sizeof *merged);
    uint64_t kept = 0;
    uint64_t taken = 0;
    while (kept + taken < wanted) {
        struct query_document *next = &merged[kept + taken];
        bool is_held = taken == result->count ||
                       (kept < documents->count &&
                        engine_hit_compare(&documents->best[kept].hit, &result->hits[taken],
                                           query->sort_field.bytes > 0, query->direction) < 0);
        if (is_held)
            *next = documents->best[kept++];
        else
            *next = (struct query_document){.hit = result->hits[taken++]};
    }
    documents_drop(documents, kept);
    free(documents->best);
    documents->best = merged;
    documents->count = wanted;
    CHECK(documents->count <= most);
}

int
query_documents_take(struct query_documents *documents, const struct engine *engine,
                     const struct engine_result *result, struct error *err)
{
    struct buffer json;
    int rc = 0;
    documents_merge(documents, result);
    buffer_init(&json);
    for (uint64_t i = 0; rc == 0 && i < documents->count; i++) {
        struct query_document *document = &documents->best[i];
        if (document->json != NULL)
            continue;
        buffer_clear(&json);
        engine_document_json(engine, document->hit.entity_id, &documents->fields, &json);
        if (json.bytes > documents->bytes_max - documents->bytes)
            rc = error_set(err, ERR_DATA,
                           "the documents have more than consumer.documents_bytes, %llu: ask for "
                           "fewer fields or a smaller limit",
                           (unsigned long long)documents->bytes_max);
        if (rc != 0)
            continue;
        document->json = memory_alloc(json.bytes);
        memcpy(document->json, json.data, json.bytes);
        document->bytes = json.bytes;
        documents->bytes += json.bytes;
    }
    buffer_free(&json);
    CHECK(documents->bytes <= documents->bytes_max);
    return rc;
}

struct text
query_documents_at(const struct query_documents *documents, uint64_t place, int64_t entity_id)
{
    CHECK(documents->query->offset + place < documents->count);
    const struct query_document *document = &documents->best[documents->query->offset + place];
    CHECK(document->hit.entity_id == entity_id);
    CHECK(document->json != NULL);
    return (struct text){document->json, document->bytes};
}
