/* Happy path: add() fills `rows` and `index`; when they are full, write_run() sorts the index and
 * appends the rows to the file in its order. finish() writes the last run, or, when no run is on
 * disk, keeps the rows in memory. next() takes the least head of all runs from a heap.
 *
 * Failure modes: a full disk or an unreadable file is an error of the call; the sorter is then only
 * destroyed. The file is removed right after it is opened, so that no crash leaves it.
 */
#include "producer/load/row_sorter.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"

enum {
    WRITE_BYTES = 1 << 20,
    READ_BYTES_MIN = 1 << 14,
    READ_BYTES_MAX = 1 << 20,
    RUNS_MAX = 4096,
    RECORD_HEAD_BYTES_MAX = 20, /* two LEB128 of 64 bits */
};

struct row_entry {
    uint64_t key;
    uint64_t offset; /* in rows: the length as uint32_t, then the data */
};

/* A part of the file while it is read. */
struct row_run {
    uint64_t begin; /* in the file */
    uint64_t end;
    uint64_t at; /* what follows the buffer */
    struct buffer buffer;
    size_t read; /* of the buffer: bytes of records that were returned */
    uint64_t key;
    struct text row;
};

struct row_sorter {
    struct row_sorter_options options;
    struct buffer rows;
    struct buffer index; /* struct row_entry */
    int handle;          /* -1: no run was written */
    uint64_t written_bytes;
    struct row_run *runs;
    uint32_t run_count;
    struct row_run **heap; /* runs with a row, the least first */
    uint32_t heap_count;
    uint64_t next_entry; /* without runs: of the index */
    bool is_finished;
    bool has_taken; /* the least run's row was returned: it moves on at the next call */
};

struct row_sorter *
row_sorter_create(const struct row_sorter_options *options)
{
    struct row_sorter *sorter = memory_zalloc(sizeof *sorter);
    CHECK(options->directory != NULL);
    CHECK(options->memory_bytes > 0);
    sorter->options = *options;
    sorter->handle = -1;
    buffer_init(&sorter->rows);
    buffer_init(&sorter->index);
    return sorter;
}

void
row_sorter_destroy(struct row_sorter *sorter)
{
    if (sorter == NULL)
        return;
    for (uint32_t i = 0; i < sorter->run_count; i++)
        buffer_free(&sorter->runs[i].buffer);
    if (sorter->handle >= 0)
        sorter->options.files->close(sorter->options.files, sorter->handle);
    buffer_free(&sorter->rows);
    buffer_free(&sorter->index);
    free(sorter->runs);
    free(sorter->heap);
    free(sorter);
}

static int
open_file(struct row_sorter *sorter, struct error *err)
{
    static atomic_uint number;
    struct files *files = sorter->options.files;
    CHECK(sorter->handle < 0);
    char *path = memory_format("%s/bitdex-sort-%ld-%u", sorter->options.directory, (long)getpid(),
                               atomic_fetch_add(&number, 1));
    int handle = files->open(files, path, FILES_CREATE, err);
    int rc = handle < 0 ? handle : files->unlink(files, path, err);
    free(path);
    if (handle >= 0)
        sorter->handle = handle;
    return rc;
}

static int
compare_entries(const void *left, const void *right)
{
    const struct row_entry *a = left;
    const struct row_entry *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static struct text
entry_row(const struct row_sorter *sorter, const struct row_entry *entry)
{
    uint32_t bytes;
    const char *at = (const char *)sorter->rows.data + entry->offset;
    CHECK(entry->offset + sizeof bytes <= sorter->rows.bytes);
    memcpy(&bytes, at, sizeof bytes);
    CHECK(bytes <= sorter->rows.bytes - entry->offset - sizeof bytes);
    return (struct text){at + sizeof bytes, bytes};
}

static struct row_entry *
entries(const struct row_sorter *sorter, size_t *count)
{
    *count = sorter->index.bytes / sizeof(struct row_entry);
    return (struct row_entry *)(void *)sorter->index.data;
}

static void
append_number(struct buffer *out, uint64_t number)
{
    uint8_t *at = buffer_reserve(out, RECORD_HEAD_BYTES_MAX);
    size_t bytes = 0;
    for (; number >= 0x80; number >>= 7)
        at[bytes++] = (uint8_t)(number | 0x80);
    at[bytes++] = (uint8_t)number;
    out->bytes += bytes;
}

static int
write_out(struct row_sorter *sorter, struct buffer *out, struct error *err)
{
    struct files *files = sorter->options.files;
    uint64_t limit = sorter->options.disk_bytes;
    if (out->bytes > limit - sorter->written_bytes)
        return error_set(err, ERR_USAGE,
                         "the rows to be sorted take more than %" PRIu64
                         " bytes on disk (producer.load.sort_bytes)",
                         limit);
    int rc = files->write_at(files, sorter->handle, out->data, out->bytes,
                             (int64_t)sorter->written_bytes, err);
    if (rc != 0)
        return error_wrap(err, ERR_FATAL, "cannot sort in \"%s\" (%s)", sorter->options.directory,
                          sorter->options.setting);
    sorter->written_bytes += out->bytes;
    CHECK(sorter->written_bytes <= limit);
    buffer_clear(out);
    return 0;
}

static int
write_rows(struct row_sorter *sorter, struct buffer *out, struct error *err)
{
    size_t count;
    const struct row_entry *list = entries(sorter, &count);
    uint64_t previous = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct text row = entry_row(sorter, &list[i]);
        CHECK(list[i].key >= previous);
        append_number(out, list[i].key - previous);
        append_number(out, row.bytes);
        buffer_append(out, row.data, row.bytes);
        previous = list[i].key;
        if (out->bytes >= WRITE_BYTES)
            rc = write_out(sorter, out, err);
    }
    return rc == 0 && out->bytes > 0 ? write_out(sorter, out, err) : rc;
}

