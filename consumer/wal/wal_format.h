/* The bytes of the write-ahead log: names, segment headers and frames, encoded and decoded without
 * any I/O.
 *
 * All numbers are little-endian. Header and frames are padded with zeros to a multiple of 8 bytes,
 * so the search for a frame behind damage tries an eighth of the positions; every byte, padding
 * included, is under a checksum.
 *
 *   segment header
 *      0   8  magic "bitdxWAL"
 *      8   4  version, 1
 *     12   4  identity bytes
 *     16   8  first offset: of the first frame; the file's name
 *     24   8  previous offset: where the log ended before, -1 in its very first segment; what
 *             tells a missing segment from a hole in the topic
 *     32   n  identity, then 0 to 7 zeros
 *     ..   4  CRC32C of everything in front
 *
 *   frame
 *      0   4  CRC32C of everything behind it
 *      4   4  position bytes
 *      8   4  payload bytes
 *     12   4  synced bytes: how much of this segment was durable when the frame was written
 *     16   8  first offset
 *     24   8  next offset
 *     32   n  position, payload, then 0 to 7 zeros
 *
 * Synced bytes tell a torn tail from damage. A crash loses any subset of what was written since
 * the last sync, so a broken frame may well have a valid one behind it; but when that one says that
 * the broken frame had been durable, it was damaged later.
 */
#ifndef CONSUMER_WAL_WAL_FORMAT_H
#define CONSUMER_WAL_WAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "consumer/wal/wal.h"

enum {
    WAL_VERSION = 1,
    WAL_HEADER_FIXED_BYTES = 32,
    WAL_HEADER_BYTES_MAX = WAL_HEADER_FIXED_BYTES + WAL_IDENTITY_BYTES_MAX + 8,
    WAL_FRAME_FIXED_BYTES = 32,
    WAL_ALIGN_BYTES = 8,
    WAL_NAME_BYTES = 25, /* 20 digits, ".wal", 0 */
};

struct wal_header {
    struct text identity; /* points into the decoded bytes */
    int64_t first_offset;
    int64_t previous_offset;
};

void wal_name_format(int64_t first_offset, char name[static WAL_NAME_BYTES]);
/* The path of that name; the caller frees it. */
char *wal_path(const char *directory, int64_t first_offset);
/* False: not the name of a segment. */
bool wal_name_parse(const char *name, int64_t *first_offset);

/* Appends to `out`. */
void wal_header_encode(const struct wal_header *header, struct buffer *out);
/* `bytes` is the file's beginning, WAL_HEADER_BYTES_MAX of it or all that there is. Returns the
 * header's size, or ERR_FATAL with the byte that is wrong. */
int64_t wal_header_decode(const uint8_t *data, size_t bytes, struct wal_header *header,
                          struct error *err);

/* Replaces what `out` holds. */
void wal_frame_encode(const struct wal_frame *frame, uint32_t synced_bytes, struct buffer *out);
/* The whole frame's size, according to its first WAL_FRAME_FIXED_BYTES, which may be anything. */
int64_t wal_frame_size(const uint8_t *data);
/* According to the same bytes. */
uint32_t wal_frame_synced_bytes(const uint8_t *data);
/* `data` holds wal_frame_size(). False: not a frame. Its pointers point into `data`. */
bool wal_frame_decode(const uint8_t *data, struct wal_frame *frame);

#endif
