#include "consumer/checkpoint/checkpoint_due.h"

#include "common/base/check.h"

enum { PARTS = 8 };

bool
checkpoint_is_due(const struct checkpoint_interval *interval,
                  const struct checkpoint_growth *growth)
{
    CHECK(interval->bytes > 0);
    CHECK(growth->log_bytes >= 0 && growth->last_bytes >= 0);
    if (growth->log_bytes >= interval->bytes)
        return true;
    if (interval->interval_us == 0 || growth->since_us < interval->interval_us)
        return false;
    return growth->log_bytes >= CHECKPOINT_GROWTH_BYTES &&
           growth->log_bytes >= growth->last_bytes / PARTS;
}
