#include "common/event/event.h"

#define DIGEST_PRIME UINT64_C(0x100000001b3)
#define CONTENT_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

uint64_t
event_digest_next(uint64_t digest, int64_t row_id)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        digest ^= (uint64_t)row_id >> shift & 0xff;
        digest *= DIGEST_PRIME;
    }
    return digest;
}

uint64_t
event_content_next(uint64_t digest, int64_t row_id, uint64_t txid, uint32_t body_crc)
{
    const uint64_t words[] = {(uint64_t)row_id, txid, body_crc};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        digest = (digest ^ words[i]) * CONTENT_MULTIPLIER;
        digest ^= digest >> 32;
    }
    return digest;
}