static void
sort_entries(struct row_sorter *sorter)
{
    size_t count;
    struct row_entry *list = entries(sorter, &count);
    if (count > 0)
        qsort(list, count, sizeof *list, compare_entries);
}

/* Empties the memory into a run. */
static int
write_run(struct row_sorter *sorter, struct error *err)
{
    int rc = sorter->handle < 0 ? open_file(sorter, err) : 0;
    if (rc != 0)
        return error_wrap(err, ERR_FATAL, "cannot sort in \"%s\" (%s)", sorter->options.directory,
                          sorter->options.setting);
    if (sorter->run_count == RUNS_MAX)
        return error_set(err, ERR_USAGE, "too many rows to sort with %" PRIu64 " bytes of memory",
                         sorter->options.memory_bytes);
    struct buffer out;
    buffer_init(&out);
    uint64_t begin = sorter->written_bytes;
    sort_entries(sorter);
    rc = write_rows(sorter, &out, err);
    buffer_free(&out);
    if (rc != 0)
        return rc;
    sorter->runs = memory_realloc(sorter->runs, (sorter->run_count + 1) * sizeof *sorter->runs);
    sorter->runs[sorter->run_count++] =
        (struct row_run){.begin = begin, .end = sorter->written_bytes};
    buffer_clear(&sorter->rows);
    buffer_clear(&sorter->index);
    return 0;
}

int
row_sorter_add(struct row_sorter *sorter, uint64_t key, struct text row, struct error *err)
{
    uint32_t bytes = (uint32_t)row.bytes;
    CHECK(!sorter->is_finished);
    CHECK(row.bytes <= UINT32_MAX);
    uint64_t used = sorter->rows.bytes + sorter->index.bytes;
    int rc =
        used > 0 && used + row.bytes > sorter->options.memory_bytes ? write_run(sorter, err) : 0;
    if (rc != 0)
        return rc;
    struct row_entry entry = {key, sorter->rows.bytes};
    buffer_append(&sorter->index, &entry, sizeof entry);
    buffer_append(&sorter->rows, &bytes, sizeof bytes);
    buffer_append(&sorter->rows, row.data, row.bytes);
    return 0;
}

/* Reads more of the run, after what has not been returned yet. */
static int
run_fill(struct row_sorter *sorter, struct row_run *run, size_t bytes, struct error *err)
{
    struct files *files = sorter->options.files;
    size_t left = run->buffer.bytes - run->read;
    CHECK(run->read <= run->buffer.bytes);
    if (left > 0)
        memmove(run->buffer.data, run->buffer.data + run->read, left);
    run->buffer.bytes = left;
    run->read = 0;
    uint64_t more = run->end - run->at < bytes ? run->end - run->at : bytes;
    uint8_t *place = buffer_reserve(&run->buffer, more);
    int64_t got = files->read_at(files, sorter->handle, place, more, (int64_t)run->at, err);
    if (got < 0)
        return error_wrap(err, ERR_FATAL, "cannot read sorted rows back");
    if ((uint64_t)got < more)
        return error_set(err, ERR_FATAL, "sorted rows ended after %" PRIu64 " bytes",
                         run->at + (uint64_t)got);
    run->buffer.bytes += more;
    run->at += more;
    return 0;
}

