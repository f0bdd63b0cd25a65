/* The buffer holds a window of the file. A line that does not end in it is completed by more of the
 * file; what was read stays at the front. The buffer has room for one line of CSV_LINE_BYTES_MAX
 * and a read: a line that is still incomplete when it is full is too long, and is skipped up to its
 * first line break.
 */
#include "producer/load/csv_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { BUFFER_BYTES = 2 * CSV_LINE_BYTES_MAX, READ_BYTES = 1 << 18 };

struct csv_reader {
    struct files *files;
    int handle;
    char *buffer;
    size_t begin; /* of what was not returned */
    size_t end;
    uint64_t offset; /* in the file, of the end of the buffer */
    uint64_t file_bytes;
    bool is_end;      /* nothing follows the buffer */
    bool is_skipping; /* the rest of a line that was too long */
    uint64_t line_number;
    uint64_t next_line_number;
};

static void
reader_check(const struct csv_reader *reader)
{
    CHECK(reader->begin <= reader->end);
    CHECK(reader->end <= BUFFER_BYTES);
    CHECK(reader->offset >= reader->end - reader->begin);
}

int
csv_reader_open(struct files *files, const char *path, struct csv_reader **reader,
                struct error *err)
{
    int handle = files->open(files, path, FILES_READ, err);
    if (handle < 0)
        return error_wrap(err, ERR_USAGE, "cannot read the CSV file");
    int64_t bytes = files->size(files, handle, err);
    if (bytes < 0) {
        files->close(files, handle);
        return error_wrap(err, ERR_USAGE, "cannot read the CSV file");
    }
    struct csv_reader *made = memory_zalloc(sizeof *made);
    made->files = files;
    made->handle = handle;
    made->file_bytes = (uint64_t)bytes;
    made->buffer = memory_alloc(BUFFER_BYTES);
    csv_reader_rewind(made);
    *reader = made;
    return 0;
}

void
csv_reader_close(struct csv_reader *reader)
{
    if (reader == NULL)
        return;
    reader->files->close(reader->files, reader->handle);
    free(reader->buffer);
    free(reader);
}

void
csv_reader_rewind(struct csv_reader *reader)
{
    reader->begin = 0;
    reader->end = 0;
    reader->offset = 0;
    reader->is_end = false;
    reader->is_skipping = false;
    reader->line_number = 0;
    reader->next_line_number = 1;
    reader_check(reader);
}

/* The byte order mark that some programs write before UTF-8. */
static void
skip_mark(struct csv_reader *reader)
{
    bool is_first = reader->offset == reader->end && reader->begin == 0;
    if (is_first && reader->end >= 3 && memcmp(reader->buffer, "\xef\xbb\xbf", 3) == 0)
        reader->begin = 3;
}

static int
fill(struct csv_reader *reader, struct error *err)
{
    size_t left = reader->end - reader->begin;
    reader_check(reader);
    memmove(reader->buffer, reader->buffer + reader->begin, left);
    reader->begin = 0;
    reader->end = left;
    size_t room = BUFFER_BYTES - left < READ_BYTES ? BUFFER_BYTES - left : READ_BYTES;
    int64_t got = reader->files->read_at(reader->files, reader->handle, reader->buffer + left, room,
                                         (int64_t)reader->offset, err);
    if (got < 0)
        return ERR_FATAL;
    reader->is_end = (size_t)got < room;
    reader->end += (size_t)got;
    reader->offset += (uint64_t)got;
    skip_mark(reader);
    reader_check(reader);
    return 0;
}

/* Returns false when more of the file is needed. */
static bool
take_line(struct csv_reader *reader, struct csv_value *values, uint32_t capacity,
          struct csv_line *line)
{
    char *input = reader->buffer + reader->begin;
    size_t bytes = reader->end - reader->begin;
    if (bytes == 0)
        return false;
    if (csv_parse_line(input, bytes, reader->is_end, values, capacity, line) == CSV_LINE)
        return true;
    CHECK(!reader->is_end);
    if (bytes <= CSV_LINE_BYTES_MAX)
        return false;
    csv_skip_line(input, bytes, "a line longer than 1 MiB, or a quote that is not closed", line);
    reader->is_skipping = line->breaks == 0;
    return true;
}

/* Drops what is left of a line that was too long. Returns false when more of the file is needed. */
static bool
skip_rest(struct csv_reader *reader)
{
    char *input = reader->buffer + reader->begin;
    const char *end = memchr(input, '\n', reader->end - reader->begin);
    reader->begin = end != NULL ? (size_t)(end + 1 - reader->buffer) : reader->end;
    reader->next_line_number += end != NULL ? 1 : 0;
    reader->is_skipping = end == NULL && !reader->is_end;
    return !reader->is_skipping;
}

int
csv_reader_next(struct csv_reader *reader, struct csv_value *values, uint32_t capacity,
                struct csv_line *line, bool *is_end, struct error *err)
{
    for (;;) {
        bool has_line = reader->is_skipping ? false : take_line(reader, values, capacity, line);
        if (reader->is_skipping && !has_line && reader->end > reader->begin && skip_rest(reader))
            continue;
        if (has_line) {
            reader->begin += line->bytes;
            reader->line_number = reader->next_line_number;
            reader->next_line_number += line->breaks;
            if (line->count > 0 || line->reason != NULL)
                break;
            continue;
        }
        *is_end = reader->is_end;
        if (reader->is_end)
            return 0;
        int rc = fill(reader, err);
        if (rc != 0)
            return rc;
    }
    reader_check(reader);
    *is_end = false;
    return 0;
}

uint64_t
csv_reader_line_number(const struct csv_reader *reader)
{
    CHECK(reader->line_number > 0); /* after csv_reader_next() */
    return reader->line_number;
}

uint64_t
csv_reader_bytes(const struct csv_reader *reader)
{
    CHECK(reader->offset >= reader->end - reader->begin);
    return reader->offset - (reader->end - reader->begin);
}

uint64_t
csv_reader_file_bytes(const struct csv_reader *reader)
{
    CHECK(reader->handle >= 0);
    return reader->file_bytes;
}
