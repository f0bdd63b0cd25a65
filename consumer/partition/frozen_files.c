#include "consumer/partition/frozen_files.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/base/mutex.h"

/* A file that was added. */
struct frozen_file {
    char *path;
    int real; /* handle */
    int64_t bytes;
};

/* What a handle of the view stands for. */
struct frozen_handle {
    bool is_open;
    int real; /* -1: a new file, whose bytes are dropped */
    int64_t bytes;
};

struct frozen_files {
    struct files files; /* first */
    struct files *real;
    struct frozen_file *items; /* ascending by path */
    uint32_t count;
    uint32_t capacity;
    pthread_mutex_t lock; /* of what follows */
    struct frozen_handle *handles;
    uint32_t handle_count;
};

/* The place of `path`, or where it would be. */
static uint32_t
frozen_find(const struct frozen_files *frozen, const char *path, bool *is_found)
{
    uint32_t at = 0;
    while (at < frozen->count && strcmp(frozen->items[at].path, path) < 0)
        at++;
    *is_found = at < frozen->count && strcmp(frozen->items[at].path, path) == 0;
    return at;
}

/* --- handles --------------------------------------------------------------------------------- */

static int
frozen_open_handle(struct frozen_files *frozen, int real, int64_t bytes)
{
    uint32_t at = 0;
    mutex_lock(&frozen->lock);
    while (at < frozen->handle_count && frozen->handles[at].is_open)
        at++;
    if (at == frozen->handle_count) {
        frozen->handle_count++;
        frozen->handles =
            memory_realloc(frozen->handles, frozen->handle_count * sizeof *frozen->handles);
    }
    frozen->handles[at] = (struct frozen_handle){true, real, bytes};
    mutex_unlock(&frozen->lock);
    return (int)at;
}

static struct frozen_handle
frozen_read_handle(struct frozen_files *frozen, int handle)
{
    mutex_lock(&frozen->lock);
    CHECK(handle >= 0 && (uint32_t)handle < frozen->handle_count);
    CHECK(frozen->handles[handle].is_open);
    struct frozen_handle read = frozen->handles[handle];
    mutex_unlock(&frozen->lock);
    return read;
}

static void
frozen_close(struct files *files, int handle)
{
    struct frozen_files *frozen = (struct frozen_files *)files;
    frozen_read_handle(frozen, handle);
    mutex_lock(&frozen->lock);
    frozen->handles[handle].is_open = false;
    mutex_unlock(&frozen->lock);
}

static int
frozen_open(struct files *files, const char *path, enum files_open_mode mode, struct error *err)
{
    struct frozen_files *frozen = (struct frozen_files *)files;
    bool is_found;
    uint32_t at = frozen_find(frozen, path, &is_found);
    if (is_found && mode != FILES_CREATE)
        return frozen_open_handle(frozen, frozen->items[at].real, frozen->items[at].bytes);
    if (mode == FILES_READ)
        return error_set(err, ERR_FATAL, "%s was not there", path);
    return frozen_open_handle(frozen, -1, 0);
}

/* --- reading --------------------------------------------------------------------------------- */

static int64_t
frozen_read_at(struct files *files, int handle, void *data, size_t bytes, int64_t offset,
               struct error *err)
{
    struct frozen_files *frozen = (struct frozen_files *)files;
    const struct frozen_handle opened = frozen_read_handle(frozen, handle);
    CHECK(offset >= 0);
    if (opened.real < 0 || offset >= opened.bytes)
        return 0;
    int64_t left = opened.bytes - offset;
    if ((int64_t)bytes > left)
        bytes = (size_t)left;
    return frozen->real->read_at(frozen->real, opened.real, data, bytes, offset, err);
}

static int64_t
frozen_size(struct files *files, int handle, struct error *err)
{
    (void)err;
    return frozen_read_handle((struct frozen_files *)files, handle).bytes;
}

/* The name of the file in the directory; NULL: it is elsewhere. */
static const char *
frozen_name_in(const struct frozen_file *file, const char *directory)
{
    size_t bytes = strlen(directory);
    if (strncmp(file->path, directory, bytes) != 0 || file->path[bytes] != '/')
        return NULL;
    const char *name = file->path + bytes + 1;
    return strchr(name, '/') == NULL ? name : NULL;
}

static int
frozen_list(struct files *files, const char *path, int (*each)(void *context, const char *name),
            void *context, struct error *err)
{
    const struct frozen_files *frozen = (const struct frozen_files *)files;
    (void)err;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < frozen->count; i++) {
        const char *name = frozen_name_in(&frozen->items[i], path);
        if (name != NULL)
            rc = each(context, name);
    }
    return rc;
}

/* --- changes, which are dropped -------------------------------------------------------------- */

