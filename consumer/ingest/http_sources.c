#include "consumer/ingest/http_sources.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mutex.h"

struct http_sources {
    pthread_mutex_t lock;
    struct http_source items[HTTP_SOURCES_MAX];
    uint32_t count;
    int64_t heard;
};

struct http_sources *
http_sources_create(void)
{
    struct http_sources *posters = memory_zalloc(sizeof *posters);
    mutex_init(&posters->lock);
    return posters;
}

void
http_sources_destroy(struct http_sources *posters)
{
    mutex_destroy(&posters->lock);
    free(posters);
}

/* The one of that name; a new one, which takes the place of the one not heard of for longest. */
static struct http_source *
http_sources_find(struct http_sources *posters, struct text source)
{
    struct http_source *oldest = &posters->items[0];
    for (uint32_t i = 0; i < posters->count; i++) {
        struct http_source *poster = &posters->items[i];
        if (text_is(source, poster->source))
            return poster;
        if (poster->heard < oldest->heard)
            oldest = poster;
    }
    if (posters->count < HTTP_SOURCES_MAX)
        oldest = &posters->items[posters->count++];
    *oldest = (struct http_source){.cursor = -1, .max_id = -1, .lag_rows = -1};
    snprintf(oldest->source, sizeof oldest->source, "%.*s", TEXT_ARGS(source));
    return oldest;
}

static void
http_sources_keep(int64_t *kept, int64_t said)
{
    if (said >= 0)
        *kept = said;
}

void
http_sources_record(struct http_sources *posters, const struct ops_meta *meta, uint64_t ops)
{
    if (meta->source.bytes == 0)
        return;
    mutex_lock(&posters->lock);
    struct http_source *poster = http_sources_find(posters, meta->source);
    http_sources_keep(&poster->cursor, meta->cursor);
    http_sources_keep(&poster->max_id, meta->max_id);
    http_sources_keep(&poster->lag_rows, meta->lag_rows);
    poster->ops += ops;
    poster->heard = ++posters->heard;
    mutex_unlock(&posters->lock);
}

uint32_t
http_sources_read(struct http_sources *posters, struct http_source out[static HTTP_SOURCES_MAX])
{
    mutex_lock(&posters->lock);
    uint32_t count = posters->count;
    memcpy(out, posters->items, count * sizeof *out);
    mutex_unlock(&posters->lock);
    return count;
}
