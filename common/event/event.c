#include "common/event/event.h"

#define DIGEST_PRIME UINT64_C(0x100000001b3)

uint64_t
event_digest_next(uint64_t digest, int64_t row_id)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        digest ^= (uint64_t)row_id >> shift & 0xff;
        digest *= DIGEST_PRIME;
    }
    return digest;
}
