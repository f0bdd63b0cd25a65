/* The writer: Avro's binary encoding, appended to a buffer.
 *
 * The generic values of avro-c cost an allocation or a call for each number, and an event has many.
 * Numbers are zigzag varints: little-endian groups of seven bits. An array is one block: its count,
 * its items, and a 0.
 */
#ifndef COMMON_EVENT_EVENT_WRITER_H
#define COMMON_EVENT_EVENT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

enum { WRITE_LONG_BYTES_MAX = 10 };

/* Writes to `at`, which has room for WRITE_LONG_BYTES_MAX, and returns where the bytes end. */
static inline uint8_t *
write_long_at(uint8_t *at, int64_t number)
{
    uint64_t left = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
    for (; left >= 0x80; left >>= 7)
        *at++ = (uint8_t)(left | 0x80);
    *at++ = (uint8_t)left;
    return at;
}

/* A long, an int, the index of a branch or a symbol, or the count of an array that is not empty. */
static inline void
write_long(struct buffer *out, int64_t number)
{
    bool has_room = out->capacity_bytes - out->bytes >= WRITE_LONG_BYTES_MAX;
    uint8_t *at = has_room ? out->data + out->bytes : buffer_reserve(out, WRITE_LONG_BYTES_MAX);
    out->bytes += (size_t)(write_long_at(at, number) - at);
}

void write_boolean(struct buffer *out, bool boolean);
void write_double(struct buffer *out, double number);
/* The text is UTF-8. */
void write_text(struct buffer *out, struct text text);

/* Whole arrays. */
void write_longs(struct buffer *out, const int64_t *numbers, uint32_t count);
void write_doubles(struct buffer *out, const double *numbers, uint32_t count);
/* As longs: the first slot, then the difference of each slot to the one before it. */
void write_slots(struct buffer *out, const uint32_t *slots, uint32_t count);

#endif
