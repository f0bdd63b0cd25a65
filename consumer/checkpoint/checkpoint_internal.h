/* What writing and reading share: names and numbers. */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_INTERNAL_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_INTERNAL_H

#include <endian.h>
#include <string.h>

#include "consumer/checkpoint/checkpoint.h"

enum {
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_HEADER_FIXED_BYTES = 28,
    CHECKPOINT_CRC_BYTES = 4,
    CHECKPOINT_BLOCK_HEAD_BYTES = 8,
    CHECKPOINT_BLOCK_BYTES = 1 << 20,
    CHECKPOINT_TEXT_BYTES_MAX = 1 << 20, /* of identity and position each */
};

static const char checkpoint_magic[8] = {'b', 'i', 't', 'd', 'x', 'C', 'K', 'P'};

/* The caller frees it. */
char *checkpoint_path(const struct checkpoint_place *place, int64_t next_offset);

static inline void
checkpoint_put_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline uint32_t
checkpoint_get_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

#endif
