/* Lines of a CSV file as RFC 4180 and PostgreSQL's COPY write them. Pure; any thread.
 *
 *     line  = value { "," value } ( LF | CRLF )
 *     value = bytes without comma, quote and line break | '"' { byte | '""' } '"'
 *
 * A value of no bytes without quotes is null; in quotes it is the empty string. Quoted values may
 * contain commas and line breaks. The last line need not end with a line break. An empty line is a
 * line without values.
 *
 * Our own parser: libcsv takes twice the time, copies each value, and cannot continue after a line
 * that is invalid.
 */
#ifndef PRODUCER_LOAD_CSV_PARSE_H
#define PRODUCER_LOAD_CSV_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

struct csv_value {
    struct text text;
    bool is_null;
};

enum csv_result {
    CSV_LINE,       /* *line is filled */
    CSV_INCOMPLETE, /* the line does not end in the input */
};

struct csv_line {
    size_t bytes;       /* of the input, with the line break */
    uint32_t breaks;    /* line breaks in these bytes */
    uint32_t count;     /* of values, also when there are more than fit */
    const char *reason; /* why the line is invalid; NULL: it is valid */
};

/* Reads the line at the beginning of `input`, which is not empty, into up to `capacity` values. The
 * values point into `input`, where doubled quotes are replaced; nothing is changed when the result
 * is CSV_INCOMPLETE. With `is_end` there is no further input, and every line is complete.
 *
 * An invalid line ends at its first line break: a quote that is not closed costs one line. */
enum csv_result csv_parse_line(char *input, size_t bytes, bool is_end, struct csv_value *values,
                               uint32_t capacity, struct csv_line *line);

/* As for a line that cannot be complete, because its quoted value is too long. */
void csv_skip_line(const char *input, size_t bytes, const char *reason, struct csv_line *line);

/* Decimal, with an optional sign, and a fraction of zeros: 7, -7, +7, 7.0. False: it is something
 * else, or out of range. */
bool csv_parse_integer(struct text text, int64_t *value);

#endif
