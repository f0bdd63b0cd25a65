#include "consumer/api/verified.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"

double
verified_age_s(const struct partition_status *status)
{
    int64_t oldest_us = status->shard.verdicts.oldest_clock_us;
    if (oldest_us <= 0)
        return -1;
    int64_t age_us = clock_realtime_us() - oldest_us;
    return age_us > 0 ? (double)age_us / US_PER_S : 0;
}

void
verified_describe(const struct partition_status *status, int64_t limit_s, char *out, size_t bytes)
{
    const struct verdicts_summary *verdicts = &status->shard.verdicts;
    double age_s = verified_age_s(status);
    CHECK(bytes > ERROR_MESSAGE_BYTES);
    CHECK(limit_s >= 0);
    out[0] = '\0';
    if (limit_s == 0)
        return;
    if (verdicts->differing > 0)
        snprintf(out, bytes,
                 "%" PRId64 " of %" PRId64 " ranges differ from the source: bitdex-producer verify "
                 "--repair",
                 verdicts->differing, verdicts->ranges);
    else if (!verdicts->is_whole)
        snprintf(out, bytes,
                 "not all entities were compared with the source: bitdex-producer verify, or "
                 "producer.patrol.share");
    else if (age_s < 0 || age_s > (double)limit_s)
        snprintf(out, bytes,
                 "the oldest comparison with the source is %.0f s old, and "
                 "consumer.ready_requires_verified_s is %" PRId64
                 ": bitdex-producer verify, or producer.patrol.share",
                 age_s < 0 ? 0.0 : age_s, limit_s);
}
