/* The rows of one dump phase's CSV file, in the order of their entities. One thread.
 *
 * A file whose lines are in this order is read as it is; any other one is sorted first
 * (row_sorter.h). What is invalid goes to FILE.rejects (csv_rejects.h), and reading continues.
 */
#ifndef PRODUCER_LOAD_CSV_PHASE_H
#define PRODUCER_LOAD_CSV_PHASE_H

#include "common/base/error.h"
#include "common/config/config_phase.h"
#include "common/expression/expression_value.h"
#include "common/files/files.h"

struct csv_phase;

struct csv_phase_options {
    struct files *files;
    const char *directory; /* has NAME.csv */
    uint64_t id_limit;     /* entity ids are less */
    const char *sort_directory;
    uint64_t sort_memory_bytes;
    uint64_t sort_disk_bytes;
    /* Called after some lines. When it returns anything but 0, the call ends with that. May be
     * NULL. */
    int (*heartbeat)(void *context);
    void *context;
};

/* An entity may have several rows. The value of a field that takes only one comes with the first
 * row that has one; a different one in a later row is rejected. */
struct csv_row {
    int64_t entity_id;
    const struct expression_value *values; /* by value of the program */
};

struct csv_counts {
    uint64_t rows;            /* that were returned */
    uint64_t rejected_lines;  /* left out */
    uint64_t rejected_values; /* without a value */
    uint64_t bytes;           /* of the file that were read */
};

/* `program` outlives the phase; everything that `options` points to does, too. ERR_USAGE: the file
 * cannot be opened. */
int csv_phase_open(const struct phase_program *program, const struct csv_phase_options *options,
                   struct csv_phase **phase, struct error *err);
/* NULL does nothing. */
void csv_phase_close(struct csv_phase *phase);

/* Reads through the file, and sorts it if it needs that. Once, before the first row. */
int csv_phase_prepare(struct csv_phase *phase, struct error *err);

/* The next row, valid until the next call; NULL after the last one. */
int csv_phase_next(struct csv_phase *phase, const struct csv_row **row, struct error *err);

/* Begins again with the first row. What was rejected or counted already is not again. */
int csv_phase_rewind(struct csv_phase *phase, struct error *err);

/* Rejects value `at` of the last row. */
int csv_phase_reject(struct csv_phase *phase, uint32_t at, const char *reason, struct error *err);

/* Writes the rejects to disk. */
int csv_phase_flush(struct csv_phase *phase, struct error *err);

/* The greatest entity of the file; -1: it has none. After csv_phase_prepare(). */
int64_t csv_phase_last_id(const struct csv_phase *phase);

bool csv_phase_is_sorted(const struct csv_phase *phase); /* by us */
struct csv_counts csv_phase_counts(const struct csv_phase *phase);
uint64_t csv_phase_file_bytes(const struct csv_phase *phase);
/* Of the file with the rejects. */
const char *csv_phase_rejects_path(const struct csv_phase *phase);

#endif
