/* The checkpoints that a replica keeps (checkpoint_thin.h). It remembers the clock of each, so that
 * only after a restart their headers are read. One thread.
 */
#ifndef CONSUMER_PARTITION_HISTORY_H
#define CONSUMER_PARTITION_HISTORY_H

#include "common/config/config_fields.h"
#include "consumer/checkpoint/checkpoint_thin.h"
#include "consumer/partition/position.h"
#include "consumer/wal/wal.h"

/* Zero-initialise. */
struct history {
    struct checkpoint_point points[CHECKPOINTS_MAX]; /* newest first */
    int count;
};

/* What the choice depends on. */
struct history_rule {
    const struct checkpoint_place *place;
    const struct config_fields *fields; /* of the index */
    const struct wal *wal;
    /* Of consumer.checkpoint_keep_hours and checkpoint_bytes, which are counted in segments. */
    struct checkpoint_keep keep;
    int64_t wal_limit_bytes; /* older ones are given up before half of it is theirs */
    int64_t wal_segment_bytes;
};

/* The position of a checkpoint. ERR_DATA: the checkpoint is not usable. */
int history_read_position(const struct checkpoint_place *place, const struct config_fields *fields,
                          int64_t next_offset, struct position *position, struct error *err);

/* A checkpoint is going to be written: adds it, and sets `doomed` to those that go when it is
 * durable. Files that are newer were put there by somebody else and stay. */
int history_add(struct history *history, const struct history_rule *rule,
                const struct checkpoint_point *added, struct checkpoint_doomed *doomed,
                struct error *err);

#endif
