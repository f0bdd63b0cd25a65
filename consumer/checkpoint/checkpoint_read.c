#include "consumer/checkpoint/checkpoint_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_identity.h"
#include "common/files/crc32c.h"
#include "consumer/checkpoint/checkpoint_format.h"

/* Reads the next bytes of the file and continues the checksum. */
static int
reader_take(struct checkpoint_reader *reader, void *data, size_t bytes, struct error *err)
{
    struct files *files = reader->files;
    CHECK(reader->file >= 0);
    CHECK(reader->at >= 0);
    int64_t got = files->read_at(files, reader->file, data, bytes, reader->at, err);
    if (got < 0)
        return (int)got;
    CHECK((size_t)got <= bytes);
    if ((size_t)got < bytes)
        return error_set(err, ERR_DATA, "byte %" PRId64 ": the file is cut", reader->at + got);
    reader->crc = crc32c(reader->crc, data, bytes);
    reader->at += got;
    return 0;
}

static int
reader_take_fixed(struct checkpoint_reader *reader, struct checkpoint_fixed *fixed,
                  struct error *err)
{
    uint8_t data[CHECKPOINT_FIXED_BYTES];
    CHECK(reader->at == 0);
    int rc = reader_take(reader, data, sizeof data, err);
    return rc == 0 ? checkpoint_fixed_decode(data, fixed, err) : rc;
}

/* Identity and position, which are then in `reader->header`, and their checksum. */
static int
reader_take_texts(struct checkpoint_reader *reader, size_t bytes, struct error *err)
{
    uint8_t crc[CHECKPOINT_CRC_BYTES];
    CHECK(bytes <= (size_t)CHECKPOINT_IDENTITY_BYTES_MAX + CHECKPOINT_POSITION_BYTES_MAX);
    int rc = reader_take(reader, buffer_reserve(&reader->header, bytes + 1), bytes, err);
    uint32_t expected = reader->crc;
    if (rc == 0)
        rc = reader_take(reader, crc, sizeof crc, err);
    if (rc == 0 && checkpoint_get_u32(crc) != expected)
        rc = error_set(err, ERR_DATA, "byte 0: the header is damaged (wrong checksum)");
    return rc;
}

static int
reader_take_header(struct checkpoint_reader *reader, const struct checkpoint_place *place,
                   struct error *err)
{
    struct checkpoint_fixed fixed = {0};
    int rc = reader_take_fixed(reader, &fixed, err);
    if (rc == 0)
        rc = reader_take_texts(reader, (size_t)fixed.identity_bytes + fixed.position_bytes, err);
    if (rc != 0)
        return rc;
    CHECK(reader->at == CHECKPOINT_FIXED_BYTES + (int64_t)fixed.identity_bytes +
                            fixed.position_bytes + CHECKPOINT_CRC_BYTES);
    const char *texts = (const char *)reader->header.data;
    reader->identity = (struct text){texts, fixed.identity_bytes};
    if (!config_identity_same_log(place->identity, reader->identity))
        return error_set(err, ERR_DATA, "belongs to another index, topic or partition");
    reader->position = (struct text){texts + fixed.identity_bytes, fixed.position_bytes};
    reader->next_offset = fixed.next_offset;
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
        return error_wrap(err, ERR_DATA, "not readable");
    reader->file = rc;
    rc = reader_take_header(reader, place, err);
    if (rc == 0 && reader->next_offset != next_offset)
        rc = error_set(err, ERR_DATA,
                       "byte 20: the offset in the header is not the one in the file's name");
    if (rc != 0)
        checkpoint_close(reader);
    CHECK((rc == 0) == (reader->file >= 0));
    return rc;
}

void
checkpoint_close(struct checkpoint_reader *reader)
{
    CHECK(reader->file >= 0);
    reader->files->close(reader->files, reader->file);
    reader->file = -1;
    buffer_free(&reader->header);
    buffer_free(&reader->block);
}

static int
reader_next_block(struct checkpoint_reader *reader, struct error *err)
{
    uint8_t length[CHECKPOINT_CRC_BYTES], crc[CHECKPOINT_CRC_BYTES];
    int64_t begin = reader->at;
    CHECK(!reader->ended);
    int rc = reader_take(reader, length, sizeof length, err);
    uint32_t summed = reader->crc;
    if (rc == 0)
        rc = reader_take(reader, crc, sizeof crc, err);
    if (rc != 0)
        return rc;
    uint32_t bytes = checkpoint_get_u32(length);
    if (bytes > CHECKPOINT_BLOCK_BYTES)
        return error_set(err, ERR_DATA, "byte %" PRId64 ": the block is damaged", begin);
    buffer_clear(&reader->block);
    uint8_t *block = buffer_reserve(&reader->block, bytes + 1);
    rc = reader_take(reader, block, bytes, err);
    if (rc != 0)
        return rc;
    if (checkpoint_get_u32(crc) != crc32c(summed, block, bytes))
        return error_set(err, ERR_DATA, "byte %" PRId64 ": the block is damaged", begin);
    CHECK(reader->at == begin + CHECKPOINT_BLOCK_HEAD_BYTES + bytes);
    reader->block.bytes = bytes;
    reader->ended = bytes == 0;
    return 0;
}

int
checkpoint_next(struct checkpoint_reader *reader, struct text *data, struct error *err)
{
    CHECK(reader->file >= 0);
    int rc = reader->ended ? 0 : reader_next_block(reader, err);
    if (rc == 0 && reader->ended)
        rc = error_set(err, ERR_DATA, "byte %" PRId64 ": the state ends too early", reader->at);
    CHECK(rc != 0 || reader->block.bytes > 0);
    if (rc == 0)
        *data = (struct text){(const char *)reader->block.data, reader->block.bytes};
    return rc;
}

int
checkpoint_check_end(struct checkpoint_reader *reader, struct error *err)
{
    uint8_t next;
    CHECK(reader->file >= 0);
    int rc = reader->ended ? 0 : reader_next_block(reader, err);
    if (rc != 0)
        return rc;
    struct files *files = reader->files;
    if (!reader->ended || files->read_at(files, reader->file, &next, 1, reader->at, err) != 0)
        return error_set(err, ERR_DATA, "byte %" PRId64 ": the file continues after the state",
                         reader->at);
    return 0;
}
