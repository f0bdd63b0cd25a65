#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/files/crc32c.h"
#include "consumer/checkpoint/checkpoint_internal.h"

enum { NAME_DIGITS = 20 };

static const char suffix[] = ".checkpoint";

char *
checkpoint_path(const struct checkpoint_place *place, int64_t next_offset)
{
    return memory_format("%s/%0*" PRId64 "%s", place->directory, NAME_DIGITS, next_offset, suffix);
}

struct listing {
    int64_t *offsets;
    int count;
};

/* Names come in ascending order; the newest CHECKPOINTS_MAX are kept. */
static int
note_name(void *context, const char *name)
{
    struct listing *listing = context;
    if (strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, suffix) != 0)
        return 0;
    if (listing->count == CHECKPOINTS_MAX)
        listing->count--;
    memmove(listing->offsets + 1, listing->offsets,
            (size_t)listing->count * sizeof *listing->offsets);
    listing->offsets[0] = strtoll(name, NULL, 10);
    listing->count++;
    return 0;
}

int
checkpoint_list(const struct checkpoint_place *place, int64_t *offsets, struct error *err)
{
    struct listing listing = {offsets, 0};
    int rc = place->files->make_directory(place->files, place->directory, err);
    if (rc == 0)
        rc = place->files->list(place->files, place->directory, note_name, &listing, err);
    return rc < 0 ? rc : listing.count;
}

int
checkpoint_remove(const struct checkpoint_place *place, int64_t next_offset, struct error *err)
{
    char *path = checkpoint_path(place, next_offset);
    int rc = place->files->unlink(place->files, path, err);
    if (rc == 0)
        rc = place->files->sync_directory(place->files, place->directory, err);
    free(path);
    return rc;
}

/* Reads on, and continues the checksum. */
static int
reader_take(struct checkpoint_reader *reader, void *data, size_t bytes, struct error *err)
{
    struct files *files = reader->files;
    int64_t got = files->read_at(files, reader->file, data, bytes, reader->at, err);
    if (got < 0)
        return (int)got;
    if ((size_t)got < bytes)
        return error_set(err, ERR_DATA, "byte %" PRId64 ": cut off", reader->at + got);
    reader->crc = crc32c(reader->crc, data, bytes);
    reader->at += got;
    return 0;
}

static int
reader_take_fixed(struct checkpoint_reader *reader, uint32_t *identity_bytes,
                  uint32_t *position_bytes, struct error *err)
{
    uint8_t fixed[CHECKPOINT_HEADER_FIXED_BYTES];
    uint64_t next_offset;
    int rc = reader_take(reader, fixed, sizeof fixed, err);
    if (rc != 0)
        return rc;
    if (memcmp(fixed, checkpoint_magic, sizeof checkpoint_magic) != 0)
        return error_set(err, ERR_DATA, "not a checkpoint");
    if (checkpoint_get_u32(fixed + 8) != CHECKPOINT_VERSION)
        return error_set(err, ERR_DATA, "version %" PRIu32 ", this program knows only %d",
                         checkpoint_get_u32(fixed + 8), CHECKPOINT_VERSION);
    *identity_bytes = checkpoint_get_u32(fixed + 12);
    *position_bytes = checkpoint_get_u32(fixed + 16);
    memcpy(&next_offset, fixed + 20, sizeof next_offset);
    reader->next_offset = (int64_t)le64toh(next_offset);
    if (*identity_bytes > CHECKPOINT_TEXT_BYTES_MAX || *position_bytes > CHECKPOINT_TEXT_BYTES_MAX)
        return error_set(err, ERR_DATA, "the header is damaged");
    return 0;
}

