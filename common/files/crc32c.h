/* CRC32C (Castagnoli): the checksum of frames, checkpoints and identity files. The only user of
 * isa-l. Any thread. */
#ifndef COMMON_FILES_CRC32C_H
#define COMMON_FILES_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin with) over `bytes`, in the usual reflected form:
 * crc32c(0, "123456789", 9) == 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
