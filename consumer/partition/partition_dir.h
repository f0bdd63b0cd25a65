/* The directories of one partition.
 *
 *     {path}/wal         the log that grows, with its checkpoints in {path}/wal/checkpoint
 *     {path}/wal.old     while the state is built anew in wal: the same of the one that is served
 *     {path}/wal.gone    what a crash left of one that was being removed
 *
 * Each step is one durable rename, so that a crash leaves the state before it or behind it.
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
    bool has_old;
};

/* Creates {path} if it is missing, and removes what a crash left. To be closed even after an
 * error. */
int partition_dir_open(struct partition_dir *dir, struct files *files, const char *path,
                       struct error *err);
void partition_dir_close(struct partition_dir *dir);

/* Makes room for a new log: the one that is there becomes the old one; when there is an old one
 * already, the newer one goes. */
int partition_dir_begin_rebuild(struct partition_dir *dir, struct error *err);
/* The old log goes. */
int partition_dir_remove_old(struct partition_dir *dir, struct error *err);

#endif
