#include "consumer/api/cursors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/http/server.h"
#include "common/json/json_write.h"
#include "consumer/api/partition_status.h"
#include "consumer/ingest/http_sources.h"

enum { CURSOR_NAME_BYTES = SEQUENCE_NAME_BYTES + 16 };

_Static_assert((int)OPS_SOURCE_BYTES_MAX < (int)CURSOR_NAME_BYTES, "names of HTTP sources fit");

struct cursor {
    char name[CURSOR_NAME_BYTES];
    int64_t value;
};

struct cursor_list {
    struct cursor *items;
    uint32_t count;
};

static void
cursors_add(struct cursor_list *list, const char *name, int64_t value)
{
    struct cursor *cursor = &list->items[list->count++];
    CHECK(value >= 0);
    CHECK(name[0] != '\0');
    CHECK(strlen(name) < sizeof cursor->name);
    memcpy(cursor->name, name, strlen(name) + 1);
    cursor->value = value;
}

/* A partition that has not read an event of the numbered source has no cursor. */
static void
cursors_add_partition(struct cursor_list *list, const struct partition_status *status)
{
    const struct sequence *sequence = &status->shard.sequence;
    char name[CURSOR_NAME_BYTES];
    if (sequence->source[0] == '\0')
        return;
    snprintf(name, sizeof name, "%s:%d", sequence->source, status->partition);
    cursors_add(list, name, sequence->row_id);
}

/* The caller frees `items`. */
static struct cursor_list
cursors_read(struct api_context *api)
{
    struct partition_status_list partitions;
    struct http_source sources[HTTP_SOURCES_MAX];
    partition_status_read(api, false, &partitions);
    uint32_t source_count = http_sources_read(api->sources, sources);
    struct cursor_list list = {0};
    list.items = memory_zalloc((partitions.count + HTTP_SOURCES_MAX) * sizeof *list.items);
    for (uint32_t i = 0; i < partitions.count; i++)
        cursors_add_partition(&list, &partitions.items[i]);
    for (uint32_t i = 0; i < source_count; i++)
        if (sources[i].cursor >= 0)
            cursors_add(&list, sources[i].source, sources[i].cursor);
    CHECK(list.count <= partitions.count + source_count);
    partition_status_free(&partitions);
    return list;
}

static void
cursor_write(struct json_writer *json, const struct cursor *cursor)
{
    CHECK(cursor->name[0] != '\0');
    json_object_begin(json);
    json_key(json, "name");
    json_string(json, cursor->name);
    json_key(json, "value");
    json_integer(json, cursor->value);
    json_object_end(json);
}

void
api_answer_cursors(struct api_call *call)
{
    struct cursor_list list = cursors_read(call->api);
    struct json_writer json;
    json_writer_init(&json, &call->response->body);
    json_object_begin(&json);
    json_key(&json, "cursors");
    json_array_begin(&json);
    for (uint32_t i = 0; i < list.count; i++)
        cursor_write(&json, &list.items[i]);
    json_array_end(&json);
    json_object_end(&json);
    free(list.items);
}

void
api_answer_cursor(struct api_call *call)
{
    struct cursor_list list = cursors_read(call->api);
    struct json_writer json;
    uint32_t at = 0;
    while (at < list.count && !text_is(call->id, list.items[at].name))
        at++;
    json_writer_init(&json, &call->response->body);
    if (at < list.count)
        cursor_write(&json, &list.items[at]);
    else
        http_respond_error(call->response, 404, "Cursor '%.*s' not found", TEXT_ARGS(call->id));
    free(list.items);
}
