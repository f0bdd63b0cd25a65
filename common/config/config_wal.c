#include "common/config/config_wal.h"

#include "common/base/check.h"

/* Of the limit: a checkpoint costs as much however short the log is. */
enum { CHECKPOINTS_IN_LIMIT = 8 };

int64_t
config_wal_checkpoint_bytes(const struct config_consumer *consumer)
{
    int64_t room = (consumer->wal_limit_bytes - consumer->wal_segment_bytes) / 2;
    int64_t least = consumer->wal_limit_bytes / CHECKPOINTS_IN_LIMIT;
    CHECK(consumer->wal_segment_bytes <= consumer->wal_limit_bytes);
    if (room < least)
        room = least;
    return consumer->checkpoint_bytes < room ? consumer->checkpoint_bytes : room;
}

bool
config_wal_is_tight(const struct config_consumer *consumer, int64_t *wanted_bytes)
{
    CHECK(consumer->checkpoint_bytes > 0);
    *wanted_bytes = 2 * consumer->checkpoint_bytes + consumer->wal_segment_bytes;
    return consumer->wal_limit_bytes < *wanted_bytes;
}
