#include "consumer/wal/wal_format.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/files/crc32c.h"

enum { NAME_DIGITS = 20, CRC_BYTES = 4 };

static const char header_magic[8] = {'b', 'i', 't', 'd', 'x', 'W', 'A', 'L'};

static uint32_t
get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static int64_t
get_i64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return (int64_t)le64toh(value);
}

static void
put_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static void
put_i64(uint8_t *at, int64_t value)
{
    uint64_t raw = htole64((uint64_t)value);
    memcpy(at, &raw, sizeof raw);
}

static int64_t
align(int64_t bytes)
{
    CHECK(bytes > 0);
    return (bytes + WAL_ALIGN_BYTES - 1) / WAL_ALIGN_BYTES * WAL_ALIGN_BYTES;
}

/* Holds before a frame is written and after one is read. */
static bool
frame_is_valid(const struct wal_frame *frame)
{
    return 0 <= frame->first_offset && frame->first_offset < frame->next_offset;
}

void
wal_name_format(int64_t first_offset, char name[static WAL_NAME_BYTES])
{
    CHECK(first_offset >= 0);
    int written = snprintf(name, WAL_NAME_BYTES, "%0*" PRId64 ".wal", NAME_DIGITS, first_offset);
    CHECK(written == WAL_NAME_BYTES - 1);
}

char *
wal_path(const char *directory, int64_t first_offset)
{
    char name[WAL_NAME_BYTES];
    wal_name_format(first_offset, name);
    return memory_format("%s/%s", directory, name);
}

bool
wal_name_parse(const char *name, int64_t *first_offset)
{
    char formatted[WAL_NAME_BYTES];
    long long value = strtoll(name, NULL, 10);
    if (value < 0)
        return false;
    wal_name_format(value, formatted);
    *first_offset = value;
    return strcmp(name, formatted) == 0;
}

void
wal_header_encode(const struct wal_header *header, struct buffer *out)
{
    CHECK(header->identity.bytes <= WAL_IDENTITY_BYTES_MAX);
    CHECK(header->first_offset >= 0);
    CHECK(-1 <= header->previous_offset && header->previous_offset <= header->first_offset);
    int64_t used = WAL_HEADER_FIXED_BYTES + (int64_t)header->identity.bytes;
    size_t bytes = (size_t)align(used + CRC_BYTES);
    uint8_t *at = buffer_reserve(out, bytes);
    memset(at, 0, bytes);
    memcpy(at, header_magic, sizeof header_magic);
    put_u32(at + 8, WAL_VERSION);
    put_u32(at + 12, (uint32_t)header->identity.bytes);
    put_i64(at + 16, header->first_offset);
    put_i64(at + 24, header->previous_offset);
    memcpy(at + WAL_HEADER_FIXED_BYTES, header->identity.data, header->identity.bytes);
    put_u32(at + bytes - CRC_BYTES, crc32c(0, at, bytes - CRC_BYTES));
    out->bytes += bytes;
    CHECK(bytes <= WAL_HEADER_BYTES_MAX);
}

/* Checks the version before the checksum: another version may store the checksum elsewhere. */
int64_t
wal_header_decode(const uint8_t *data, size_t bytes, struct wal_header *header, struct error *err)
{
    if (bytes < WAL_HEADER_FIXED_BYTES)
        return error_set(err, ERR_FATAL, "byte %zu: the file ends inside the header", bytes);
    if (memcmp(data, header_magic, sizeof header_magic) != 0)
        return error_set(err, ERR_FATAL, "byte 0: the file is not a segment of a write-ahead log");
    if (get_u32(data + 8) != WAL_VERSION)
        return error_set(err, ERR_FATAL,
                         "byte 8: version %" PRIu32 ", this program supports only %d",
                         get_u32(data + 8), WAL_VERSION);
    uint32_t identity_bytes = get_u32(data + 12);
    if (identity_bytes > WAL_IDENTITY_BYTES_MAX)
        return error_set(err, ERR_FATAL, "byte 12: the header is damaged (identity too long)");
    int64_t size = align((int64_t)WAL_HEADER_FIXED_BYTES + identity_bytes + CRC_BYTES);
    if ((int64_t)bytes < size)
        return error_set(err, ERR_FATAL, "byte %zu: the file ends inside the header", bytes);
    const uint8_t *crc = data + size - CRC_BYTES;
    if (get_u32(crc) != crc32c(0, data, (size_t)size - CRC_BYTES))
        return error_set(err, ERR_FATAL, "byte 0: the header is damaged (wrong checksum)");
    *header = (struct wal_header){
        .identity = {(const char *)data + WAL_HEADER_FIXED_BYTES, identity_bytes},
        .first_offset = get_i64(data + 16),
        .previous_offset = get_i64(data + 24),
    };
    return size;
}

void
wal_frame_encode(const struct wal_frame *frame, uint32_t synced_bytes, struct buffer *out)
{
    CHECK(frame_is_valid(frame));
    CHECK(frame->position_bytes <= WAL_FRAME_BYTES_MAX);
    CHECK(frame->payload_bytes <= WAL_FRAME_BYTES_MAX - frame->position_bytes);
    size_t used = WAL_FRAME_FIXED_BYTES + frame->position_bytes + frame->payload_bytes;
    size_t bytes = (size_t)align((int64_t)used);
    buffer_clear(out);
    uint8_t *at = buffer_reserve(out, bytes);
    put_u32(at + 4, (uint32_t)frame->position_bytes);
    put_u32(at + 8, (uint32_t)frame->payload_bytes);
    put_u32(at + 12, synced_bytes);
    put_i64(at + 16, frame->first_offset);
    put_i64(at + 24, frame->next_offset);
    out->bytes = WAL_FRAME_FIXED_BYTES;
    buffer_append(out, frame->position, frame->position_bytes);
    buffer_append(out, frame->payload, frame->payload_bytes);
    memset(at + used, 0, bytes - used);
    out->bytes = bytes;
    put_u32(at, crc32c(0, at + CRC_BYTES, bytes - CRC_BYTES));
    CHECK(wal_frame_size(out->data) == (int64_t)out->bytes);
}

int64_t
wal_frame_size(const uint8_t *data)
{
    return align((int64_t)WAL_FRAME_FIXED_BYTES + get_u32(data + 4) + get_u32(data + 8));
}

uint32_t
wal_frame_synced_bytes(const uint8_t *data)
{
    return get_u32(data + 12);
}

bool
wal_frame_decode(const uint8_t *data, struct wal_frame *frame)
{
    size_t bytes = (size_t)wal_frame_size(data);
    if (get_u32(data) != crc32c(0, data + CRC_BYTES, bytes - CRC_BYTES))
        return false;
    *frame = (struct wal_frame){
        .first_offset = get_i64(data + 16),
        .next_offset = get_i64(data + 24),
        .position = data + WAL_FRAME_FIXED_BYTES,
        .position_bytes = get_u32(data + 4),
        .payload = data + WAL_FRAME_FIXED_BYTES + get_u32(data + 4),
        .payload_bytes = get_u32(data + 8),
    };
    CHECK(WAL_FRAME_FIXED_BYTES + frame->position_bytes + frame->payload_bytes <= bytes);
    return frame_is_valid(frame);
}
