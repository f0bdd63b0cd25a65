#include "consumer/api/posters.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

struct posters {
    pthread_mutex_t lock;
    struct poster items[POSTERS_MAX];
    uint32_t count;
    int64_t heard;
};

struct posters *
posters_create(void)
{
    struct posters *posters = memory_zalloc(sizeof *posters);
    CHECK(pthread_mutex_init(&posters->lock, NULL) == 0);
    return posters;
}

void
posters_destroy(struct posters *posters)
{
    pthread_mutex_destroy(&posters->lock);
    free(posters);
}

/* The one of that name; a new one, which takes the place of the one not heard of for longest. */
static struct poster *
posters_find(struct posters *posters, struct text source)
{
    struct poster *oldest = &posters->items[0];
    for (uint32_t i = 0; i < posters->count; i++) {
        struct poster *poster = &posters->items[i];
        if (text_is(source, poster->source))
            return poster;
        if (poster->heard < oldest->heard)
            oldest = poster;
    }
    if (posters->count < POSTERS_MAX)
        oldest = &posters->items[posters->count++];
    *oldest = (struct poster){.cursor = -1, .max_id = -1, .lag_rows = -1};
    snprintf(oldest->source, sizeof oldest->source, "%.*s", TEXT_ARGS(source));
    return oldest;
}

static void
posters_keep(int64_t *kept, int64_t said)
{
    if (said >= 0)
        *kept = said;
}

void
posters_note(struct posters *posters, const struct ops_meta *meta, uint64_t ops)
{
    if (meta->source.bytes == 0)
        return;
    CHECK(pthread_mutex_lock(&posters->lock) == 0);
    struct poster *poster = posters_find(posters, meta->source);
    posters_keep(&poster->cursor, meta->cursor);
    posters_keep(&poster->max_id, meta->max_id);
    posters_keep(&poster->lag_rows, meta->lag_rows);
    poster->ops += ops;
    poster->heard = ++posters->heard;
    CHECK(pthread_mutex_unlock(&posters->lock) == 0);
}

uint32_t
posters_read(struct posters *posters, struct poster out[static POSTERS_MAX])
{
    CHECK(pthread_mutex_lock(&posters->lock) == 0);
    uint32_t count = posters->count;
    memcpy(out, posters->items, count * sizeof *out);
    CHECK(pthread_mutex_unlock(&posters->lock) == 0);
    return count;
}
