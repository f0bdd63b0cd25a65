/* The byte layout of the write-ahead log: file names, segment headers and frames. Encoding and
 * decoding only: no I/O, no state.
 *
 * All numbers are little-endian. The header and every frame are padded with zeros to a multiple of
 * 8 bytes, so that the search for a frame after a damaged one tries one position in eight. A
 * checksum covers every byte, padding included.
 *
 *   segment header
 *      0   8  magic "bitdxWAL"
 *      8   4  version, 1
 *     12   4  identity bytes
 *     16   8  first offset: the offset in the file's name; the first frame begins at or after it
 *     24   8  previous offset: the next offset of the log's last frame before this segment, -1 in
 *             the very first segment; it tells a missing segment from a hole in the topic
 *     32   n  identity, then 0 to 7 zeros
 *     ..   4  CRC32C of all bytes before it
 *
 *   frame
 *      0   4  CRC32C of all bytes after it
 *      4   4  position bytes
 *      8   4  payload bytes
 *     12   4  synced bytes: how much of this segment was durable when the frame was written
 *     16   8  first offset
 *     24   8  next offset
 *     32   n  position, payload, then 0 to 7 zeros
 *
 * Synced bytes tell a torn tail from damage. A crash may lose any subset of what was written since
 * the last sync, so a valid frame may follow a broken one. If the valid frame was written when the
 * broken one was already durable, then the broken frame was damaged after it had been stored.
 */
#ifndef CONSUMER_WAL_WAL_FORMAT_H
#define CONSUMER_WAL_WAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

enum {
    WAL_VERSION = 1,
    WAL_ALIGN_BYTES = 8,
    WAL_IDENTITY_BYTES_MAX = 64 << 10,
    WAL_HEADER_FIXED_BYTES = 32,
    WAL_HEADER_BYTES_MAX = WAL_HEADER_FIXED_BYTES + WAL_IDENTITY_BYTES_MAX + 8,
    WAL_FRAME_FIXED_BYTES = 32,
    WAL_FRAME_BYTES_MAX = 1 << 30, /* position plus payload */
    WAL_NAME_BYTES = 25,           /* 20 digits, ".wal", 0 */
};

struct wal_header {
    struct text identity; /* points into the decoded bytes */
    int64_t first_offset;
    int64_t previous_offset;
};

/* Covers at least one offset: 0 <= first_offset < next_offset. */
struct wal_frame {
    int64_t first_offset; /* of the first Kafka message that the frame covers */
    int64_t next_offset;  /* of the last message, plus 1 */
    const void *position; /* opaque to the log */
    size_t position_bytes;
    const void *payload; /* opaque to the log */
    size_t payload_bytes;
};

void wal_name_format(int64_t first_offset, char name[static WAL_NAME_BYTES]);
/* The path of that file. The caller frees it. */
char *wal_path(const char *directory, int64_t first_offset);
/* False: `name` is not the name of a segment. */
bool wal_name_parse(const char *name, int64_t *first_offset);

/* Appends the header to `out`. */
void wal_header_encode(const struct wal_header *header, struct buffer *out);
/* `data` holds the first WAL_HEADER_BYTES_MAX bytes of the file, or the whole file if it is
 * shorter. Returns the size of the header, or ERR_FATAL with the byte that is wrong. */
int64_t wal_header_decode(const uint8_t *data, size_t bytes, struct wal_header *header,
                          struct error *err);

/* Replaces the content of `out`. */
void wal_frame_encode(const struct wal_frame *frame, uint32_t synced_bytes, struct buffer *out);
/* The size of the whole frame. `data` holds WAL_FRAME_FIXED_BYTES, which may be arbitrary bytes. */
int64_t wal_frame_size(const uint8_t *data);
/* `data` as for wal_frame_size(). */
uint32_t wal_frame_synced_bytes(const uint8_t *data);
/* `data` holds wal_frame_size() bytes; the pointers of `frame` point into it. False: `data` is not
 * a valid frame. */
bool wal_frame_decode(const uint8_t *data, struct wal_frame *frame);

#endif
