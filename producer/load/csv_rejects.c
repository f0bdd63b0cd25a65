#include "producer/load/csv_rejects.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/check.h"

enum { BUFFER_BYTES = 1 << 16, VALUE_BYTES_MAX = 1000 };

struct csv_rejects {
    struct files *files;
    char *path;
    int handle;             /* -1: no file yet */
    struct buffer buffer;   /* not written yet */
    uint64_t written_bytes; /* of the file */
    uint64_t count;
};

int
csv_rejects_open(struct files *files, const char *path, struct csv_rejects **rejects,
                 struct error *err)
{
    struct csv_rejects *made = memory_zalloc(sizeof *made);
    made->files = files;
    made->path = memory_format("%s.rejects", path);
    made->handle = -1;
    buffer_init(&made->buffer);
    int rc = files->unlink(files, made->path, err);
    if (rc != 0)
        csv_rejects_close(made);
    else
        *rejects = made;
    return rc;
}

void
csv_rejects_close(struct csv_rejects *rejects)
{
    if (rejects == NULL)
        return;
    if (rejects->handle >= 0)
        rejects->files->close(rejects->files, rejects->handle);
    buffer_free(&rejects->buffer);
    free(rejects->path);
    free(rejects);
}

static void
append_quoted(struct buffer *out, struct text value)
{
    size_t bytes = value.bytes < VALUE_BYTES_MAX ? value.bytes : VALUE_BYTES_MAX;
    buffer_append_text(out, "\"");
    for (size_t i = 0; i < bytes; i++) {
        if (value.data[i] == '"')
            buffer_append_text(out, "\"");
        buffer_append(out, &value.data[i], 1);
    }
    buffer_append_text(out, "\"");
}

int
csv_rejects_add(struct csv_rejects *rejects, uint64_t line, const char *name, const char *reason,
                struct text value, struct error *err)
{
    struct buffer *out = &rejects->buffer;
    CHECK(line > 0);
    CHECK(reason != NULL);
    if (rejects->count == 0)
        buffer_append_text(out, "line,name,reason,value\n");
    rejects->count++;
    buffer_append_format(out, "%" PRIu64 ",", line);
    if (name != NULL)
        append_quoted(out, text_of(name));
    buffer_append_text(out, ",");
    append_quoted(out, text_of(reason));
    buffer_append_text(out, ",");
    append_quoted(out, value);
    buffer_append_text(out, "\n");
    return out->bytes >= BUFFER_BYTES ? csv_rejects_flush(rejects, err) : 0;
}

int
csv_rejects_flush(struct csv_rejects *rejects, struct error *err)
{
    struct files *files = rejects->files;
    if (rejects->buffer.bytes == 0)
        return 0;
    if (rejects->handle < 0)
        rejects->handle = files->open(files, rejects->path, FILES_CREATE, err);
    if (rejects->handle < 0)
        return rejects->handle;
    int rc = files->write_at(files, rejects->handle, rejects->buffer.data, rejects->buffer.bytes,
                             (int64_t)rejects->written_bytes, err);
    if (rc != 0)
        return rc;
    CHECK(rejects->count > 0);
    rejects->written_bytes += rejects->buffer.bytes;
    buffer_clear(&rejects->buffer);
    return 0;
}

uint64_t
csv_rejects_count(const struct csv_rejects *rejects)
{
    CHECK(rejects != NULL);
    return rejects->count;
}

const char *
csv_rejects_path(const struct csv_rejects *rejects)
{
    CHECK(rejects->path != NULL);
    return rejects->path;
}