/* False: the number is not complete. */
static bool
take_number(const struct buffer *buffer, size_t *at, uint64_t *number)
{
    *number = 0;
    for (unsigned shift = 0; *at < buffer->bytes && shift < 64; shift += 7) {
        uint8_t byte = buffer->data[(*at)++];
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

/* False: the next record is not complete in the buffer. */
static bool
run_take(struct row_run *run)
{
    uint64_t difference;
    uint64_t bytes;
    size_t at = run->read;
    if (!take_number(&run->buffer, &at, &difference) || !take_number(&run->buffer, &at, &bytes) ||
        bytes > run->buffer.bytes - at)
        return false;
    run->key += difference;
    run->row = (struct text){(const char *)run->buffer.data + at, bytes};
    run->read = at + bytes;
    return true;
}

/* The next row of the run; `*is_end`: there are no more. */
static int
run_next(struct row_sorter *sorter, struct row_run *run, bool *is_end, struct error *err)
{
    size_t share = sorter->options.memory_bytes / sorter->run_count;
    size_t bytes = share < READ_BYTES_MIN   ? READ_BYTES_MIN
                   : share > READ_BYTES_MAX ? READ_BYTES_MAX
                                            : share;
    *is_end = run->read == run->buffer.bytes && run->at == run->end;
    while (!*is_end && !run_take(run)) {
        CHECK(run->at < run->end); /* else the last record has no end */
        int rc = run_fill(sorter, run, bytes, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Rows of one key come from the earlier run first. */
static bool
is_before(const struct row_run *a, const struct row_run *b)
{
    return a->key < b->key || (a->key == b->key && a < b);
}

/* Restores the heap after heap[at] has become larger. */
static void
heap_sink(struct row_sorter *sorter, uint32_t at)
{
    struct row_run **heap = sorter->heap;
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < sorter->heap_count && is_before(heap[child], heap[least]))
                least = child;
        if (least == at)
            return;
        struct row_run *moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

int
row_sorter_finish(struct row_sorter *sorter, struct error *err)
{
    CHECK(!sorter->is_finished);
    sorter->is_finished = true;
    if (sorter->run_count == 0) {
        sort_entries(sorter);
        return 0;
    }
    int rc = sorter->index.bytes > 0 ? write_run(sorter, err) : 0;
    buffer_free(&sorter->rows);
    buffer_free(&sorter->index);
    sorter->heap = memory_alloc(sorter->run_count * sizeof(struct row_run *));
    return rc == 0 ? row_sorter_rewind(sorter, err) : rc;
}

int
row_sorter_rewind(struct row_sorter *sorter, struct error *err)
{
    int rc = 0;
    CHECK(sorter->is_finished);
    sorter->next_entry = 0;
    sorter->has_taken = false;
    sorter->heap_count = 0;
    for (uint32_t i = 0; rc == 0 && i < sorter->run_count; i++) {
        struct row_run *run = &sorter->runs[i];
        bool is_end = true;
        run->at = run->begin;
        run->key = 0;
        run->read = 0;
        buffer_clear(&run->buffer);
        rc = run_next(sorter, run, &is_end, err);
        if (rc == 0 && !is_end)
            sorter->heap[sorter->heap_count++] = run;
    }
    for (uint32_t i = sorter->heap_count; rc == 0 && i > 0; i--)
        heap_sink(sorter, i - 1);
    return rc;
}

static int
advance_least(struct row_sorter *sorter, struct error *err)
{
    bool is_end;
    CHECK(sorter->heap_count > 0);
    int rc = run_next(sorter, sorter->heap[0], &is_end, err);
    if (rc == 0 && is_end)
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    if (rc == 0 && sorter->heap_count > 0)
        heap_sink(sorter, 0);
    return rc;
}

static void
next_in_memory(struct row_sorter *sorter, uint64_t *key, struct text *row, bool *is_end)
{
    size_t count;
    const struct row_entry *list = entries(sorter, &count);
    *is_end = sorter->next_entry == count;
    if (*is_end)
        return;
    const struct row_entry *entry = &list[sorter->next_entry++];
    *key = entry->key;
    *row = entry_row(sorter, entry);
}

int
row_sorter_next(struct row_sorter *sorter, uint64_t *key, struct text *row, bool *is_end,
                struct error *err)
{
    CHECK(sorter->is_finished);
    if (sorter->run_count == 0) {
        next_in_memory(sorter, key, row, is_end);
        return 0;
    }
    int rc = sorter->has_taken ? advance_least(sorter, err) : 0;
    sorter->has_taken = rc == 0 && sorter->heap_count > 0;
    *is_end = sorter->heap_count == 0;
    if (rc != 0 || *is_end)
        return rc;
    *key = sorter->heap[0]->key;
    *row = sorter->heap[0]->row;
    return 0;
}

uint64_t
row_sorter_disk_bytes(const struct row_sorter *sorter)
{
    CHECK(sorter->written_bytes <= sorter->options.disk_bytes);
    return sorter->written_bytes;
}
