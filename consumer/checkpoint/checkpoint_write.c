#include <stdlib.h>

#include "common/base/check.h"
#include "common/files/crc32c.h"
#include "consumer/checkpoint/checkpoint_internal.h"

struct checkpoint_writer {
    const struct checkpoint_place *place;
    int64_t next_offset;
    char *path;
    char *temporary;
    int file; /* -1: not open */
    int64_t at;
    uint32_t crc;
    struct buffer block; /* head and bytes */
    struct error failure;
};

/* Continues the checksum over what is written. */
static void
writer_put(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    struct files *files = writer->place->files;
    if (writer->failure.code != 0)
        return;
    writer->crc = crc32c(writer->crc, data, bytes);
    if (files->write_at(files, writer->file, data, bytes, writer->at, &writer->failure) == 0)
        writer->at += (int64_t)bytes;
}

static void
writer_put_header(struct checkpoint_writer *writer, struct text position)
{
    struct text identity = writer->place->identity;
    struct buffer header;
    uint64_t next_offset = htole64((uint64_t)writer->next_offset);
    uint8_t fixed[CHECKPOINT_HEADER_FIXED_BYTES];
    uint8_t crc[CHECKPOINT_CRC_BYTES];
    CHECK(identity.bytes <= CHECKPOINT_TEXT_BYTES_MAX);
    CHECK(position.bytes <= CHECKPOINT_TEXT_BYTES_MAX);
    memcpy(fixed, checkpoint_magic, sizeof checkpoint_magic);
    checkpoint_put_u32(fixed + 8, CHECKPOINT_VERSION);
    checkpoint_put_u32(fixed + 12, (uint32_t)identity.bytes);
    checkpoint_put_u32(fixed + 16, (uint32_t)position.bytes);
    memcpy(fixed + 20, &next_offset, sizeof next_offset);
    buffer_init(&header);
    buffer_append(&header, fixed, sizeof fixed);
    buffer_append(&header, identity.data, identity.bytes);
    buffer_append(&header, position.data, position.bytes);
    checkpoint_put_u32(crc, crc32c(0, header.data, header.bytes));
    buffer_append(&header, crc, sizeof crc);
    writer_put(writer, header.data, header.bytes);
    buffer_free(&header);
}

static void
writer_begin_block(struct checkpoint_writer *writer)
{
    buffer_clear(&writer->block);
    buffer_append(&writer->block, (uint8_t[CHECKPOINT_BLOCK_HEAD_BYTES]){0},
                  CHECKPOINT_BLOCK_HEAD_BYTES);
}

static void
writer_put_block(struct checkpoint_writer *writer)
{
    uint8_t *head = writer->block.data;
    size_t bytes = writer->block.bytes - CHECKPOINT_BLOCK_HEAD_BYTES;
    checkpoint_put_u32(head, (uint32_t)bytes);
    uint32_t crc = crc32c(writer->crc, head, CHECKPOINT_CRC_BYTES);
    crc = crc32c(crc, head + CHECKPOINT_BLOCK_HEAD_BYTES, bytes);
    checkpoint_put_u32(head + CHECKPOINT_CRC_BYTES, crc);
    writer_put(writer, head, writer->block.bytes);
    writer_begin_block(writer);
}

static int
writer_create_file(struct checkpoint_writer *writer, struct error *err)
{
    struct files *files = writer->place->files;
    int rc = files->make_directory(files, writer->place->directory, err);
    if (rc == 0)
        rc = files->unlink(files, writer->temporary, err);
    if (rc == 0)
        rc = files->open(files, writer->temporary, FILES_CREATE, err);
    writer->file = rc;
    return rc < 0 ? rc : 0;
}

int
checkpoint_begin(const struct checkpoint_place *place, int64_t next_offset, struct text position,
                 struct checkpoint_writer **writer, struct error *err)
{
    struct checkpoint_writer *made = memory_zalloc(sizeof *made);
    made->place = place;
    made->next_offset = next_offset;
    made->path = checkpoint_path(place, next_offset);
    made->temporary = memory_format("%s/new", place->directory);
    made->file = -1;
    buffer_init(&made->block);
    int rc = writer_create_file(made, err);
    if (rc != 0) {
        checkpoint_abandon(made);
        return rc;
    }
    writer_put_header(made, position);
    writer_begin_block(made);
    *writer = made;
    return 0;
}

void
checkpoint_write(struct checkpoint_writer *writer, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t room = CHECKPOINT_BLOCK_BYTES - (writer->block.bytes - CHECKPOINT_BLOCK_HEAD_BYTES);
        size_t part = bytes < room ? bytes : room;
        buffer_append(&writer->block, from, part);
        from += part;
        bytes -= part;
        if (part == room)
            writer_put_block(writer);
    }
}

static void
writer_free(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    if (writer->file >= 0)
        files->close(files, writer->file);
    buffer_free(&writer->block);
    free(writer->path);
    free(writer->temporary);
    free(writer);
}

void
checkpoint_abandon(struct checkpoint_writer *writer)
{
    struct files *files = writer->place->files;
    if (writer->file >= 0)
        files->unlink(files, writer->temporary, NULL); /* out of space, say: do not keep it */
    writer_free(writer);
}

static int
writer_publish(struct checkpoint_writer *writer, struct error *err)
{
    struct files *files = writer->place->files;
    int rc = files->sync(files, writer->file, err);
    if (rc == 0)
        rc = files->rename(files, writer->temporary, writer->path, err);
    return rc == 0 ? files->sync_directory(files, writer->place->directory, err) : rc;
}

static int
remove_older(const struct checkpoint_place *place, struct error *err)
{
    int64_t offsets[CHECKPOINTS_MAX];
    int count = checkpoint_list(place, offsets, err);
    int rc = count < 0 ? count : 0;
    for (int i = CHECKPOINTS_KEPT; rc == 0 && i < count; i++)
        rc = checkpoint_remove(place, offsets[i], err);
    return rc;
}

int
checkpoint_finish(struct checkpoint_writer *writer, int64_t *bytes, struct error *err)
{
    if (writer->block.bytes > CHECKPOINT_BLOCK_HEAD_BYTES)
        writer_put_block(writer);
    writer_put_block(writer); /* the empty one at the end */
    int rc = writer->failure.code;
    if (rc != 0)
        *err = writer->failure;
    else
        rc = writer_publish(writer, err);
    if (rc != 0) {
        checkpoint_abandon(writer);
        return rc;
    }
    *bytes = writer->at;
    rc = remove_older(writer->place, err);
    writer_free(writer);
    return rc;
}
