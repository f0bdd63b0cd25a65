/* The logs that a command of the write-ahead log reads. Main thread. */
#ifndef CONSUMER_COMMANDS_WAL_LOGS_H
#define CONSUMER_COMMANDS_WAL_LOGS_H

#include "common/cli/cli.h"
#include "consumer/wal/wal_scan.h"

/* Of one partition. */
struct wal_log {
    int32_t partition;
    const char *name; /* "wal", or "wal.old": see intake/partition_dir.h */
    const char *directory;
    int64_t begin_offset; /* of its newest checkpoint; 0: there is none */
};

typedef int (*wal_log_look)(void *context, const struct wal_log *log, struct error *err);

/* Calls `look` with the logs of the partition that the first argument names, or of all in the data
 * directory, ascending. A failure ends it. */
int wal_logs_look(const struct cli *cli, wal_log_look look, void *context, struct error *err);

/* Of a segment that was read to its end: "whole"; "growing" when it ends inside a frame and a
 * process holds the log, else "torn". */
const char *wal_logs_state(const struct wal_log *log, const struct wal_segment *segment);

#endif
