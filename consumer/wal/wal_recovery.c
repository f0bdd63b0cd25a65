/* Happy path: wal_scan() reads the log, and every frame after begin_offset is replayed; segments
 * that end at or before begin_offset are not read. The last segment and the directory are then
 * synced, because the process that wrote them may have been killed before it did so. An unfinished
 * tail of the last segment is cut; a last segment without frames is removed.
 *
 * Failure: a log in which wal_scan() finds a problem is refused and not changed.
 */
#include "consumer/wal/wal_recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"

struct recovery {
    const struct wal_place *place;
    wal_configure configure;
    wal_replay replay;
    void *context;
    struct wal_recovered *found;
    int64_t configured; /* the first offset of the segment whose identity was reported; -1: none */
};

/* "00000000000000000000.wal.tmp": the temporary file of a files_replace() that did not finish. */
static bool
is_leftover(const char *name)
{
    char segment[WAL_NAME_BYTES] = {0};
    int64_t first_offset;
    strncpy(segment, name, sizeof segment - 1);
    return wal_name_parse(segment, &first_offset) && strcmp(name + strlen(segment), ".tmp") == 0;
}

static int
recover_unknown(void *context, const char *name, struct error *err)
{
    const struct recovery *recovery = context;
    struct files *files = recovery->place->files;
    const char *directory = recovery->place->directory;
    if (!is_leftover(name)) {
        log_warn("wal", "%s/%s is not a file of the log: ignored", directory, name);
        return 0;
    }
    char *path = memory_format("%s/%s", directory, name);
    int rc = files->unlink(files, path, err);
    free(path);
    return rc;
}

static int
replay_frame(struct recovery *recovery, const struct wal_segment *segment,
             const struct wal_frame *frame, struct error *err)
{
    int rc = 0;
    CHECK(segment->identity.bytes > 0 || recovery->place->identity.bytes == 0);
    if (recovery->configure != NULL && recovery->configured != segment->first_offset)
        rc = recovery->configure(recovery->context, segment->identity, err);
    recovery->configured = segment->first_offset;
    if (rc == 0)
        rc = recovery->replay(recovery->context, frame, err);
    return rc == 0 ? 0 : error_wrap(err, rc, "byte %" PRId64, segment->end_bytes);
}

static int
recover_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
              struct error *err)
{
    struct recovery *recovery = context;
    int64_t begin_offset = recovery->place->begin_offset;
    CHECK(frame->first_offset >= recovery->found->next_offset);
    if (frame->next_offset > begin_offset && frame->first_offset < begin_offset)
        return error_set(err, ERR_FATAL,
                         "byte %" PRId64 ": the frame of offsets %" PRId64 " to %" PRId64
                         " crosses offset %" PRId64 ", the position of the checkpoint",
                         segment->end_bytes, frame->first_offset, frame->next_offset - 1,
                         begin_offset);
    if (frame->next_offset > begin_offset) {
        int rc = replay_frame(recovery, segment, frame, err);
        if (rc != 0)
            return rc;
    }
    recovery->found->next_offset = frame->next_offset;
    return 0;
}

/* The first frame of the segment never became durable. The next append creates the segment again,
 * possibly under another name. */
static int
remove_empty(const struct wal_place *place, const struct wal_segment *segment, struct error *err)
{
    CHECK(segment->is_last && segment->frames == 0);
    log_warn("wal", "%s: the segment has no frames: removed", segment->path);
    return place->files->unlink(place->files, segment->path, err);
}

/* Frames of another identity go into another segment. */
static void
recover_close_last(struct wal_recovered *found, struct files *files)
{
    CHECK(found->handle >= 0);
    wal_segments_close_last(&found->segments, found->end_bytes);
    files->close(files, found->handle);
    found->handle = -1;
    found->end_bytes = 0;
}

/* Opens the segment for writing, cuts what follows its last whole frame, and syncs it. */
static int
recover_last(const struct recovery *recovery, const struct wal_segment *segment, struct error *err)
{
    struct files *files = recovery->place->files;
    struct wal_recovered *found = recovery->found;
    int64_t at = segment->end_bytes;
    CHECK(segment->is_last && found->handle < 0);
    CHECK(0 < at && at <= segment->bytes);
    found->handle = files->open(files, segment->path, FILES_READWRITE, err);
    if (found->handle < 0)
        return found->handle;
    if (at < segment->bytes) {
        int rc = files->truncate(files, found->handle, at, err);
        if (rc != 0)
            return rc;
        log_warn("wal", "%s: byte %" PRId64 ": cut a torn tail of %" PRId64 " bytes", segment->path,
                 at, segment->bytes - at);
    }
    found->end_bytes = at;
    int rc = files->sync(files, found->handle, err);
    if (rc == 0 && !text_equal(segment->identity, recovery->place->identity))
        recover_close_last(found, files);
    return rc;
}

static int
recover_segment(void *context, const struct wal_segment *segment, struct error *err)
{
    const struct recovery *recovery = context;
    if (segment->is_last && segment->frames == 0)
        return remove_empty(recovery->place, segment, err);
    CHECK(segment->frames == 0 || segment->next_offset == recovery->found->next_offset);
    wal_segments_append(&recovery->found->segments, segment->first_offset);
    if (segment->is_last)
        return recover_last(recovery, segment, err);
    CHECK(segment->end_bytes == segment->bytes);
    wal_segments_close_last(&recovery->found->segments, segment->bytes);
    return 0;
}

static int
recover_skipped(void *context, const struct wal_segment *segment, struct error *err)
{
    const struct recovery *recovery = context;
    (void)err;
    CHECK(!segment->is_last && segment->first_offset < recovery->place->begin_offset);
    wal_segments_append(&recovery->found->segments, segment->first_offset);
    wal_segments_close_last(&recovery->found->segments, segment->bytes);
    return 0;
}

int
wal_recover(const struct wal_place *place, wal_configure configure, wal_replay replay,
            void *context, struct wal_recovered *recovered, struct error *err)
{
    *recovered = (struct wal_recovered){.handle = -1, .next_offset = -1};
    struct recovery recovery = {place, configure, replay, context, recovered, -1};
    const struct wal_visitor visitor = {
        .context = &recovery,
        .unknown = recover_unknown,
        .frame = recover_frame,
        .segment = recover_segment,
        .skipped = recover_skipped,
    };
    int rc = wal_scan(place, &visitor, err);
    if (rc == 0)
        rc = place->files->sync_directory(place->files, place->directory, err);
    CHECK(recovered->handle < 0 || recovered->segments.count > 0);
    return rc;
}
