/* What a load of a CSV file could not take, as a CSV file of its own, CSV.rejects, with the header
 *
 *     line,name,reason,value
 *
 * `line` is where the line begins in the CSV file, from 1. `name` is the column whose value is
 * invalid, or the field that could not be computed, and has no value then; without a name the whole
 * line is left out. One thread.
 */
#ifndef PRODUCER_LOAD_CSV_REJECTS_H
#define PRODUCER_LOAD_CSV_REJECTS_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/files/files.h"

struct csv_rejects;

/* Removes the file of an earlier load. `path` is of the CSV file. `files` outlives the result. */
int csv_rejects_open(struct files *files, const char *path, struct csv_rejects **rejects,
                     struct error *err);
/* NULL does nothing. */
void csv_rejects_close(struct csv_rejects *rejects);

/* The file is created with the first of them. A value that is too long is cut. */
int csv_rejects_add(struct csv_rejects *rejects, uint64_t line, const char *name,
                    const char *reason, struct text value, struct error *err);

/* Writes what was added. */
int csv_rejects_flush(struct csv_rejects *rejects, struct error *err);

uint64_t csv_rejects_count(const struct csv_rejects *rejects);
const char *csv_rejects_path(const struct csv_rejects *rejects);

#endif
