#include "common/event/event.h"

#include "common/base/check.h"

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

const char *
event_kind_name(enum event_kind kind)
{
    static const char *const names[EVENT_KINDS] = {
        [EVENT_ROW] = "row",
        [EVENT_FAN_OUT] = "fan-out",
        [EVENT_REJECTED] = "rejected",
        [EVENT_MARK] = "mark",
        [EVENT_PARENT_REFRESH] = "parent refresh",
        [EVENT_CHUNK] = "chunk",
        [EVENT_PASS] = "pass",
        [EVENT_SUM] = "sum",
        [EVENT_SUM_POINT] = "sum point",
        [EVENT_JOB] = "job",
        [EVENT_VOIDED] = "voided",
    };
    CHECK(kind < EVENT_KINDS);
    return names[kind];
}
