/* The state as bytes: how the engine's parts write numbers and bitmaps, and read them back without
 * trusting them.
 *
 * All numbers are little-endian. A bitmap is its length (8 bytes) and CRoaring's portable format,
 * https://github.com/RoaringBitmap/RoaringFormatSpec, which is checked before CRoaring sees it.
 *
 * A reader keeps its first error; from then on it gives zeros, so that one look at `rc` at the end
 * of each loop's round is enough. What is allocated is in proportion to what has been read.
 */
#ifndef CONSUMER_ENGINE_STORE_IMAGE_H
#define CONSUMER_ENGINE_STORE_IMAGE_H

#include <roaring/roaring.h>

#include "common/base/memory.h"
#include "consumer/engine/engine.h"

struct image_writer {
    const struct engine_sink *sink;
    struct buffer buffer;
};

/* A writer is zeroed but for its sink. */
void image_put(struct image_writer *writer, const void *data, size_t bytes);
void image_put_u32(struct image_writer *writer, uint32_t number);
void image_put_u64(struct image_writer *writer, uint64_t number);
void image_put_bitmap(struct image_writer *writer, const roaring_bitmap_t *bitmap);
/* Hands on what is left, and frees the buffer. */
void image_finish(struct image_writer *writer);

struct image_reader {
    const struct engine_source *source;
    struct error *err;
    int rc; /* of the first failure */
    struct buffer buffer;
};

/* A reader is zeroed but for its source and error. Its buffer is freed by the caller. */
void image_get(struct image_reader *reader, void *data, size_t bytes);
uint32_t image_get_u32(struct image_reader *reader);
uint64_t image_get_u64(struct image_reader *reader);
/* In the reader's buffer, until the next call. */
const uint8_t *image_get_bytes(struct image_reader *reader, uint64_t bytes);
/* The caller frees it. NULL after a failure. */
roaring_bitmap_t *image_get_bitmap(struct image_reader *reader);
/* In place of the one that is there, which stays after a failure. */
void image_replace_bitmap(struct image_reader *reader, roaring_bitmap_t **bitmap);
/* ERR_DATA, unless there was an error before. */
void image_refuse(struct image_reader *reader, const char *reason);

#endif
