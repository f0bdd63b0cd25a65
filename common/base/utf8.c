#include "common/base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "common/base/check.h"

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Eight bytes, or fewer, of which some are repeated or followed by 0x01. */
static uint64_t
utf8_load(const uint8_t *at, size_t bytes)
{
    uint64_t word;
    uint32_t first, last;
    CHECK(bytes > 0);
    if (bytes >= sizeof word) {
        memcpy(&word, at, sizeof word);
    } else if (bytes >= sizeof first) {
        memcpy(&first, at, sizeof first);
        memcpy(&last, at + bytes - sizeof last, sizeof last);
        word = (uint64_t)last << 32 | first;
    } else {
        word = EACH_BYTE(0x01) << 24 | (uint64_t)at[bytes / 2] << 16 |
               (uint64_t)at[bytes - 1] << 8 | at[0];
    }
    return word;
}

/* True when all eight bytes are in 0x01..0x7f: no high bit is set, and adding 0x7f sets the high
 * bit of every byte that is not 0. */
static bool
utf8_is_plain(uint64_t word)
{
    return (word & EACH_BYTE(0x80)) == 0 &&
           ((word + EACH_BYTE(0x7f)) & EACH_BYTE(0x80)) == EACH_BYTE(0x80);
}

/* Bytes of the sequence at `at`; 0 when it is ill-formed. The special cases of table 3-7 are ranges
 * of the second byte. */
static size_t
utf8_sequence(const uint8_t *at, size_t left)
{
    CHECK(left > 0);
    uint8_t lead = at[0];
    if (lead < 0x80)
        return lead != 0 ? 1 : 0;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < length)
        return 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return length;
}

bool
utf8_valid(const void *data, size_t bytes)
{
    CHECK(data != NULL || bytes == 0);
    const uint8_t *at = data;
    size_t i = 0;
    while (i < bytes) {
        if (utf8_is_plain(utf8_load(at + i, bytes - i))) {
            i += bytes - i < sizeof(uint64_t) ? bytes - i : sizeof(uint64_t);
            continue;
        }
        size_t length = utf8_sequence(at + i, bytes - i);
        if (length == 0)
            return false;
        i += length;
    }
    CHECK(i == bytes);
    return true;
}

size_t
utf8_decode(const char *text, uint32_t *code_point)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strnlen(text, 4);
    size_t length = left > 0 ? utf8_sequence(at, left) : 0;
    if (length == 0)
        return 0;
    uint32_t code = length == 1 ? at[0] : at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (at[i] & 0x3fU);
    CHECK(code > 0 && code <= 0x10ffff);
    *code_point = code;
    return length;
}
