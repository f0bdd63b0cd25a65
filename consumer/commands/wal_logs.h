/* Finds the logs that a `wal` command reads. Main thread. */
#ifndef CONSUMER_COMMANDS_WAL_LOGS_H
#define CONSUMER_COMMANDS_WAL_LOGS_H

#include "common/cli/cli.h"
#include "consumer/partition/recorded_config.h"
#include "consumer/wal/wal_scan.h"

/* A log of one partition. */
struct wal_log {
    int32_t partition;
    const char *name; /* "wal", or "wal.new" of a rebuild (partition_dir.h) */
    const char *directory;
    int64_t begin_offset; /* of its newest checkpoint; 0: it has none */
};

/* A return other than 0 ends the walk, which returns it. */
typedef int (*wal_log_visit)(void *context, const struct wal_log *log, struct error *err);

/* Calls `visit` for each log of the partition that the first argument names, or of all partitions
 * in the data directory, ascending. ERR_FATAL: no log was found. */
int wal_logs_visit(const struct cli *cli, wal_log_visit visit, void *context, struct error *err);

/* The state of a segment that was read to its end: "whole"; "growing" if it ends inside a frame and
 * a process holds the lock of the log; else "torn". */
const char *wal_logs_state(const struct wal_log *log, const struct wal_segment *segment);

/* Sets `*recorded`, which is NULL at first and then that of an earlier segment, to the
 * configuration under which the segment was written. The caller destroys the last one. */
int wal_logs_configure(const struct config *config, const struct wal_segment *segment,
                       struct recorded_config **recorded, struct error *err);

#endif
