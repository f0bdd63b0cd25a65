/* The consumer's data directory. One process uses it at a time. Its id is part of every commit
 * (resume.h), so that a committed offset shows whose log it belongs to.
 *
 *     {data_dir}/lock                locked while in use
 *     {data_dir}/id                  a random UUID, written once
 *     {data_dir}/partitions          the number of partitions of a stand-alone index
 *     {data_dir}/{topic}.dumps       the dump registry (dump_registry.h); {index}.dumps likewise
 *     {data_dir}/{topic}-{p}/        the directory of partition p (partition_dir.h);
 *                                    {index}-{p} of a stand-alone index
 */
#ifndef CONSUMER_PARTITION_DATA_DIR_H
#define CONSUMER_PARTITION_DATA_DIR_H

#include "common/base/memory.h"
#include "common/files/files.h"

enum { DATA_DIR_ID_BYTES = 37 };

struct data_dir {
    struct files *files;
    int lock;                   /* its handle; -1: closed */
    char id[DATA_DIR_ID_BYTES]; /* terminated */
};

/* Creates what is missing. ERR_USAGE: another process uses the directory; ERR_FATAL: the directory
 * cannot be used. On error nothing is left to close. */
int data_dir_open(struct files *files, const char *path, struct data_dir *dir, struct error *err);
void data_dir_close(struct data_dir *dir);

/* Stores the number of partitions of a stand-alone index when the index is created. ERR_USAGE: it
 * was created with another number, so its entities are in other partitions. */
int data_dir_fix_partitions(struct data_dir *dir, const char *path, int32_t partitions,
                            struct error *err);

/* {data_dir}/{topic}-{p}. The caller frees it. */
char *data_dir_partition_path(const char *path, const char *topic, int32_t partition);
/* Appends the partitions of the topic that have such a directory, as int32_t, ascending. Needs no
 * lock. */
int data_dir_list_partitions(struct files *files, const char *path, const char *topic,
                             struct buffer *partitions, struct error *err);

#endif
