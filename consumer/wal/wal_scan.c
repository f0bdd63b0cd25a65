/* Happy path: the segments in the order of their names; each names the end of the one before; each
 * frame continues the one before.
 *
 * The last segment may end in a tail that was never durable: from the first broken frame on, the
 * rest is searched for a frame that proves that the broken one had been durable (see
 * wal_format.h). There is none: the tail is unfinished. There is one, or the broken frame stands in
 * another segment: a problem.
 *
 * Memory: one window of a file, as large as its largest frame.
 */
#include "consumer/wal/wal_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/wal/wal_format.h"
#include "consumer/wal/wal_identity.h"

enum {
    WINDOW_BYTES = 256 << 10,
    OFFSET_UNKNOWN = -2, /* behind a segment that was not read to its end */
};

#define WAY_OUT "; restore it, or delete %s to rebuild from the topic, if there is one"

struct scan {
    struct files *files;
    const char *directory;
    struct text identity;
    int64_t begin_offset;
    const struct wal_visitor *visitor;
    struct buffer names; /* the segments' first offsets, int64_t each, ascending */
    int64_t next_offset; /* one behind the last frame; -1: there was none */
    /* The segment being read: */
    struct wal_segment segment;
    bool segment_is_passed;
    int handle;
    struct buffer window;
    int64_t window_at;
    struct error *err;
};

/* Makes bytes [at, at + bytes) of the segment readable; `data` lives until the next call. */
static int
window_read(struct scan *scan, int64_t at, int64_t bytes, const uint8_t **data)
{
    struct files *files = scan->files;
    struct buffer *window = &scan->window;
    if (at < scan->window_at || at + bytes > scan->window_at + (int64_t)window->bytes) {
        size_t wanted = (size_t)(bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES);
        buffer_clear(window);
        uint8_t *room = buffer_reserve(window, wanted);
        int64_t n = files->read_at(files, scan->handle, room, wanted, at, scan->err);
        if (n < 0)
            return (int)n;
        if (n < bytes)
            return error_set(scan->err, ERR_FATAL, "byte %" PRId64 ": ended while being read",
                             at + n);
        window->bytes = (size_t)n;
        scan->window_at = at;
    }
    *data = window->data + (at - scan->window_at);
    return 0;
}

/* 1: a whole frame stands at `at` and was written when more than `synced_above` bytes were durable;
 * 0: none does; or an error. */
static int
read_frame(struct scan *scan, int64_t at, int64_t synced_above, struct wal_frame *frame,
           int64_t *frame_bytes)
{
    const uint8_t *data = NULL;
    int64_t left = scan->segment.bytes - at;
    if (left < WAL_FRAME_FIXED_BYTES)
        return 0;
    int rc = window_read(scan, at, WAL_FRAME_FIXED_BYTES, &data);
    if (rc != 0)
        return rc;
    *frame_bytes = wal_frame_size(data);
    int64_t synced_bytes = wal_frame_synced_bytes(data);
    if (*frame_bytes > left || synced_bytes <= synced_above || synced_bytes > at)
        return 0;
    rc = window_read(scan, at, *frame_bytes, &data);
    if (rc != 0)
        return rc;
    return wal_frame_decode(data, frame) ? 1 : 0;
}

static int
refuse(const struct scan *scan, int64_t at, const char *reason)
{
    return error_set(scan->err, ERR_FATAL, "byte %" PRId64 ": %s" WAY_OUT, at, reason,
                     scan->directory);
}

static int
check_header(struct scan *scan, const struct wal_header *header)
{
    struct error difference = {0};
    if (scan->identity.data != NULL &&
        wal_identity_check(scan->identity, header->identity, &difference) != 0)
        return error_set(scan->err, ERR_FATAL,
                         "belongs to another index, topic or configuration: %s; use another "
                         "data_dir, or delete %s to rebuild from the topic, if there is one",
                         difference.message, scan->directory);
    if (header->first_offset != scan->segment.first_offset)
        return refuse(scan, 16, "the header does not fit the file's name");
    if (header->previous_offset != scan->next_offset && scan->next_offset != OFFSET_UNKNOWN &&
        header->previous_offset > scan->begin_offset)
        return refuse(scan, 24, "the segment before this one is missing");
    scan->next_offset = header->previous_offset;
    return 0;
}

static int
scan_header(struct scan *scan)
{
    struct wal_segment *segment = &scan->segment;
    int64_t bytes = segment->bytes < WAL_HEADER_BYTES_MAX ? segment->bytes : WAL_HEADER_BYTES_MAX;
    const uint8_t *data = NULL;
    int rc = window_read(scan, 0, bytes, &data);
    if (rc != 0)
        return rc;
    struct wal_header header;
    struct error reason = {0};
    int64_t header_bytes = wal_header_decode(data, (size_t)bytes, &header, &reason);
    if (header_bytes < 0)
        return error_set(scan->err, ERR_FATAL, "%s" WAY_OUT, reason.message, scan->directory);
    segment->end_bytes = header_bytes;
    return check_header(scan, &header);
}

