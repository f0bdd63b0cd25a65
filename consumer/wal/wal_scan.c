/* Happy path: the segments are read in the order of their names. Each header names the end of the
 * previous segment, and each frame continues the previous frame.
 *
 * The last segment may end in a tail that was never durable. Therefore the bytes after its first
 * broken frame are searched for a frame that proves that the broken one had been durable
 * (wal_format.h). If there is such a frame, the broken one is a problem; if not, the tail is
 * unfinished. A broken frame in any other segment is a problem.
 *
 * Memory: one window of a file, as large as its largest frame.
 */
#include "consumer/wal/wal_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "consumer/wal/wal_format.h"
#include "consumer/wal/wal_identity.h"

enum {
    WINDOW_BYTES = 256 << 10,
    OFFSET_UNKNOWN = -2, /* after a segment that was not read to its end */
};

#define WAY_OUT "; restore the file, or delete %s to rebuild from the topic, if the index has one"

struct scan {
    struct wal_place place;
    const struct wal_visitor *visitor;
    struct buffer names;     /* the segments' first offsets, int64_t each, ascending */
    int64_t previous_offset; /* what the next header must name: the next offset of the last frame,
                              * -1 before the first frame, or OFFSET_UNKNOWN */
    int64_t next_offset;     /* no later frame may begin below it; never decreases */
    /* The segment being read: */
    struct wal_segment segment;
    bool segment_is_skipped;
    int handle;
    struct buffer window;
    int64_t window_at;
    struct buffer identity;
    struct error *err;
};

/* Makes bytes [at, at + bytes) of the segment readable; `data` is valid until the next call. */
static int
window_read(struct scan *scan, int64_t at, int64_t bytes, const uint8_t **data)
{
    struct files *files = scan->place.files;
    struct buffer *window = &scan->window;
    CHECK(0 <= at && 0 <= bytes && at + bytes <= scan->segment.bytes);
    if (at < scan->window_at || at + bytes > scan->window_at + (int64_t)window->bytes) {
        size_t wanted = (size_t)(bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES);
        buffer_clear(window);
        uint8_t *room = buffer_reserve(window, wanted);
        int64_t n = files->read_at(files, scan->handle, room, wanted, at, scan->err);
        if (n < 0)
            return (int)n;
        if (n < bytes)
            return error_set(scan->err, ERR_FATAL,
                             "byte %" PRId64 ": the file became shorter while it was read", at + n);
        window->bytes = (size_t)n;
        scan->window_at = at;
    }
    CHECK(scan->window_at <= at && at + bytes <= scan->window_at + (int64_t)window->bytes);
    *data = window->data + (at - scan->window_at);
    return 0;
}

/* 1: at `at` there is a whole frame that was written when more than `synced_above` bytes were
 * durable; 0: there is not; negative: an error. */
static int
read_frame(struct scan *scan, int64_t at, int64_t synced_above, struct wal_frame *frame,
           int64_t *frame_bytes)
{
    const uint8_t *data = NULL;
    int64_t left = scan->segment.bytes - at;
    CHECK(at > 0 && at % WAL_ALIGN_BYTES == 0);
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
                     scan->place.directory);
}

static int
check_header(struct scan *scan, const struct wal_header *header)
{
    struct error difference = {0};
    const struct wal_place *place = &scan->place;
    if (place->identity.data != NULL &&
        wal_identity_check(place->identity, header->identity, &difference) != 0)
        return error_set(scan->err, ERR_FATAL,
                         "belongs to another index, topic or partition: %s; use another "
                         "data_dir, or delete %s to rebuild from the topic, if the index has one",
                         difference.message, place->directory);
    if (header->first_offset != scan->segment.first_offset)
        return refuse(scan, 16, "the offset in the header is not the one in the file's name");
    if (header->previous_offset != scan->previous_offset &&
        scan->previous_offset != OFFSET_UNKNOWN && header->previous_offset > place->begin_offset)
        return refuse(scan, 24, "the previous segment is missing");
    buffer_clear(&scan->identity);
    buffer_append(&scan->identity, header->identity.data, header->identity.bytes);
    scan->segment.identity = (struct text){(const char *)scan->identity.data, scan->identity.bytes};
    scan->previous_offset = header->previous_offset;
    if (header->previous_offset > scan->next_offset)
        scan->next_offset = header->previous_offset;
    return 0;
}

static int
scan_header(struct scan *scan)
{
    struct wal_segment *segment = &scan->segment;
    int64_t bytes = segment->bytes < WAL_HEADER_BYTES_MAX ? segment->bytes : WAL_HEADER_BYTES_MAX;
    CHECK(segment->end_bytes == 0 && segment->frames == 0);
    const uint8_t *data = NULL;
    int rc = window_read(scan, 0, bytes, &data);
    if (rc != 0)
        return rc;
    struct wal_header header;
    struct error reason = {0};
    int64_t header_bytes = wal_header_decode(data, (size_t)bytes, &header, &reason);
    if (header_bytes < 0)
        return error_set(scan->err, ERR_FATAL, "%s" WAY_OUT, reason.message, scan->place.directory);
    CHECK(header_bytes <= bytes);
    segment->end_bytes = header_bytes;
    return check_header(scan, &header);
}

