/* Appending. A segment appears under its name with its header durable, and what was written to the
 * segment before is durable by then: so only the last segment can have a torn tail, and every
 * header is whole.
 *
 * Space is not allocated ahead. It would pay only for blocks written with zeros beforehand (sync
 * 1.5 to 2 times faster, measured on ext4), that is for writing everything twice.
 */
#include "consumer/wal/wal_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "consumer/wal/wal_format.h"

static int
wal_lock(struct wal *wal, struct error *err)
{
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
    CHECK(identity.bytes <= WAL_IDENTITY_BYTES_MAX);
    struct wal *wal = memory_alloc(sizeof *wal);
    *wal = (struct wal){
        .files = files,
        .directory = memory_strdup(options->directory),
        .identity = {memory_strdup(options->identity), identity.bytes},
        .segment_bytes = options->segment_bytes,
        .frame_bytes = options->frame_bytes,
        .begin_offset = options->begin_offset,
        .lock = -1,
        .handle = -1,
        .next_offset = -1,
        .durable_offset = -1,
    };
    return wal;
}

void
wal_note_segment(struct wal *wal, int64_t first_offset, int64_t bytes)
{
    const struct wal_file file = {first_offset, bytes};
    buffer_append(&wal->segments, &file, sizeof file);
}

/* The segment that grew is durable, and grows no more. */
static void
wal_leave_segment(struct wal *wal)
{
    struct wal_file *end = (struct wal_file *)(void *)(wal->segments.data + wal->segments.bytes);
    end[-1].bytes = wal->end_bytes;
    wal->files->close(wal->files, wal->handle);
    wal->handle = -1;
    wal->closed_bytes += wal->end_bytes;
    wal->end_bytes = 0;
    wal->synced_bytes = 0;
}

/* The log ends before the state that it goes on from. The next frame gets a segment that says so:
 * whoever opens this log at an earlier offset is told that something is missing. */
static void
wal_begin(struct wal *wal, int64_t offset)
{
    if (wal->handle >= 0)
        wal_leave_segment(wal);
    wal->next_offset = wal->durable_offset = offset;
}

int
wal_open(struct files *files, const struct wal_options *options, wal_replay replay, void *context,
         struct wal **wal, struct error *err)
{
    struct wal *new_wal = wal_create(files, options);
    int rc = files->make_directory(files, options->directory, err);
    if (rc == 0)
        rc = wal_lock(new_wal, err);
    if (rc == 0)
        rc = wal_recover(new_wal, replay, context, err);
    if (rc == 0 && options->begin_offset > 0 && new_wal->next_offset < options->begin_offset)
        wal_begin(new_wal, options->begin_offset);
    if (rc != 0) {
        wal_close(new_wal);
        return error_wrap(err, rc, "could not open the write-ahead log in %s", options->directory);
    }
    *wal = new_wal;
    return 0;
}

/* The first failure is kept: a caller who goes on regardless learns it again. */
static int
wal_report(struct wal *wal, int rc, struct error *err)
{
    if (rc == 0)
        return 0;
    wal->failure.code = ERR_FATAL;
    return error_set(err, ERR_FATAL, "write-ahead log: %s", wal->failure.message);
}

static int
wal_sync_segment(struct wal *wal)
{
    if (wal->synced_bytes == wal->end_bytes)
        return 0;
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
    wal_note_segment(wal, first_offset, 0);
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
    wal_frame_encode(frame, (uint32_t)wal->synced_bytes, &wal->buffer);
    rc = wal->files->write_at(wal->files, wal->handle, wal->buffer.data, wal->buffer.bytes,
                              wal->end_bytes, &wal->failure);
    if (rc != 0)
        return rc;
    wal->end_bytes += (int64_t)wal->buffer.bytes;
    wal->next_offset = frame->next_offset;
    return 0;
}

int
wal_append(struct wal *wal, const struct wal_frame *frame, struct error *err)
{
    CHECK(frame->first_offset >= 0 && frame->first_offset >= wal->next_offset);
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
wal_remove_first(struct wal *wal, struct wal_file first, struct error *err)
{
    char *path = wal_path(wal->directory, first.first_offset);
    int rc = wal->files->unlink(wal->files, path, err);
    free(path);
    if (rc == 0)
        rc = wal->files->sync_directory(wal->files, wal->directory, err);
    if (rc != 0)
        return rc;
    wal->closed_bytes -= first.bytes;
    wal->segments.bytes -= sizeof first;
    memmove(wal->segments.data, wal->segments.data + sizeof first, wal->segments.bytes);
    return 0;
}

/* The frames of a segment end where the next one begins, or before. */
int
wal_trim(struct wal *wal, int64_t offset, struct error *err)
{
    struct wal_file first_two[2];
    int rc = 0;
    while (rc == 0 && wal->segments.bytes >= sizeof first_two) {
        memcpy(first_two, wal->segments.data, sizeof first_two);
        if (first_two[1].first_offset > offset)
            break;
        rc = wal_remove_first(wal, first_two[0], err);
    }
    return rc;
}

int64_t
wal_durable_offset(const struct wal *wal)
{
    return wal->durable_offset;
}

int64_t
wal_bytes(const struct wal *wal)
{
    return wal->closed_bytes + wal->end_bytes;
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
    buffer_free(&wal->segments);
    free((void *)(uintptr_t)wal->identity.data);
    free(wal->directory);
    free(wal);
}
