#include "consumer/query/query_reply.h"

#include "common/base/check.h"
#include "common/json/json_write.h"

static void
reply_write_ids(struct json_writer *writer, const struct query_page *page)
{
    json_key(writer, "ids");
    json_array_begin(writer);
    for (uint64_t i = 0; i < page->count; i++)
        json_integer(writer, page->hits[i].entity_id);
    json_array_end(writer);
}

static void
reply_write_documents(struct json_writer *writer, const struct query_reply *reply)
{
    const struct query_page *page = reply->page;
    json_key(writer, "documents");
    json_array_begin(writer);
    for (uint64_t i = 0; i < page->count; i++)
        json_raw(writer, query_documents_at(reply->documents, i, page->hits[i].entity_id));
    json_array_end(writer);
}

static void
reply_write_cursor(struct json_writer *writer, const struct query_page *page)
{
    json_key(writer, "cursor");
    if (!page->full) {
        json_null(writer);
        return;
    }
    CHECK(page->count > 0);
    const struct engine_hit *last = &page->hits[page->count - 1];
    json_object_begin(writer);
    json_key(writer, "sort_value");
    if (last->has_value)
        json_integer(writer, last->value);
    else
        json_null(writer);
    json_key(writer, "slot_id");
    json_integer(writer, last->entity_id);
    json_object_end(writer);
}

static void
reply_write_proof(struct json_writer *writer, const struct query_reply *reply)
{
    bool is_known = reply->snapshot != NULL;
    CHECK(!is_known || reply->lag_s >= 0);
    json_key(writer, "snapshot");
    if (is_known)
        json_string(writer, reply->snapshot);
    else
        json_null(writer);
    json_key(writer, "tick");
    if (is_known)
        json_integer(writer, reply->tick);
    else
        json_null(writer);
    json_key(writer, "lag_seconds");
    if (is_known)
        json_float(writer, reply->lag_s);
    else
        json_null(writer);
}

void
query_reply_write(const struct query_reply *reply, struct buffer *out)
{
    struct json_writer writer;
    CHECK(reply->page->count <= reply->page->total_matched);
    CHECK(reply->elapsed_us >= 0);
    CHECK(!reply->complete || reply->missing_count == 0);
    json_writer_init(&writer, out);
    json_object_begin(&writer);
    reply_write_ids(&writer, reply->page);
    if (reply->documents != NULL)
        reply_write_documents(&writer, reply);
    json_key(&writer, "total_matched");
    json_integer(&writer, (int64_t)reply->page->total_matched);
    json_key(&writer, "elapsed_us");
    json_integer(&writer, reply->elapsed_us);
    reply_write_cursor(&writer, reply->page);
    json_key(&writer, "complete");
    json_boolean(&writer, reply->complete);
    json_key(&writer, "missing_partitions");
    json_array_begin(&writer);
    for (uint32_t i = 0; i < reply->missing_count; i++)
        json_integer(&writer, reply->missing_partitions[i]);
    json_array_end(&writer);
    reply_write_proof(&writer, reply);
    if (reply->as_of.bytes > 0) {
        json_key(&writer, "as_of");
        json_raw(&writer, reply->as_of);
    }
    json_object_end(&writer);
}
