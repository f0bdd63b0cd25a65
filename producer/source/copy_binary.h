/* The bytes of `COPY ... (FORMAT binary)`, piece by piece.
 *
 * Source of the format: PostgreSQL manual, COPY, "Binary Format". Every length is checked against
 * the bytes left. Pure; one thread.
 */
#ifndef PRODUCER_SOURCE_COPY_BINARY_H
#define PRODUCER_SOURCE_COPY_BINARY_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/error.h"
#include "common/base/memory.h"

/* In place of the number of columns of a row: the copy is complete. */
enum { COPY_TRAILER = -1 };

/* Of the header that Postgres writes. */
enum { COPY_HEADER_BYTES = 19 };

struct copy_bytes {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t
copy_left(const struct copy_bytes *bytes)
{
    CHECK(bytes->at <= bytes->end);
    return (size_t)(bytes->end - bytes->at);
}

/* False, here and below: there are not enough bytes. */
static inline bool
copy_take_int16(struct copy_bytes *bytes, int16_t *value)
{
    uint16_t raw;
    if (copy_left(bytes) < sizeof raw)
        return false;
    memcpy(&raw, bytes->at, sizeof raw);
    bytes->at += sizeof raw;
    *value = (int16_t)be16toh(raw);
    return true;
}

static inline bool
copy_take_int32(struct copy_bytes *bytes, int32_t *value)
{
    uint32_t raw;
    if (copy_left(bytes) < sizeof raw)
        return false;
    memcpy(&raw, bytes->at, sizeof raw);
    bytes->at += sizeof raw;
    *value = (int32_t)be32toh(raw);
    return true;
}

/* Sets `*null`, or fills `*field` with the bytes of the field. */
static inline bool
copy_take_field(struct copy_bytes *bytes, bool *null, struct text *field)
{
    int32_t length;
    if (!copy_take_int32(bytes, &length))
        return false;
    *null = length == -1;
    if (*null)
        return true;
    if (length < 0 || (size_t)length > copy_left(bytes))
        return false;
    *field = (struct text){(const char *)bytes->at, (size_t)length};
    bytes->at += length;
    return true;
}

/* The integer in a field of 2, 4 or 8 bytes; false for any other field. */
static inline bool
copy_integer(struct text field, int64_t *value)
{
    uint64_t eight;
    uint32_t four;
    uint16_t two;
    switch (field.bytes) {
    case sizeof eight:
        memcpy(&eight, field.data, sizeof eight);
        *value = (int64_t)be64toh(eight);
        return true;
    case sizeof four:
        memcpy(&four, field.data, sizeof four);
        *value = (int32_t)be32toh(four);
        return true;
    case sizeof two:
        memcpy(&two, field.data, sizeof two);
        *value = (int16_t)be16toh(two);
        return true;
    default:
        return false;
    }
}

/* Takes the header, with which a copy begins. ERR_FATAL when the bytes do not begin with one. */
int copy_take_header(struct copy_bytes *bytes, struct error *err);

#endif
