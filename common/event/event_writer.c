#include "common/event/event_writer.h"

#include <string.h>

#include "common/base/check.h"

enum { WRITE_BLOCK_ITEMS = 1024 }; /* for which room is made at once */

void
write_boolean(struct buffer *out, bool boolean)
{
    *buffer_reserve(out, 1) = boolean;
    out->bytes++;
}

/* Little-endian, like the machines that are supported (consumer/engine/store/image.c). */
void
write_double(struct buffer *out, double number)
{
    buffer_append(out, &number, sizeof number);
}

void
write_text(struct buffer *out, struct text text)
{
    CHECK(text.data != NULL || text.bytes == 0);
    write_long(out, (int64_t)text.bytes);
    buffer_append(out, text.data, text.bytes);
}

static void
write_array_begin(struct buffer *out, uint32_t count)
{
    if (count > 0)
        write_long(out, count);
}

static void
write_array_end(struct buffer *out)
{
    write_long(out, 0);
}

static uint32_t
write_block_items(uint32_t left)
{
    CHECK(left > 0);
    return left < WRITE_BLOCK_ITEMS ? left : WRITE_BLOCK_ITEMS;
}

void
write_longs(struct buffer *out, const int64_t *numbers, uint32_t count)
{
    CHECK(numbers != NULL || count == 0);
    write_array_begin(out, count);
    for (uint32_t i = 0; i < count;) {
        uint32_t items = write_block_items(count - i);
        uint8_t *begin = buffer_reserve(out, (size_t)items * WRITE_LONG_BYTES_MAX);
        uint8_t *at = begin;
        for (uint32_t end = i + items; i < end; i++)
            at = write_long_at(at, numbers[i]);
        out->bytes += (size_t)(at - begin);
    }
    write_array_end(out);
}

void
write_doubles(struct buffer *out, const double *numbers, uint32_t count)
{
    CHECK(numbers != NULL || count == 0);
    write_array_begin(out, count);
    if (count > 0)
        buffer_append(out, numbers, (size_t)count * sizeof *numbers);
    write_array_end(out);
}

void
write_slots(struct buffer *out, const uint32_t *slots, uint32_t count)
{
    CHECK(slots != NULL || count == 0);
    write_array_begin(out, count);
    uint32_t before = 0;
    for (uint32_t i = 0; i < count;) {
        uint32_t items = write_block_items(count - i);
        uint8_t *begin = buffer_reserve(out, (size_t)items * WRITE_LONG_BYTES_MAX);
        uint8_t *at = begin;
        for (uint32_t end = i + items; i < end; i++) {
            at = write_long_at(at, (int64_t)slots[i] - before);
            before = slots[i];
        }
        out->bytes += (size_t)(at - begin);
    }
    write_array_end(out);
}
