/* Opening a log that was left behind.
 *
 * Happy path: the segments in the order of their names; each names the end of the one before; each
 * frame continues the one before. The last segment and the directory are then synced, because the
 * process that wrote them may have been killed before it did.
 *
 * The last segment may end in a tail that was never durable: from the first broken frame on, the
 * rest is searched for a frame that proves that the broken one had been durable (see
 * wal_format.h). There is none: the tail is cut, and a segment that is left without frames is
 * removed. There is one, or the broken frame stands in another segment: refused, untouched.
 *
 * Memory: one window of a file, as large as its largest frame.
 */
#include "consumer/wal/wal_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "consumer/wal/wal_format.h"

enum { WINDOW_BYTES = 256 << 10 };

struct recovery {
    struct wal *wal;
    wal_replay replay;
    void *context;
    struct buffer names; /* the segments' first offsets, int64_t each, ascending */
    /* The segment being read: */
    int64_t first_offset;
    int64_t size;
    struct buffer window;
    int64_t window_at;
    struct error *err;
};

/* "…/00000000000000000000.wal.tmp": what a crash left of files_replace(). */
static bool
is_leftover(const char *name)
{
    char segment[WAL_NAME_BYTES] = {0};
    int64_t first_offset;
    strncpy(segment, name, sizeof segment - 1);
    return wal_name_parse(segment, &first_offset) && strcmp(name + strlen(segment), ".tmp") == 0;
}

static int
note_name(void *context, const char *name)
{
    struct recovery *recovery = context;
    struct wal *wal = recovery->wal;
    int64_t first_offset;
    if (wal_name_parse(name, &first_offset)) {
        buffer_append(&recovery->names, &first_offset, sizeof first_offset);
        return 0;
    }
    if (is_leftover(name)) {
        char *path = memory_format("%s/%s", wal->directory, name);
        int rc = wal->files->unlink(wal->files, path, recovery->err);
        free(path);
        return rc;
    }
    if (strcmp(name, "lock") != 0)
        log_warn("wal", "%s/%s is none of ours: ignored", wal->directory, name);
    return 0;
}

/* Makes bytes [at, at + bytes) of the segment readable; `data` lives until the next call. */
static int
window_read(struct recovery *recovery, int64_t at, int64_t bytes, const uint8_t **data)
{
    struct wal *wal = recovery->wal;
    struct buffer *window = &recovery->window;
    if (at < recovery->window_at || at + bytes > recovery->window_at + (int64_t)window->bytes) {
        size_t wanted = (size_t)(bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES);
        buffer_clear(window);
        uint8_t *room = buffer_reserve(window, wanted);
        int64_t n = wal->files->read_at(wal->files, wal->handle, room, wanted, at, recovery->err);
        if (n < 0)
            return (int)n;
        if (n < bytes)
            return error_set(recovery->err, ERR_FATAL, "byte %" PRId64 ": ended while being read",
                             at + n);
        window->bytes = (size_t)n;
        recovery->window_at = at;
    }
    *data = window->data + (at - recovery->window_at);
    return 0;
}

/* 1: a whole frame stands at `at` and was written when more than `synced_above` bytes were durable;
 * 0: none does; or an error. */
static int
read_frame(struct recovery *recovery, int64_t at, int64_t synced_above, struct wal_frame *frame,
           int64_t *frame_bytes)
{
    const uint8_t *data = NULL;
    if (recovery->size - at < WAL_FRAME_FIXED_BYTES)
        return 0;
    int rc = window_read(recovery, at, WAL_FRAME_FIXED_BYTES, &data);
    if (rc != 0)
        return rc;
    *frame_bytes = wal_frame_size(data);
    int64_t synced_bytes = wal_frame_synced_bytes(data);
    if (*frame_bytes > recovery->size - at || synced_bytes <= synced_above || synced_bytes > at)
        return 0;
    rc = window_read(recovery, at, *frame_bytes, &data);
    if (rc != 0)
        return rc;
    return wal_frame_decode(data, frame) ? 1 : 0;
}

static int
refuse(const struct recovery *recovery, int64_t at, const char *reason)
{
    return error_set(recovery->err, ERR_FATAL,
                     "byte %" PRId64 ": %s; restore it, or delete %s to rebuild from the topic", at,
                     reason, recovery->wal->directory);
}

/* Returns the header's size. */
static int64_t
recover_header(struct recovery *recovery)
{
    const struct wal *wal = recovery->wal;
    const uint8_t *data = NULL;
    struct wal_header header;
    int64_t size = recovery->size < WAL_HEADER_BYTES_MAX ? recovery->size : WAL_HEADER_BYTES_MAX;
    int64_t rc = window_read(recovery, 0, size, &data);
    if (rc == 0)
        rc = wal_header_decode(data, (size_t)size, &header, recovery->err);
    if (rc < 0)
        return rc;
    if (wal_identity_check(wal->identity, header.identity, recovery->err) != 0)
        return error_wrap(
            recovery->err,
            "belongs to something else (use another data_dir, or delete %s to rebuild "
            "from the topic)",
            wal->directory);
    if (header.first_offset != recovery->first_offset)
        return refuse(recovery, 16, "the header does not fit the file's name");
    if (header.previous_offset != wal->next_offset)
        return refuse(recovery, 24, "the segment before this one is missing");
    return rc;
}