/* Up to the first broken frame, or the segment's end. */
static int
scan_frames(struct scan *scan)
{
    const struct wal_visitor *visitor = scan->visitor;
    struct wal_segment *segment = &scan->segment;
    while (segment->end_bytes < segment->bytes) {
        struct wal_frame frame;
        int64_t frame_bytes;
        int rc = read_frame(scan, segment->end_bytes, -1, &frame, &frame_bytes);
        if (rc <= 0)
            return rc;
        if (frame.first_offset < segment->next_offset || frame.first_offset < scan->next_offset)
            return refuse(scan, segment->end_bytes, "the frame does not continue the one before");
        rc = visitor->frame == NULL ? 0
                                    : visitor->frame(visitor->context, segment, &frame, scan->err);
        if (rc != 0)
            return rc;
        segment->next_offset = scan->next_offset = frame.next_offset;
        segment->end_bytes += frame_bytes;
        segment->frames++;
    }
    return 0;
}

/* 0: what stands behind the last whole frame may be unfinished. */
static int
check_tail(struct scan *scan)
{
    struct wal_frame frame;
    int64_t frame_bytes, at = scan->segment.end_bytes;
    if (at < scan->segment.bytes && !scan->segment.is_last)
        return refuse(scan, at, "a damaged frame, with later segments behind it");
    for (int64_t later = at + WAL_ALIGN_BYTES; later < scan->segment.bytes;
         later += WAL_ALIGN_BYTES) {
        int rc = read_frame(scan, later, at, &frame, &frame_bytes);
        if (rc > 0)
            return refuse(scan, at, "a damaged frame, with later ones behind it");
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int
scan_file(struct scan *scan)
{
    const struct wal_visitor *visitor = scan->visitor;
    scan->segment.bytes = scan->files->size(scan->files, scan->handle, scan->err);
    if (scan->segment.bytes < 0)
        return (int)scan->segment.bytes;
    if (scan->segment_is_passed) {
        scan->next_offset = OFFSET_UNKNOWN;
        return visitor->passed(visitor->context, &scan->segment, scan->err);
    }
    buffer_clear(&scan->window);
    int rc = scan_header(scan);
    if (rc == 0)
        rc = scan_frames(scan);
    if (rc == 0)
        rc = check_tail(scan);
    if (rc == 0 && visitor->segment != NULL)
        rc = visitor->segment(visitor->context, &scan->segment, scan->err);
    return rc;
}

static int
is_name(void *context, const char *name)
{
    return strcmp(context, name) == 0;
}

/* Was the segment removed since the directory was listed, maybe together with the directory? */
static bool
is_gone(const struct scan *scan)
{
    char name[WAL_NAME_BYTES];
    wal_name_format(scan->segment.first_offset, name);
    return scan->files->list(scan->files, scan->directory, is_name, name, NULL) != 1;
}

static int
scan_segment(struct scan *scan)
{
    const char *path = scan->segment.path;
    scan->handle = scan->files->open(scan->files, path, FILES_READ, scan->err);
    if (scan->handle < 0 && is_gone(scan)) {
        scan->next_offset = OFFSET_UNKNOWN;
        return 0;
    }
    int rc = scan->handle;
    if (scan->handle >= 0) {
        rc = scan_file(scan);
        scan->files->close(scan->files, scan->handle);
    }
    if (rc >= 0)
        return rc;
    error_wrap(scan->err, rc, "%s", path);
    if (scan->visitor->problem == NULL)
        return rc;
    scan->next_offset = OFFSET_UNKNOWN;
    return scan->visitor->problem(scan->visitor->context, &scan->segment, scan->err);
}

static int64_t
scan_name(const struct scan *scan, size_t at)
{
    int64_t first_offset;
    memcpy(&first_offset, scan->names.data + at * sizeof first_offset, sizeof first_offset);
    return first_offset;
}

static int
scan_segments(struct scan *scan)
{
    size_t count = scan->names.bytes / sizeof(int64_t);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        int64_t first_offset = scan_name(scan, i);
        char *path = wal_path(scan->directory, first_offset);
        scan->segment = (struct wal_segment){
            .path = path,
            .first_offset = first_offset,
            .next_offset = first_offset,
            .is_last = i + 1 == count,
        };
        scan->segment_is_passed = scan->visitor->passed != NULL && i + 1 < count &&
                                  scan_name(scan, i + 1) <= scan->begin_offset;
        rc = scan_segment(scan);
        free(path);
    }
    return rc;
}

static int
note_name(void *context, const char *name)
{
    struct scan *scan = context;
    const struct wal_visitor *visitor = scan->visitor;
    int64_t first_offset;
    if (wal_name_parse(name, &first_offset))
        buffer_append(&scan->names, &first_offset, sizeof first_offset);
    else if (strcmp(name, "lock") != 0 && strcmp(name, "checkpoint") != 0 &&
             visitor->stranger != NULL)
        return visitor->stranger(visitor->context, name, scan->err);
    return 0;
}

int
wal_scan(struct files *files, const char *directory, struct text identity, int64_t begin_offset,
         const struct wal_visitor *visitor, struct error *err)
{
    struct scan scan = {
        .files = files,
        .directory = directory,
        .identity = identity,
        .begin_offset = begin_offset,
        .visitor = visitor,
        .next_offset = -1,
        .err = err,
    };
    int rc = files->list(files, directory, note_name, &scan, err);
    if (rc == 0)
        rc = scan_segments(&scan);
    buffer_free(&scan.names);
    buffer_free(&scan.window);
    return rc;
}
