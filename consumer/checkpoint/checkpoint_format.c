#include "consumer/checkpoint/checkpoint_format.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/check.h"
#include "common/files/crc32c.h"

static const char magic[8] = {'b', 'i', 't', 'd', 'x', 'C', 'K', 'P'};

static void
put_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

uint32_t
checkpoint_get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

/* Holds before a header is written and after one is read. */
static bool
fixed_is_valid(const struct checkpoint_fixed *fixed)
{
    return fixed->identity_bytes <= CHECKPOINT_IDENTITY_BYTES_MAX &&
           fixed->position_bytes <= CHECKPOINT_POSITION_BYTES_MAX && fixed->next_offset >= 0;
}

static void
fixed_encode(const struct checkpoint_fixed *fixed, uint8_t out[static CHECKPOINT_FIXED_BYTES])
{
    uint64_t next_offset = htole64((uint64_t)fixed->next_offset);
    CHECK(fixed_is_valid(fixed));
    memcpy(out, magic, sizeof magic);
    put_u32(out + 8, CHECKPOINT_VERSION);
    put_u32(out + 12, fixed->identity_bytes);
    put_u32(out + 16, fixed->position_bytes);
    memcpy(out + 20, &next_offset, sizeof next_offset);
}

void
checkpoint_header_encode(struct text identity, struct text position, int64_t next_offset,
                         struct buffer *out)
{
    const struct checkpoint_fixed fixed = {(uint32_t)identity.bytes, (uint32_t)position.bytes,
                                           next_offset};
    size_t begin = out->bytes;
    uint8_t bytes[CHECKPOINT_FIXED_BYTES], crc[CHECKPOINT_CRC_BYTES];
    CHECK(identity.bytes <= CHECKPOINT_IDENTITY_BYTES_MAX);
    CHECK(position.bytes <= CHECKPOINT_POSITION_BYTES_MAX);
    fixed_encode(&fixed, bytes);
    buffer_append(out, bytes, sizeof bytes);
    buffer_append(out, identity.data, identity.bytes);
    buffer_append(out, position.data, position.bytes);
    put_u32(crc, crc32c(0, out->data + begin, out->bytes - begin));
    buffer_append(out, crc, sizeof crc);
    CHECK(out->bytes - begin ==
          CHECKPOINT_FIXED_BYTES + identity.bytes + position.bytes + sizeof crc);
}

int
checkpoint_fixed_decode(const uint8_t data[static CHECKPOINT_FIXED_BYTES],
                        struct checkpoint_fixed *fixed, struct error *err)
{
    uint64_t next_offset;
    if (memcmp(data, magic, sizeof magic) != 0)
        return error_set(err, ERR_DATA, "byte 0: the file is not a checkpoint");
    if (checkpoint_get_u32(data + 8) != CHECKPOINT_VERSION)
        return error_set(err, ERR_DATA,
                         "byte 8: version %" PRIu32 ", this program supports only %d",
                         checkpoint_get_u32(data + 8), CHECKPOINT_VERSION);
    memcpy(&next_offset, data + 20, sizeof next_offset);
    *fixed = (struct checkpoint_fixed){
        .identity_bytes = checkpoint_get_u32(data + 12),
        .position_bytes = checkpoint_get_u32(data + 16),
        .next_offset = (int64_t)le64toh(next_offset),
    };
    if (!fixed_is_valid(fixed))
        return error_set(err, ERR_DATA, "byte 12: the header is damaged");
    return 0;
}

void
checkpoint_block_encode(uint8_t *block, size_t bytes, uint32_t crc)
{
    CHECK(bytes <= CHECKPOINT_BLOCK_BYTES);
    put_u32(block, (uint32_t)bytes);
    crc = crc32c(crc, block, CHECKPOINT_CRC_BYTES);
    crc = crc32c(crc, block + CHECKPOINT_BLOCK_HEAD_BYTES, bytes);
    put_u32(block + CHECKPOINT_CRC_BYTES, crc);
    CHECK(checkpoint_get_u32(block) == bytes);
}
