/* Sorts any number of rows by a key, in a bounded amount of memory and of disk. Rows of one key
 * keep their order. One thread.
 *
 * Rows are collected in memory. When that is full, they are sorted and written as a run to a
 * temporary file, which has no name: it is gone with the process. The runs are then merged. Rows
 * that fit in memory never reach the disk.
 *
 * A run on disk is a sequence of records: the key minus that of the record before it, the length of
 * the data, both as LEB128, and the data.
 */
#ifndef PRODUCER_LOAD_ROW_SORTER_H
#define PRODUCER_LOAD_ROW_SORTER_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/files/files.h"

struct row_sorter;

struct row_sorter_options {
    struct files *files;   /* outlives the sorter */
    const char *directory; /* of the temporary file; must exist */
    const char *setting;   /* that names the directory, for messages */
    uint64_t memory_bytes;
    uint64_t disk_bytes;
};

struct row_sorter *row_sorter_create(const struct row_sorter_options *options);
/* NULL does nothing. */
void row_sorter_destroy(struct row_sorter *sorter);

/* Copies the row. ERR_USAGE: it does not fit in disk_bytes. ERR_FATAL: the disk. */
int row_sorter_add(struct row_sorter *sorter, uint64_t key, struct text row, struct error *err);

/* No more rows are added. */
int row_sorter_finish(struct row_sorter *sorter, struct error *err);

/* After row_sorter_finish(): the next row. `*row` is valid until the next call. `*is_end`: there
 * are no more. */
int row_sorter_next(struct row_sorter *sorter, uint64_t *key, struct text *row, bool *is_end,
                    struct error *err);

/* After row_sorter_finish(): begins again with the first row. */
int row_sorter_rewind(struct row_sorter *sorter, struct error *err);

/* How much was written to disk. */
uint64_t row_sorter_disk_bytes(const struct row_sorter *sorter);

#endif
