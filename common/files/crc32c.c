#include "common/files/crc32c.h"

#include <isa-l/crc.h>

#include "common/base/check.h"

enum { CRC32C_STEP_BYTES = 1 << 30 }; /* the library counts in int */

uint32_t
crc32c(uint32_t crc, const void *data, size_t bytes)
{
    CHECK(data != NULL || bytes == 0);
    unsigned char *at = (unsigned char *)(uintptr_t)data; /* the library lacks a const */
    crc = ~crc;
    for (; bytes > CRC32C_STEP_BYTES; bytes -= CRC32C_STEP_BYTES, at += CRC32C_STEP_BYTES)
        crc = crc32_iscsi(at, CRC32C_STEP_BYTES, crc);
    return ~crc32_iscsi(at, (int)bytes, crc);
}
