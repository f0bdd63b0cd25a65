#include "consumer/api/verified.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"

/* Before a snapshot is proved, only the clocks are left. */
int64_t
verified_age_of_us(const struct freshness *freshness, int64_t clock_us)
{
    int64_t wall_us = clock_realtime_us();
    int64_t age_us = freshness_age_of_us(freshness, clock_us, clock_monotonic_us(), wall_us);
    CHECK(clock_us > 0);
    if (age_us < 0)
        age_us = wall_us - clock_us;
    return age_us > 0 ? age_us : 0;
}

double
verified_age_s(const struct partition_status *status)
{
    int64_t oldest_us = status->shard.verdicts.oldest_clock_us;
    if (oldest_us <= 0)
        return -1;
    return (double)verified_age_of_us(&status->freshness, oldest_us) / US_PER_S;
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
