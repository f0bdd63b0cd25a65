/* The directories of one partition.
 *
 *     {path}/wal           the log of the serving replica, with its checkpoints in wal/checkpoint
 *     {path}/wal.new       during a rebuild: the same of the rebuilt replica
 *     {path}/wal.gone      a log that is being removed; a crash may leave a part of it
 *     {path}/accept-loss   during a rebuild: an operator has accepted that it proves less
 *
 * Each step is one durable rename, so that a crash leaves the directories as they were before the
 * step or as they are after it; the two renames of a swap are finished by the next opening. Before
 * 0.2 the log of the serving replica was in wal.old during a rebuild, and that of the rebuilt one
 * in wal: opening renames them.
 */
#ifndef CONSUMER_PARTITION_PARTITION_DIR_H
#define CONSUMER_PARTITION_PARTITION_DIR_H

#include <stdbool.h>

#include "common/files/files.h"

struct partition_dir {
    struct files *files;
    char *path;
    char *wal;
    char *rebuilt;      /* wal.new */
    bool is_rebuilding; /* wal.new exists */
    bool accepts_loss;  /* of the rebuild */
};

/* Creates {path} if it is missing, finishes what a crash has interrupted, and removes
 * {path}/wal.gone. To be closed even after an error. */
int partition_dir_open(struct partition_dir *dir, struct files *files, const char *path,
                       struct error *err);
void partition_dir_close(struct partition_dir *dir);

/* Makes an empty {path}/wal.new, in the place of one that is there. */
int partition_dir_begin_rebuild(struct partition_dir *dir, struct error *err);
/* Of the rebuild that is under way: writes that its loss is accepted. */
int partition_dir_accept_loss(struct partition_dir *dir, struct error *err);
/* Gives the rebuild up: removes {path}/wal.new. */
int partition_dir_end_rebuild(struct partition_dir *dir, struct error *err);
/* {path}/wal.new becomes {path}/wal, and what was there {path}/wal.gone, which
 * partition_dir_sweep() removes. */
int partition_dir_swap(struct partition_dir *dir, struct error *err);
/* Removes {path}/wal.gone, which must exist. */
int partition_dir_sweep(struct partition_dir *dir, struct error *err);

#endif
