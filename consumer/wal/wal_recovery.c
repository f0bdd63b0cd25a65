/* Opening a log that was left behind.
 *
 * Happy path: every frame behind begin_offset is replayed, and segments that lie before it are not
 * even read; the last segment and the directory are then synced, because
 * the process that wrote them may have been killed before it did. An unfinished tail of the last
 * segment is cut, and a segment that is left without frames removed.
 *
 * Failure: what wal_scan() calls a problem is refused, untouched.
 */
#include "consumer/wal/wal_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "consumer/wal/wal_format.h"
#include "consumer/wal/wal_scan.h"

struct recovery {
    struct wal *wal;
    wal_replay replay;
    void *context;
};

/* "00000000000000000000.wal.tmp": what a crash left of files_replace(). */
static bool
is_leftover(const char *name)
{
    char segment[WAL_NAME_BYTES] = {0};
    int64_t first_offset;
    strncpy(segment, name, sizeof segment - 1);
    return wal_name_parse(segment, &first_offset) && strcmp(name + strlen(segment), ".tmp") == 0;
}

static int
recover_stranger(void *context, const char *name, struct error *err)
{
    const struct recovery *recovery = context;
    struct wal *wal = recovery->wal;
    if (!is_leftover(name)) {
        log_warn("wal", "%s/%s is none of ours: ignored", wal->directory, name);
        return 0;
    }
    char *path = memory_format("%s/%s", wal->directory, name);
    int rc = wal->files->unlink(wal->files, path, err);
    free(path);
    return rc;
}

static int
recover_frame(void *context, const struct wal_segment *segment, const struct wal_frame *frame,
              struct error *err)
{
    struct recovery *recovery = context;
    int64_t begin_offset = recovery->wal->begin_offset;
    int rc = 0;
    if (frame->next_offset > begin_offset && frame->first_offset < begin_offset)
        return error_set(err, ERR_FATAL,
                         "byte %" PRId64 ": a frame across offset %" PRId64
                         ", where the state stands that the log goes on from",
                         segment->end_bytes, begin_offset);
    if (frame->next_offset > begin_offset)
        rc = recovery->replay(recovery->context, frame, err);
    if (rc == 0)
        recovery->wal->next_offset = frame->next_offset;
    return rc;
}

/* The first frame of the segment never became durable. The next append creates it again, maybe
 * under another name. */
static int
remove_empty(struct wal *wal, const struct wal_segment *segment, struct error *err)
{
    log_warn("wal", "%s: has no frames: removed", segment->path);
    return wal->files->unlink(wal->files, segment->path, err);
}

/* The segment stays open to grow, ends behind its last whole frame, and is durable. */
static int
recover_last(struct wal *wal, const struct wal_segment *segment, struct error *err)
{
    struct files *files = wal->files;
    wal->handle = files->open(files, segment->path, FILES_READWRITE, err);
    if (wal->handle < 0)
        return wal->handle;
    int64_t at = segment->end_bytes;
    if (at < segment->bytes) {
        int rc = files->truncate(files, wal->handle, at, err);
        if (rc != 0)
            return rc;
        log_warn("wal", "%s: byte %" PRId64 ": torn tail of %" PRId64 " bytes cut", segment->path,
                 at, segment->bytes - at);
    }
    wal->end_bytes = wal->synced_bytes = at;
    return files->sync(files, wal->handle, err);
}

static int
recover_segment(void *context, const struct wal_segment *segment, struct error *err)
{
    const struct recovery *recovery = context;
    if (segment->is_last && segment->frames == 0)
        return remove_empty(recovery->wal, segment, err);
    wal_note_segment(recovery->wal, segment->first_offset, segment->bytes);
    if (segment->is_last)
        return recover_last(recovery->wal, segment, err);
    recovery->wal->closed_bytes += segment->bytes;
    return 0;
}

/* Nothing in it is replayed. */
static int
recover_passed(void *context, const struct wal_segment *segment, struct error *err)
{
    const struct recovery *recovery = context;
    (void)err;
    wal_note_segment(recovery->wal, segment->first_offset, segment->bytes);
    recovery->wal->closed_bytes += segment->bytes;
    return 0;
}

int
wal_recover(struct wal *wal, wal_replay replay, void *context, struct error *err)
{
    struct recovery recovery = {wal, replay, context};
    const struct wal_visitor visitor = {
        .context = &recovery,
        .stranger = recover_stranger,
        .frame = recover_frame,
        .segment = recover_segment,
        .passed = recover_passed,
    };
    int rc = wal_scan(wal->files, wal->directory, wal->identity, wal->begin_offset, &visitor, err);
    if (rc == 0)
        rc = wal->files->sync_directory(wal->files, wal->directory, err);
    if (rc == 0)
        wal->durable_offset = wal->next_offset;
    return rc;
}
