/* The event's bytes: Avro single-object encoding over avro-c, one codec for both programs.
 *
 *     +------+------+----------------------------------+-------------------+
 *     | 0xC3 | 0x01 | CRC-64-AVRO fingerprint, 8 bytes | Avro binary datum |
 *     |      |      | little-endian                    |                   |
 *     +------+------+----------------------------------+-------------------+
 *
 * Decoding is strict: the bytes are read along the writer's schema, every length checked against
 * the bytes left, every union branch, enum index, varint and string for what it may be, so that no
 * byte string crashes, hangs, or allocates out of proportion to its size and EVENT_ITEMS_MAX; bytes
 * left over behind the datum are refused too.
 * A codec is not thread-safe: one per thread.
 */
#ifndef COMMON_EVENT_EVENT_CODEC_H
#define COMMON_EVENT_EVENT_CODEC_H

#include "common/base/error.h"
#include "common/event/event.h"

struct event_codec;

enum {
    EVENT_HEADER_BYTES = 10,
    EVENT_BYTES_MAX = INT32_MAX, /* of a message; Kafka's own limit */
    EVENT_ITEMS_MAX = 128 * 1024 /* ops, nested ops and array strings of an event, all together */
};

/* Knows every schema ever released. Owned by the caller. */
int event_codec_create(struct event_codec **codec, struct error *err);
void event_codec_destroy(struct event_codec *codec);

/* Appends the framed bytes of `event` to `out`. ERR_DATA when the event cannot be expressed (a
 * value of a wrong kind, a text that is not UTF-8 or has a NUL, a number that is not finite, more
 * than EVENT_ITEMS_MAX items); `out` then holds what it held before. */
int event_encode(struct event_codec *codec, const struct event *event, struct buffer *out,
                 struct error *err);

/* Decodes a whole message; strings and ops are copied into `arena`, so `bytes` may go. ERR_DATA:
 * not an event, `err` says why. ERR_RETRY: framed correctly with an unknown fingerprint (a newer
 * producer): wait, never drop. After an error `event` is undefined and `arena` may have grown. */
int event_decode(struct event_codec *codec, const void *bytes, size_t size, struct arena *arena,
                 struct event *event, struct error *err);

/* Of the schema that event_encode writes. */
uint64_t event_schema_fingerprint(void);

#endif
