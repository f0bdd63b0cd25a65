/* Appending. A segment appears under its name when its header is durable, and at that time all
 * frames of the previous segment are durable. Therefore only the last segment can have a torn tail,
 * and every header is whole.
 *
 * Space is not allocated in advance. Preallocation helps only with blocks that already hold zeros
 * (sync is then 1.5 to 2 times faster, measured on ext4), and writing zeros means writing
 * everything twice.
 */
#include "consumer/wal/wal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "consumer/wal/wal_segments.h"

struct wal {
    struct files *files;
    char *directory;
    struct text identity; /* owned */
    int64_t segment_bytes;
    int64_t frame_bytes;
    struct wal_segments segments;
    int lock;               /* its handle; -1: not locked */
    int handle;             /* of the open segment; -1: the next append creates one */
    int64_t end_bytes;      /* of that segment: where the next frame goes */
    int64_t synced_bytes;   /* of that segment */
    int64_t next_offset;    /* after the last frame; -1: the log is empty */
    int64_t durable_offset; /* after the last durable frame; -1: no frame is durable */
    int64_t begin_offset;   /* of the oldest segment after a trim; -1: nothing was trimmed */
    struct buffer buffer;   /* the frame or header being written */
    struct error failure;   /* of a write or sync: final */
};

/* Holds between any two calls. */
static void
wal_check(const struct wal *wal)
{
    CHECK(wal->durable_offset <= wal->next_offset);
    CHECK(0 <= wal->synced_bytes && wal->synced_bytes <= wal->end_bytes);
    CHECK((wal->handle >= 0) == (wal->end_bytes > 0));
}

static int
wal_lock(struct wal *wal, struct error *err)
{
    CHECK(wal->lock < 0);
    char *path = memory_format("%s/lock", wal->directory);
    int handle = wal->files->lock(wal->files, path, err);
    free(path);
    if (handle < 0)
        return handle;
    wal->lock = handle;
    return 0;
}

static struct wal *
wal_create(struct files *files, const struct wal_options *options)
{
    struct text identity = text_of(options->identity);
    CHECK(options->segment_bytes > 0 && options->segment_bytes <= WAL_SEGMENT_BYTES_MAX);
    CHECK(options->frame_bytes > 0 && options->frame_bytes <= WAL_FRAME_BYTES_MAX);
    CHECK(options->begin_offset >= 0);
    CHECK(identity.bytes <= WAL_IDENTITY_BYTES_MAX);
    struct wal *wal = memory_alloc(sizeof *wal);
    *wal = (struct wal){
        .files = files,
        .directory = memory_strdup(options->directory),
        .identity = {memory_strdup(options->identity), identity.bytes},
        .segment_bytes = options->segment_bytes,
        .frame_bytes = options->frame_bytes,
        .lock = -1,
        .handle = -1,
        .next_offset = -1,
        .durable_offset = -1,
        .begin_offset = -1,
    };
    return wal;
}

/* Closes the open segment, all of which is durable. */
static void
wal_leave_segment(struct wal *wal)
{
    CHECK(wal->handle >= 0);
    CHECK(wal->synced_bytes == wal->end_bytes);
    wal_segments_close_last(&wal->segments, wal->end_bytes);
    wal->files->close(wal->files, wal->handle);
    wal->handle = -1;
    wal->end_bytes = 0;
    wal->synced_bytes = 0;
}

/* The log ends before `offset`, the position of the caller's state. The next frame gets a segment
 * whose header names `offset`, so that opening this log at an earlier offset reports the hole. */
static void
wal_begin(struct wal *wal, int64_t offset)
{
    CHECK(offset > wal->next_offset);
    if (wal->handle >= 0)
        wal_leave_segment(wal);
    wal->next_offset = wal->durable_offset = offset;
}

static int
wal_recover_files(struct wal *wal, const struct wal_options *options, wal_replay replay,
                  void *context, struct error *err)
{
    int64_t begin_offset = options->begin_offset;
    const struct wal_place place = {wal->files, wal->directory, wal->identity, begin_offset};
    struct wal_recovered recovered;
    int rc = wal_recover(&place, options->configure, replay, context, &recovered, err);
    wal->segments = recovered.segments;
    wal->handle = recovered.handle;
    if (rc != 0)
        return rc;
    wal->end_bytes = wal->synced_bytes = recovered.end_bytes;
    wal->next_offset = wal->durable_offset = recovered.next_offset;
    if (begin_offset > 0 && wal->next_offset < begin_offset)
        wal_begin(wal, begin_offset);
    wal_check(wal);
    return 0;
}

int
wal_open(struct files *files, const struct wal_options *options, wal_replay replay, void *context,
         struct wal **wal, struct error *err)
{
    CHECK(replay != NULL);
    struct wal *new_wal = wal_create(files, options);
    int rc = files->make_directory(files, options->directory, err);
    if (rc == 0)
        rc = wal_lock(new_wal, err);
    if (rc == 0)
        rc = wal_recover_files(new_wal, options, replay, context, err);
    if (rc != 0) {
        wal_close(new_wal);
        return error_wrap(err, rc, "cannot open the write-ahead log in %s", options->directory);
    }
    *wal = new_wal;
    return 0;
}

/* Returns the first failure on every later call, to callers that continue after it. */
static int
wal_report(struct wal *wal, int rc, struct error *err)
{
    if (rc == 0) {
        wal_check(wal);
        return 0;
    }
    CHECK(wal->failure.code != 0);
    wal->failure.code = ERR_FATAL;
    return error_set(err, ERR_FATAL, "write-ahead log: %s", wal->failure.message);
}

