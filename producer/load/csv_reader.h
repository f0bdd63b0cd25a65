/* Reads a CSV file line by line, in a bounded amount of memory. One thread. */
#ifndef PRODUCER_LOAD_CSV_READER_H
#define PRODUCER_LOAD_CSV_READER_H

#include "common/base/error.h"
#include "common/files/files.h"
#include "producer/load/csv_parse.h"

enum { CSV_LINE_BYTES_MAX = 1 << 20 }; /* a longer line is invalid */

struct csv_reader;

/* ERR_USAGE: the file cannot be opened. `files` outlives the reader. */
int csv_reader_open(struct files *files, const char *path, struct csv_reader **reader,
                    struct error *err);
/* NULL does nothing. */
void csv_reader_close(struct csv_reader *reader);

/* Reads the next line that is not empty into up to `capacity` values, which are valid until the
 * next call. `*is_end`: there are no more. ERR_FATAL: the file cannot be read. */
int csv_reader_next(struct csv_reader *reader, struct csv_value *values, uint32_t capacity,
                    struct csv_line *line, bool *is_end, struct error *err);

/* Where the last line begins: its number, from 1. */
uint64_t csv_reader_line_number(const struct csv_reader *reader);

/* How much of the file was read, and how large it was when it was opened. */
uint64_t csv_reader_bytes(const struct csv_reader *reader);
uint64_t csv_reader_file_bytes(const struct csv_reader *reader);

/* Begins again with the first line. */
void csv_reader_rewind(struct csv_reader *reader);

#endif
