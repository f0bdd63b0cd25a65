/* The directories of one partition.
 *
 *     {path}/wal         the log of the fed replica, with its checkpoints in {path}/wal/checkpoint
 *     {path}/wal.old     during a rebuild: the same of the served replica
 *     {path}/wal.gone    a log that is being removed; a crash may leave a part of it
 *
 * Each step is one durable rename, so that a crash leaves the directories as they were before the
 * step or as they are after it.
 */
#ifndef CONSUMER_PARTITION_PARTITION_DIR_H
#define CONSUMER_PARTITION_PARTITION_DIR_H

#include <stdbool.h>

#include "common/files/files.h"

struct partition_dir {
    struct files *files;
    char *path;
    char *wal;
    char *old;
    bool has_old; /* wal.old exists: a rebuild is under way */
};

/* Creates {path} if it is missing, and removes {path}/wal.gone. To be closed even after an
 * error. */
int partition_dir_open(struct partition_dir *dir, struct files *files, const char *path,
                       struct error *err);
void partition_dir_close(struct partition_dir *dir);

/* Makes room for an empty log: {path}/wal becomes {path}/wal.old. When a rebuild is under way
 * already, the log in {path}/wal is removed, and {path}/wal.old is kept. */
int partition_dir_begin_rebuild(struct partition_dir *dir, struct error *err);
/* Ends a rebuild: removes {path}/wal.old. */
int partition_dir_remove_old(struct partition_dir *dir, struct error *err);

#endif
