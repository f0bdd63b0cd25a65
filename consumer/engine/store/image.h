/* The image of an engine: its state as bytes. The engine's parts write numbers and bitmaps with
 * these functions, and read them back without trusting them.
 *
 * All numbers are little-endian. A bitmap is its length (8 bytes) and CRoaring's portable format,
 * https://github.com/RoaringBitmap/RoaringFormatSpec, which is validated before CRoaring parses it.
 *
 * A reader keeps its first error; from then on every read gives zeros. A loop therefore checks `rc`
 * once in each round. Memory is allocated in proportion to what has been read, not to the lengths
 * that the image claims.
 *
 * One thread.
 */
#ifndef CONSUMER_ENGINE_STORE_IMAGE_H
#define CONSUMER_ENGINE_STORE_IMAGE_H

#include <roaring/roaring.h>

#include <string.h>

#include "common/base/memory.h"
#include "consumer/engine/store/image_stream.h"

enum { IMAGE_STEP_BYTES = 32 << 10 };

struct image_writer {
    const struct image_sink *sink;
    size_t bytes; /* that the sink has not received yet */
    uint8_t data[IMAGE_STEP_BYTES];
};

/* The caller sets the sink, and ends with image_finish(). Writing allocates no memory. */
void image_begin(struct image_writer *writer, const struct image_sink *sink);
void image_put(struct image_writer *writer, const void *data, size_t bytes);
void image_put_u32(struct image_writer *writer, uint32_t number);
void image_put_u64(struct image_writer *writer, uint64_t number);
void image_put_bitmap(struct image_writer *writer, const roaring_bitmap_t *bitmap);
/* Passes the remaining bytes to the sink. */
void image_finish(struct image_writer *writer);

struct image_reader {
    const struct image_source *source;
    struct error *err;
    int rc;         /* of the first failure */
    const char *at; /* in what the source gave last */
    size_t left;    /* of that; 0 after a failure */
    struct buffer buffer;
};

/* The caller zeroes a reader but for its source and error, and frees its buffer. */
void image_get_parts(struct image_reader *reader, void *data, size_t bytes);
static inline void
image_get(struct image_reader *reader, void *data, size_t bytes)
{
    if (bytes > reader->left) {
        image_get_parts(reader, data, bytes);
        return;
    }
    memcpy(data, reader->at, bytes);
    reader->at += bytes;
    reader->left -= bytes;
}
static inline uint32_t
image_get_u32(struct image_reader *reader)
{
    uint32_t number;
    image_get(reader, &number, sizeof number);
    return number;
}
static inline uint64_t
image_get_u64(struct image_reader *reader)
{
    uint64_t number;
    image_get(reader, &number, sizeof number);
    return number;
}
/* A pointer into the source or the reader's buffer, valid until the next call. Never NULL. */
const uint8_t *image_get_bytes(struct image_reader *reader, uint64_t bytes);
/* Refuses bytes that the source has given and nobody has read. */
void image_end(struct image_reader *reader);
/* The caller frees the bitmap. NULL after a failure. */
roaring_bitmap_t *image_get_bitmap(struct image_reader *reader);
/* Replaces `*bitmap`, which stays unchanged after a failure. */
void image_replace_bitmap(struct image_reader *reader, roaring_bitmap_t **bitmap);
/* Sets ERR_DATA with this reason, unless the reader has an error already. */
void image_refuse(struct image_reader *reader, const char *reason);

#endif