/* Reads frames up to the first broken one, or to the end of the segment. */
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
            return refuse(scan, segment->end_bytes,
                          "the frame does not continue the previous frame");
        rc = visitor->frame == NULL ? 0
                                    : visitor->frame(visitor->context, segment, &frame, scan->err);
        if (rc != 0)
            return rc;
        CHECK(frame.next_offset > scan->next_offset);
        segment->next_offset = frame.next_offset;
        scan->previous_offset = scan->next_offset = frame.next_offset;
        segment->end_bytes += frame_bytes;
        segment->frames++;
        CHECK(segment->end_bytes <= segment->bytes);
    }
    return 0;
}

/* 0: what follows the last whole frame, if anything, is an unfinished tail. */
static int
check_tail(struct scan *scan)
{
    struct wal_frame frame;
    int64_t frame_bytes, at = scan->segment.end_bytes;
    CHECK(0 < at && at <= scan->segment.bytes);
    if (at < scan->segment.bytes && !scan->segment.is_last)
        return refuse(scan, at, "a damaged frame, followed by later segments");
    if (scan->segment.frames == 0 && !scan->segment.is_last)
        return refuse(scan, at, "a segment without frames, followed by later segments");
    for (int64_t later = at + WAL_ALIGN_BYTES; later < scan->segment.bytes;
         later += WAL_ALIGN_BYTES) {
        int rc = read_frame(scan, later, at, &frame, &frame_bytes);
        if (rc > 0)
            return refuse(scan, at, "a damaged frame, followed by valid frames");
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int
scan_file(struct scan *scan)
{
    const struct wal_visitor *visitor = scan->visitor;
    int64_t bytes = scan->place.files->size(scan->place.files, scan->handle, scan->err);
    if (bytes < 0)
        return (int)bytes;
    scan->segment.bytes = bytes;
    if (scan->segment_is_skipped) {
        scan->previous_offset = OFFSET_UNKNOWN;
        return visitor->skipped(visitor->context, &scan->segment, scan->err);
    }
    buffer_clear(&scan->window);
    int rc = scan_header(scan);
    if (rc == 0)
        rc = scan_frames(scan);
    CHECK(scan->segment.end_bytes <= scan->segment.bytes);
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

/* Was the segment removed after the directory was listed, perhaps with the directory? */
static bool
is_gone(const struct scan *scan)
{
    struct files *files = scan->place.files;
    char name[WAL_NAME_BYTES];
    wal_name_format(scan->segment.first_offset, name);
    return files->list(files, scan->place.directory, is_name, name, NULL) != 1;
}

static int
scan_segment(struct scan *scan)
{
    struct files *files = scan->place.files;
    const char *path = scan->segment.path;
    scan->handle = files->open(files, path, FILES_READ, scan->err);
    if (scan->handle < 0 && is_gone(scan)) {
        scan->previous_offset = OFFSET_UNKNOWN;
        return 0;
    }
    int rc = scan->handle;
    if (scan->handle >= 0) {
        rc = scan_file(scan);
        files->close(files, scan->handle);
    }
    if (rc >= 0)
        return rc;
    error_wrap(scan->err, rc, "%s", path);
    if (scan->visitor->problem == NULL)
        return rc;
    scan->previous_offset = OFFSET_UNKNOWN;
    return scan->visitor->problem(scan->visitor->context, &scan->segment, scan->err);
}

static int64_t
scan_name(const struct scan *scan, size_t at)
{
    int64_t first_offset;
    CHECK((at + 1) * sizeof first_offset <= scan->names.bytes);
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
        char *path = wal_path(scan->place.directory, first_offset);
        CHECK(i == 0 || scan_name(scan, i - 1) < first_offset);
        scan->segment = (struct wal_segment){
            .path = path,
            .first_offset = first_offset,
            .next_offset = first_offset,
            .is_last = i + 1 == count,
        };
        scan->segment_is_skipped = scan->visitor->skipped != NULL && i + 1 < count &&
                                   scan_name(scan, i + 1) <= scan->place.begin_offset;
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
    CHECK(scan->segment.path == NULL); /* all names come before the first segment is read */
    if (wal_name_parse(name, &first_offset))
        buffer_append(&scan->names, &first_offset, sizeof first_offset);
    else if (strcmp(name, "lock") != 0 && strcmp(name, "checkpoint") != 0 &&
             visitor->unknown != NULL)
        return visitor->unknown(visitor->context, name, scan->err);
    return 0;
}

int
wal_scan(const struct wal_place *place, const struct wal_visitor *visitor, struct error *err)
{
    CHECK(place->begin_offset >= 0);
    struct scan scan = {
        .place = *place,
        .visitor = visitor,
        .previous_offset = -1,
        .next_offset = -1,
        .err = err,
    };
    int rc = place->files->list(place->files, place->directory, note_name, &scan, err);
    if (rc == 0)
        rc = scan_segments(&scan);
    buffer_free(&scan.names);
    buffer_free(&scan.window);
    buffer_free(&scan.identity);
    return rc;
}
