/* The byte layout of a checkpoint. Encoding and decoding only: no I/O.
 *
 *     header    0   8  magic "bitdxCKP"
 *               8   4  version, 1
 *              12   4  identity bytes
 *              16   4  position bytes
 *              20   8  next offset: of the first message that the state does not include
 *              28   n  identity, position
 *              ..   4  CRC32C of all bytes before it
 *     blocks    0   4  bytes of the state in this block; 0: the last block, which ends the file
 *               4   4  CRC32C of the whole file up to the end of this block, without these 4 bytes
 *               8   n  bytes of the state
 *
 * All numbers are little-endian. The identity is that of the log (what both belong to, as lines of
 * text); the position is opaque.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_FORMAT_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_FORMAT_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

enum {
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_FIXED_BYTES = 28, /* of the header, before the identity */
    CHECKPOINT_CRC_BYTES = 4,
    CHECKPOINT_BLOCK_HEAD_BYTES = 8,
    CHECKPOINT_BLOCK_BYTES = 1 << 20, /* of the state, at most */
    CHECKPOINT_IDENTITY_BYTES_MAX = 1 << 20,
    CHECKPOINT_POSITION_BYTES_MAX = 1 << 29, /* with the record of its requests */
};

/* The fixed part of the header. */
struct checkpoint_fixed {
    uint32_t identity_bytes;
    uint32_t position_bytes;
    int64_t next_offset;
};

/* Appends the whole header to `out`. */
void checkpoint_header_encode(struct text identity, struct text position, int64_t next_offset,
                              struct buffer *out);
/* ERR_DATA: the bytes are not the beginning of a checkpoint that this program can read. */
int checkpoint_fixed_decode(const uint8_t data[static CHECKPOINT_FIXED_BYTES],
                            struct checkpoint_fixed *fixed, struct error *err);

/* Fills the head before the `bytes` bytes of the state in `block`. `crc` is that of the file before
 * the block. */
void checkpoint_block_encode(uint8_t *block, size_t bytes, uint32_t crc);

uint32_t checkpoint_get_u32(const uint8_t *at);

#endif