static int
reader_take_header(struct checkpoint_reader *reader, const struct checkpoint_place *place,
                   struct error *err)
{
    uint32_t identity_bytes = 0, position_bytes = 0;
    uint8_t crc[CHECKPOINT_CRC_BYTES];
    int rc = reader_take_fixed(reader, &identity_bytes, &position_bytes, err);
    if (rc != 0)
        return rc;
    size_t bytes = (size_t)identity_bytes + position_bytes;
    const char *texts = (const char *)buffer_reserve(&reader->header, bytes + 1);
    rc = reader_take(reader, reader->header.data, bytes, err);
    uint32_t wanted = reader->crc;
    if (rc == 0)
        rc = reader_take(reader, crc, sizeof crc, err);
    if (rc != 0)
        return rc;
    if (checkpoint_get_u32(crc) != wanted)
        return error_set(err, ERR_DATA, "the header is damaged");
    if (!text_equal(place->identity, (struct text){texts, identity_bytes}))
        return error_set(err, ERR_DATA, "belongs to another index, topic or configuration");
    reader->position = (struct text){texts + identity_bytes, position_bytes};
    return 0;
}

int
checkpoint_open(const struct checkpoint_place *place, int64_t next_offset,
                struct checkpoint_reader *reader, struct error *err)
{
    *reader = (struct checkpoint_reader){.files = place->files};
    char *path = checkpoint_path(place, next_offset);
    int rc = place->files->open(place->files, path, FILES_READ, err);
    free(path);
    if (rc < 0)
        return error_set(err, ERR_DATA, "%s", err->message);
    reader->file = rc;
    rc = reader_take_header(reader, place, err);
    if (rc == 0 && reader->next_offset != next_offset)
        rc = error_set(err, ERR_DATA, "the header does not fit the file's name");
    if (rc != 0)
        checkpoint_close(reader);
    return rc;
}

void
checkpoint_close(struct checkpoint_reader *reader)
{
    reader->files->close(reader->files, reader->file);
    buffer_free(&reader->header);
    buffer_free(&reader->block);
}

static int
reader_next_block(struct checkpoint_reader *reader, struct error *err)
{
    uint8_t length[CHECKPOINT_CRC_BYTES], crc[CHECKPOINT_CRC_BYTES];
    int64_t begin = reader->at;
    int rc = reader_take(reader, length, sizeof length, err);
    uint32_t summed = reader->crc;
    if (rc == 0)
        rc = reader_take(reader, crc, sizeof crc, err);
    if (rc != 0)
        return rc;
    uint32_t bytes = checkpoint_get_u32(length);
    if (bytes > CHECKPOINT_BLOCK_BYTES)
        return error_set(err, ERR_DATA, "byte %" PRId64 ": damaged", begin);
    buffer_clear(&reader->block);
    uint8_t *block = buffer_reserve(&reader->block, bytes + 1);
    rc = reader_take(reader, block, bytes, err);
    if (rc != 0)
        return rc;
    if (checkpoint_get_u32(crc) != crc32c(summed, block, bytes))
        return error_set(err, ERR_DATA, "byte %" PRId64 ": damaged", begin);
    reader->block.bytes = bytes;
    reader->taken = 0;
    reader->ended = bytes == 0;
    return 0;
}

int
checkpoint_read(struct checkpoint_reader *reader, void *data, size_t bytes, struct error *err)
{
    uint8_t *to = data;
    while (bytes > 0) {
        size_t left = reader->block.bytes - reader->taken;
        if (left == 0) {
            if (reader->ended)
                return error_set(err, ERR_DATA, "the state ends early");
            int rc = reader_next_block(reader, err);
            if (rc != 0)
                return rc;
            continue;
        }
        size_t part = bytes < left ? bytes : left;
        memcpy(to, reader->block.data + reader->taken, part);
        reader->taken += part;
        to += part;
        bytes -= part;
    }
    return 0;
}

int
checkpoint_check_end(struct checkpoint_reader *reader, struct error *err)
{
    uint8_t behind;
    if (reader->taken == reader->block.bytes && !reader->ended) {
        int rc = reader_next_block(reader, err);
        if (rc != 0)
            return rc;
    }
    struct files *files = reader->files;
    if (!reader->ended || files->read_at(files, reader->file, &behind, 1, reader->at, err) != 0)
        return error_set(err, ERR_DATA, "byte %" PRId64 ": more than the state", reader->at);
    return 0;
}