static int
frozen_write_at(struct files *files, int handle, const void *data, size_t bytes, int64_t offset,
                struct error *err)
{
    (void)data;
    (void)bytes;
    (void)offset;
    (void)err;
    frozen_read_handle((struct frozen_files *)files, handle);
    return 0;
}

static int
frozen_sync(struct files *files, int handle, struct error *err)
{
    (void)err;
    frozen_read_handle((struct frozen_files *)files, handle);
    return 0;
}

static int
frozen_truncate(struct files *files, int handle, int64_t bytes, struct error *err)
{
    (void)bytes;
    return frozen_sync(files, handle, err);
}

static int
frozen_rename(struct files *files, const char *from, const char *to, struct error *err)
{
    (void)files;
    (void)from;
    (void)to;
    (void)err;
    return 0;
}

static int
frozen_change_path(struct files *files, const char *path, struct error *err)
{
    (void)files;
    (void)path;
    (void)err;
    return 0;
}

static int
frozen_lock(struct files *files, const char *path, struct error *err)
{
    (void)path;
    (void)err;
    return frozen_open_handle((struct frozen_files *)files, -1, 0);
}

/* --- for the one who adds files -------------------------------------------------------------- */

struct frozen_files *
frozen_files_create(struct files *real)
{
    struct frozen_files *frozen = memory_zalloc(sizeof *frozen);
    frozen->files = (struct files){
        .open = frozen_open,
        .close = frozen_close,
        .read_at = frozen_read_at,
        .write_at = frozen_write_at,
        .sync = frozen_sync,
        .truncate = frozen_truncate,
        .size = frozen_size,
        .rename = frozen_rename,
        .unlink = frozen_change_path,
        .make_directory = frozen_change_path,
        .remove_directory = frozen_change_path,
        .sync_directory = frozen_change_path,
        .list = frozen_list,
        .lock = frozen_lock,
    };
    frozen->real = real;
    mutex_init(&frozen->lock);
    return frozen;
}

struct files *
frozen_files_vtable(struct frozen_files *frozen)
{
    return &frozen->files;
}

static void
frozen_remove(struct frozen_files *frozen, uint32_t at)
{
    CHECK(at < frozen->count);
    free(frozen->items[at].path);
    frozen->real->close(frozen->real, frozen->items[at].real);
    frozen->count--;
    memmove(&frozen->items[at], &frozen->items[at + 1],
            (frozen->count - at) * sizeof *frozen->items);
}

void
frozen_files_destroy(struct frozen_files *frozen)
{
    if (frozen == NULL)
        return;
    for (uint32_t i = 0; i < frozen->handle_count; i++)
        CHECK(!frozen->handles[i].is_open);
    while (frozen->count > 0)
        frozen_remove(frozen, frozen->count - 1);
    mutex_destroy(&frozen->lock);
    free(frozen->handles);
    free(frozen->items);
    free(frozen);
}

static void
frozen_insert(struct frozen_files *frozen, const char *path, int real, int64_t bytes)
{
    bool is_found;
    uint32_t at = frozen_find(frozen, path, &is_found);
    CHECK(!is_found);
    if (frozen->count == frozen->capacity) {
        frozen->capacity = frozen->capacity == 0 ? 16 : 2 * frozen->capacity;
        frozen->items = memory_realloc(frozen->items, frozen->capacity * sizeof *frozen->items);
    }
    memmove(&frozen->items[at + 1], &frozen->items[at],
            (frozen->count - at) * sizeof *frozen->items);
    frozen->items[at] = (struct frozen_file){memory_strdup(path), real, bytes};
    frozen->count++;
}

int
frozen_files_add(struct frozen_files *frozen, const char *path, const char *real_path,
                 struct error *err)
{
    struct files *real = frozen->real;
    int handle = real->open(real, real_path, FILES_READ, err);
    if (handle < 0)
        return handle;
    int64_t bytes = real->size(real, handle, err);
    if (bytes < 0) {
        real->close(real, handle);
        return (int)bytes;
    }
    frozen_insert(frozen, path, handle, bytes);
    return 0;
}

void
frozen_files_cut(struct frozen_files *frozen, const char *path, int64_t bytes)
{
    bool is_found;
    uint32_t at = frozen_find(frozen, path, &is_found);
    CHECK(is_found);
    CHECK(0 <= bytes && bytes <= frozen->items[at].bytes);
    if (bytes > 0)
        frozen->items[at].bytes = bytes;
    else
        frozen_remove(frozen, at);
}

void
frozen_files_clear(struct frozen_files *frozen, const char *path)
{
    size_t bytes = strlen(path);
    for (uint32_t i = frozen->count; i > 0; i--) {
        const char *held = frozen->items[i - 1].path;
        if (strncmp(held, path, bytes) == 0 && held[bytes] == '/')
            frozen_remove(frozen, i - 1);
    }
}
