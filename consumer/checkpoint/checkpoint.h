/* Checkpoints of one partition: its whole state in one file, with the position after it. A restart
 * reads the newest usable checkpoint and the frames of the log after it.
 *
 *   {directory}/{next offset, 20 digits}.checkpoint     whole and durable
 *   {directory}/new                                     being written, or left by a crash
 *
 * checkpoint_write.h writes a checkpoint, checkpoint_read.h reads one, checkpoint_format.h draws
 * the bytes. This module lists the directory. One thread.
 */
#ifndef CONSUMER_CHECKPOINT_CHECKPOINT_H
#define CONSUMER_CHECKPOINT_CHECKPOINT_H

#include "common/base/memory.h"
#include "common/files/files.h"

enum {
    CHECKPOINTS_KEPT = 2, /* at least, after a new one was written */
    CHECKPOINTS_MAX = 32, /* in a list */
};

/* Checkpoints that are removed when the next one is durable. Zero-initialise. */
struct checkpoint_doomed {
    int64_t offsets[CHECKPOINTS_MAX];
    int count;
};

/* Where checkpoints are and what they belong to; outlives the readers and writers made from it. */
struct checkpoint_place {
    struct files *files;
    const char *directory;
    struct text identity; /* that of the log */
};

/* The path of the checkpoint with that next offset. The caller frees it. */
char *checkpoint_path(const struct checkpoint_place *place, int64_t next_offset);

/* Sets `offsets`, which has room for CHECKPOINTS_MAX, to the next offsets of the newest
 * checkpoints, newest first, and returns their number. Creates the directory if it is missing. */
int checkpoint_list(const struct checkpoint_place *place, int64_t *offsets, struct error *err);

int checkpoint_remove(const struct checkpoint_place *place, int64_t next_offset, struct error *err);

#endif
