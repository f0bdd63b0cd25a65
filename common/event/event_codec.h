/* The bytes of an event: Avro single-object encoding, by the same codec in both programs.
 *
 *     +------+------+----------------------------------+-------------------+
 *     | 0xC3 | 0x01 | CRC-64-AVRO fingerprint, 8 bytes | Avro binary datum |
 *     |      |      | little-endian                    |                   |
 *     +------+------+----------------------------------+-------------------+
 *
 * Decoding is strict. It reads the bytes by the schema of the writer, and checks every length
 * against the bytes that are left, and every union branch, enum index, varint and string. No byte
 * string crashes it, makes it hang, or makes it allocate out of proportion to the bytes and
 * EVENT_ITEMS_MAX. Bytes after the datum are refused. An event is valid (event_validate.h) before
 * it is written and after it is read.
 *
 * A codec belongs to one thread.
 */
#ifndef COMMON_EVENT_EVENT_CODEC_H
#define COMMON_EVENT_EVENT_CODEC_H

#include "common/base/error.h"
#include "common/event/event.h"

struct event_codec;

enum {
    EVENT_HEADER_BYTES = 10,
    EVENT_BYTES_MAX = INT32_MAX, /* of a message, as in Kafka */
};

/* A codec reads all released schemas and writes the newest one. Owned by the caller. */
int event_codec_create(struct event_codec **codec, struct error *err);
void event_codec_destroy(struct event_codec *codec);

/* Appends the bytes of `event` with their header to `out`. ERR_DATA when the event cannot be
 * expressed: a value of a wrong kind, a text that is not UTF-8 or has a NUL, a number that is not
 * finite, more than EVENT_ITEMS_MAX items. On error `out` is unchanged. */
int event_encode(struct event_codec *codec, const struct event *event, struct buffer *out,
                 struct error *err);
/* The same; and sets `*body_crc` for event_content_next(). */
int event_encode_body(struct event_codec *codec, const struct event *event, struct buffer *out,
                      uint32_t *body_crc, struct error *err);

/* Decodes a whole message. Texts and ops are copied into `arena` and do not point into `bytes`. The
 * member `mark` of other kinds is left as it is.
 * ERR_DATA: the message is not an event, `err` has the reason. ERR_RETRY: the header is correct,
 * and the fingerprint is unknown because the producer is newer; the message must not be dropped.
 * After an error `event` is undefined and `arena` may have grown. */
int event_decode(struct event_codec *codec, const void *bytes, size_t size, struct arena *arena,
                 struct event *event, struct error *err);

#endif
