/* What a replica (replica.h) is created with. */
#ifndef CONSUMER_PARTITION_REPLICA_OPTIONS_H
#define CONSUMER_PARTITION_REPLICA_OPTIONS_H

#include <stdbool.h>

#include "common/config/config.h"
#include "common/files/files.h"
#include "consumer/partition/stage_times.h"
#include "consumer/partition/worker_control.h"

struct replica;

/* All but `directory` must outlive it. */
struct replica_options {
    const struct config *config;
    struct files *files;
    int32_t partition;
    const char *directory; /* of the log */
    /* Gets a heartbeat for each frame and each piece of a checkpoint. When it says stop,
     * replica_open() ends with ERR_RETRY. */
    struct worker_control *control;
    struct stage_times *times;
    bool is_as_of; /* its changes are dropped: no checkpoints by time */
};

#endif
