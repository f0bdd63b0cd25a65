/* The consumer's data directory as a whole: one process at a time, and an id of its own, which
 * commits carry, so that a group's offsets tell whose state they belong to.
 *
 *     {data_dir}/lock                locked while in use
 *     {data_dir}/id                  a random UUID, written once
 *     {data_dir}/partitions          how many there are, of a stand-alone index
 *     {data_dir}/{topic}-{p}/        of each partition, see partition_dir.h; {index}-{p} when
 *                                    stand-alone
 */
#ifndef CONSUMER_PARTITION_DATA_DIR_H
#define CONSUMER_PARTITION_DATA_DIR_H

#include "common/base/memory.h"
#include "common/files/files.h"

enum { DATA_DIR_ID_BYTES = 37 };

struct data_dir {
    struct files *files;
    int lock;
    char id[DATA_DIR_ID_BYTES]; /* terminated */
};

/* Creates what is missing. ERR_USAGE when another process uses it, ERR_FATAL when it cannot be
 * used. */
int data_dir_open(struct files *files, const char *path, struct data_dir *dir, struct error *err);
void data_dir_close(struct data_dir *dir);

/* Keeps the number when it is the first; ERR_USAGE when another one was kept: entities would belong
 * to other partitions. (A topic says itself how many it has.) */
int data_dir_fix_partitions(struct data_dir *dir, const char *path, int32_t partitions,
                            struct error *err);

/* {data_dir}/{topic}-{p}; the caller frees it. */
char *data_dir_partition_path(const char *path, const char *topic, int32_t partition);
/* Appends the partitions of the topic that have such a directory, int32_t each, ascending. Takes no
 * lock. */
int data_dir_list_partitions(struct files *files, const char *path, const char *topic,
                             struct buffer *partitions, struct error *err);

#endif