/* Replays up to the first broken frame; `*at` is where that is, or the segment's end. */
static int
recover_frames(struct recovery *recovery, int64_t *at)
{
    struct wal *wal = recovery->wal;
    int64_t expected = recovery->first_offset;
    while (*at < recovery->size) {
        struct wal_frame frame;
        int64_t frame_bytes;
        int rc = read_frame(recovery, *at, -1, &frame, &frame_bytes);
        if (rc <= 0)
            return rc;
        if (frame.first_offset < expected || frame.first_offset < wal->next_offset)
            return refuse(recovery, *at, "the frame does not continue the one before");
        rc = recovery->replay(recovery->context, &frame, recovery->err);
        if (rc != 0)
            return rc;
        wal->next_offset = expected = frame.next_offset;
        *at += frame_bytes;
    }
    return 0;
}

/* 0: the broken frame at `at` and all behind it may be cut. */
static int
check_tail(struct recovery *recovery, int64_t at)
{
    struct wal_frame frame;
    int64_t frame_bytes;
    for (int64_t later = at + WAL_ALIGN_BYTES; later < recovery->size; later += WAL_ALIGN_BYTES) {
        int rc = read_frame(recovery, later, at, &frame, &frame_bytes);
        if (rc > 0)
            return refuse(recovery, at, "a damaged frame, with later ones behind it");
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int
cut_tail(struct recovery *recovery, const char *path, int64_t at)
{
    struct wal *wal = recovery->wal;
    int rc = check_tail(recovery, at);
    if (rc == 0)
        rc = wal->files->truncate(wal->files, wal->handle, at, recovery->err);
    if (rc == 0)
        log_warn("wal", "%s: byte %" PRId64 ": torn tail of %" PRId64 " bytes cut", path, at,
                 recovery->size - at);
    return rc;
}

/* A segment whose first frame never became durable. The next append creates it again, maybe under
 * another name. */
static int
remove_empty(struct recovery *recovery, const char *path)
{
    struct wal *wal = recovery->wal;
    wal->files->close(wal->files, wal->handle);
    wal->handle = -1;
    log_warn("wal", "%s: has no frames: removed", path);
    return wal->files->unlink(wal->files, path, recovery->err);
}

/* The segment stays open to grow, ends behind its last whole frame, and is durable. */
static int
recover_last(struct recovery *recovery, const char *path, int64_t header_bytes, int64_t at)
{
    struct wal *wal = recovery->wal;
    int rc = at < recovery->size ? cut_tail(recovery, path, at) : 0;
    if (rc != 0)
        return rc;
    if (at == header_bytes)
        return remove_empty(recovery, path);
    wal->end_bytes = wal->synced_bytes = at;
    return wal->files->sync(wal->files, wal->handle, recovery->err);
}

static int
recover_closed(struct recovery *recovery, int64_t at)
{
    struct wal *wal = recovery->wal;
    if (at < recovery->size)
        return refuse(recovery, at, "a damaged frame, with later segments behind it");
    wal->files->close(wal->files, wal->handle);
    wal->handle = -1;
    wal->closed_bytes += recovery->size;
    return 0;
}

static int
recover_segment(struct recovery *recovery, const char *path, bool is_last)
{
    struct wal *wal = recovery->wal;
    int handle =
        wal->files->open(wal->files, path, is_last ? FILES_READWRITE : FILES_READ, recovery->err);
    if (handle < 0)
        return handle;
    wal->handle = handle;
    buffer_clear(&recovery->window);
    recovery->size = wal->files->size(wal->files, handle, recovery->err);
    if (recovery->size < 0)
        return (int)recovery->size;
    int64_t header_bytes = recover_header(recovery);
    if (header_bytes < 0)
        return (int)header_bytes;
    int64_t at = header_bytes;
    int rc = recover_frames(recovery, &at);
    if (rc != 0)
        return rc;
    return is_last ? recover_last(recovery, path, header_bytes, at) : recover_closed(recovery, at);
}

static int
recover_segments(struct recovery *recovery)
{
    size_t count = recovery->names.bytes / sizeof recovery->first_offset;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        memcpy(&recovery->first_offset, recovery->names.data + i * sizeof recovery->first_offset,
               sizeof recovery->first_offset);
        char *path = wal_segment_path(recovery->wal, recovery->first_offset);
        rc = recover_segment(recovery, path, i + 1 == count);
        if (rc != 0)
            error_wrap(recovery->err, "%s", path);
        free(path);
    }
    return rc;
}

int
wal_recover(struct wal *wal, wal_replay replay, void *context, struct error *err)
{
    struct recovery recovery = {.wal = wal, .replay = replay, .context = context, .err = err};
    int rc = wal->files->list(wal->files, wal->directory, note_name, &recovery, err);
    if (rc == 0)
        rc = recover_segments(&recovery);
    if (rc == 0)
        rc = wal->files->sync_directory(wal->files, wal->directory, err);
    if (rc == 0)
        wal->durable_offset = wal->next_offset;
    buffer_free(&recovery.names);
    buffer_free(&recovery.window);
    return rc;
}
