#include "consumer/wal/wal_segments.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

static struct wal_file *
segments_last(struct wal_segments *segments)
{
    CHECK(0 < segments->count && segments->count <= segments->capacity);
    return &segments->items[segments->count - 1];
}

void
wal_segments_append(struct wal_segments *segments, int64_t first_offset)
{
    CHECK(first_offset >= 0);
    if (segments->count > 0) {
        CHECK(segments_last(segments)->bytes != WAL_FILE_OPEN);
        CHECK(segments_last(segments)->first_offset < first_offset);
    }
    if (segments->count == segments->capacity) {
        segments->capacity = segments->capacity == 0 ? 16 : 2 * segments->capacity;
        segments->items =
            memory_realloc(segments->items, segments->capacity * sizeof *segments->items);
    }
    CHECK(segments->count < segments->capacity);
    segments->items[segments->count++] = (struct wal_file){first_offset, WAL_FILE_OPEN};
}

void
wal_segments_close_last(struct wal_segments *segments, int64_t bytes)
{
    struct wal_file *last = segments_last(segments);
    CHECK(last->bytes == WAL_FILE_OPEN);
    CHECK(bytes >= 0);
    last->bytes = bytes;
    segments->bytes += bytes;
}

void
wal_segments_remove_first(struct wal_segments *segments)
{
    CHECK(segments->count > 1);
    CHECK(segments->items[0].first_offset < segments->items[1].first_offset);
    CHECK(0 <= segments->items[0].bytes && segments->items[0].bytes <= segments->bytes);
    segments->bytes -= segments->items[0].bytes;
    segments->count--;
    memmove(segments->items, segments->items + 1, segments->count * sizeof *segments->items);
}

void
wal_segments_free(struct wal_segments *segments)
{
    free(segments->items);
    *segments = (struct wal_segments){0};
}
