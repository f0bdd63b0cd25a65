#include "consumer/ingest/http_sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mutex.h"

struct http_sources {
    pthread_mutex_t lock;
    struct http_source items[HTTP_SOURCES_MAX];
    uint32_t count;
    uint64_t reports;
};

struct http_sources *
http_sources_create(void)
{
    struct http_sources *sources = memory_zalloc(sizeof *sources);
    mutex_init(&sources->lock);
    return sources;
}

void
http_sources_destroy(struct http_sources *sources)
{
    CHECK(sources->count <= HTTP_SOURCES_MAX);
    mutex_destroy(&sources->lock);
    free(sources);
}

/* The source of that name. A new source replaces the one with the oldest report if the list is
 * full. */
static struct http_source *
http_sources_find(struct http_sources *sources, struct text name)
{
    struct http_source *oldest = &sources->items[0];
    CHECK(0 < name.bytes && name.bytes <= OPS_SOURCE_BYTES_MAX);
    for (uint32_t i = 0; i < sources->count; i++) {
        struct http_source *source = &sources->items[i];
        CHECK(source->reports <= sources->reports);
        if (text_is(name, source->source))
            return source;
        if (source->reports < oldest->reports)
            oldest = source;
    }
    if (sources->count < HTTP_SOURCES_MAX)
        oldest = &sources->items[sources->count++];
    *oldest = (struct http_source){.cursor = -1, .max_id = -1, .lag_rows = -1};
    snprintf(oldest->source, sizeof oldest->source, "%.*s", TEXT_ARGS(name));
    return oldest;
}

static void
http_sources_update(int64_t *number, int64_t reported)
{
    if (reported >= 0)
        *number = reported;
}

void
http_sources_record(struct http_sources *sources, const struct ops_meta *meta, uint64_t ops)
{
    if (meta->source.bytes == 0)
        return;
    mutex_lock(&sources->lock);
    struct http_source *source = http_sources_find(sources, meta->source);
    http_sources_update(&source->cursor, meta->cursor);
    http_sources_update(&source->max_id, meta->max_id);
    http_sources_update(&source->lag_rows, meta->lag_rows);
    source->ops += ops;
    source->reports = ++sources->reports;
    mutex_unlock(&sources->lock);
}

uint32_t
http_sources_read(struct http_sources *sources, struct http_source out[static HTTP_SOURCES_MAX])
{
    mutex_lock(&sources->lock);
    uint32_t count = sources->count;
    CHECK(count <= HTTP_SOURCES_MAX);
    memcpy(out, sources->items, count * sizeof *out);
    mutex_unlock(&sources->lock);
    return count;
}