static int
wal_sync_segment(struct wal *wal)
{
    if (wal->synced_bytes == wal->end_bytes)
        return 0;
    CHECK(wal->handle >= 0);
    CHECK(wal->durable_offset < wal->next_offset);
    int rc = wal->files->sync(wal->files, wal->handle, &wal->failure);
    if (rc != 0)
        return rc;
    wal->synced_bytes = wal->end_bytes;
    wal->durable_offset = wal->next_offset;
    return 0;
}

static int
wal_close_segment(struct wal *wal)
{
    int rc = wal_sync_segment(wal);
    if (rc == 0)
        wal_leave_segment(wal);
    return rc;
}

static int
wal_create_segment(struct wal *wal, int64_t first_offset)
{
    CHECK(wal->handle < 0 && wal->durable_offset == wal->next_offset);
    struct wal_header header = {wal->identity, first_offset, wal->next_offset};
    char *path = wal_path(wal->directory, first_offset);
    buffer_clear(&wal->buffer);
    wal_header_encode(&header, &wal->buffer);
    int rc = files_replace(wal->files, path, wal->buffer.data, wal->buffer.bytes, &wal->failure);
    if (rc == 0)
        rc = wal->files->open(wal->files, path, FILES_READWRITE, &wal->failure);
    free(path);
    if (rc < 0)
        return rc;
    wal->handle = rc;
    wal_segments_append(&wal->segments, first_offset);
    wal->end_bytes = (int64_t)wal->buffer.bytes;
    wal->synced_bytes = wal->end_bytes;
    return 0;
}

static int
wal_write_frame(struct wal *wal, const struct wal_frame *frame)
{
    int rc = 0;
    if (wal->handle >= 0 && wal->end_bytes > wal->segment_bytes)
        rc = wal_close_segment(wal);
    if (rc == 0 && wal->handle < 0)
        rc = wal_create_segment(wal, frame->first_offset);
    if (rc != 0)
        return rc;
    CHECK(wal->end_bytes > 0 && wal->end_bytes % WAL_ALIGN_BYTES == 0);
    CHECK(wal->synced_bytes <= UINT32_MAX);
    wal_frame_encode(frame, (uint32_t)wal->synced_bytes, &wal->buffer);
    rc = wal->files->write_at(wal->files, wal->handle, wal->buffer.data, wal->buffer.bytes,
                              wal->end_bytes, &wal->failure);
    if (rc != 0)
        return rc;
    wal->end_bytes += (int64_t)wal->buffer.bytes;
    CHECK(wal->next_offset < frame->next_offset);
    wal->next_offset = frame->next_offset;
    return 0;
}

int
wal_append(struct wal *wal, const struct wal_frame *frame, struct error *err)
{
    CHECK(frame->first_offset >= 0);
    CHECK(frame->first_offset >= wal->next_offset);
    CHECK(frame->next_offset > frame->first_offset);
    CHECK(frame->position_bytes <= (size_t)wal->frame_bytes);
    CHECK(frame->payload_bytes <= (size_t)wal->frame_bytes - frame->position_bytes);
    int rc = wal->failure.code;
    return wal_report(wal, rc != 0 ? rc : wal_write_frame(wal, frame), err);
}

int
wal_sync(struct wal *wal, struct error *err)
{
    int rc = wal->failure.code;
    return wal_report(wal, rc != 0 ? rc : wal_sync_segment(wal), err);
}

static int
wal_remove_first(struct wal *wal, struct error *err)
{
    CHECK(wal->segments.count > 1);
    char *path = wal_path(wal->directory, wal->segments.items[0].first_offset);
    int rc = wal->files->unlink(wal->files, path, err);
    free(path);
    if (rc == 0)
        rc = wal->files->sync_directory(wal->files, wal->directory, err);
    if (rc != 0)
        return rc;
    wal_segments_remove_first(&wal->segments);
    CHECK(wal->begin_offset < wal->segments.items[0].first_offset);
    wal->begin_offset = wal->segments.items[0].first_offset;
    return 0;
}

/* All frames of a segment end at or before the first offset of the next segment. */
int
wal_trim(struct wal *wal, int64_t offset, struct error *err)
{
    CHECK(offset <= wal->durable_offset);
    int rc = 0;
    while (rc == 0 && wal->segments.count > 1 && wal->segments.items[1].first_offset <= offset)
        rc = wal_remove_first(wal, err);
    return rc;
}

int64_t
wal_durable_offset(const struct wal *wal)
{
    return wal->durable_offset;
}

int64_t
wal_begin_offset(const struct wal *wal)
{
    return wal->begin_offset;
}

int64_t
wal_bytes(const struct wal *wal)
{
    return wal->segments.bytes + wal->end_bytes;
}

int64_t
wal_bytes_from(const struct wal *wal, int64_t offset)
{
    const struct wal_segments *segments = &wal->segments;
    int64_t bytes = wal_bytes(wal);
    for (uint32_t i = 0; i + 1 < segments->count && segments->items[i + 1].first_offset <= offset;
         i++)
        bytes -= segments->items[i].bytes;
    CHECK(bytes >= 0);
    return bytes;
}

void
wal_rename(struct wal *wal, const char *directory)
{
    wal_check(wal);
    free(wal->directory);
    wal->directory = memory_strdup(directory);
}

void
wal_close(struct wal *wal)
{
    if (wal == NULL)
        return;
    if (wal->handle >= 0)
        wal->files->close(wal->files, wal->handle);
    if (wal->lock >= 0)
        wal->files->close(wal->files, wal->lock);
    buffer_free(&wal->buffer);
    wal_segments_free(&wal->segments);
    free((void *)(uintptr_t)wal->identity.data);
    free(wal->directory);
    free(wal);
}
