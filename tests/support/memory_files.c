#include "tests/support/memory_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { ENTRIES_MAX = 256, HANDLES_MAX = 64, CHANGES_MAX = 1024 };

struct inode {
    struct inode *next; /* all of them, for destroy and crash */
    struct buffer now;
    struct buffer durable;
    bool is_directory;
};

struct entry {
    char *path;
    struct inode *inode;
};

struct entries {
    struct entry list[ENTRIES_MAX];
    size_t count;
};

/* A change of names that is not durable yet, because the directory was not synced after it. */
struct change {
    char *removed; /* may be NULL */
    char *added;   /* may be NULL */
    struct inode *inode;
};

struct handle {
    char *path; /* NULL: closed */
    struct inode *inode;
    bool is_lock;
};

struct memory_files {
    struct files vtable; /* first, so that a pointer to one is cast to the other */
    struct inode *inodes;
    struct entries now;
    struct entries durable;
    struct change changes[CHANGES_MAX];
    size_t change_count;
    struct handle handles[HANDLES_MAX];
    uint64_t random;
    int64_t calls;
    int64_t fail_at; /* 0: never */
    enum memory_fault fault;
};

uint64_t
memory_files_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t
draw(struct memory_files *memory, uint64_t below)
{
    return memory_files_random(&memory->random) % below;
}

static struct memory_files *
memory_of(struct files *files)
{
    return (struct memory_files *)files;
}

/* Names. */

static struct inode *
entries_find(const struct entries *entries, const char *path)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->list[i].path, path) == 0)
            return entries->list[i].inode;
    return NULL;
}

static void
entries_remove(struct entries *entries, const char *path)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->list[i].path, path) != 0)
            continue;
        free(entries->list[i].path);
        entries->list[i] = entries->list[--entries->count];
        return;
    }
}

static void
entries_set(struct entries *entries, const char *path, struct inode *inode)
{
    entries_remove(entries, path);
    CHECK(entries->count < ENTRIES_MAX);
    entries->list[entries->count++] = (struct entry){memory_strdup(path), inode};
}

static void
entries_clear(struct entries *entries)
{
    while (entries->count > 0)
        free(entries->list[--entries->count].path);
}

static void
entries_copy(struct entries *to, const struct entries *from)
{
    entries_clear(to);
    for (size_t i = 0; i < from->count; i++)
        entries_set(to, from->list[i].path, from->list[i].inode);
}

static void
entries_apply(struct entries *entries, const struct change *change)
{
    if (change->removed != NULL)
        entries_remove(entries, change->removed);
    if (change->added != NULL)
        entries_set(entries, change->added, change->inode);
}

static void
change_free(struct change *change)
{
    free(change->removed);
    free(change->added);
}

static void
change_make(struct memory_files *memory, const char *removed, const char *added,
            struct inode *inode)
{
    CHECK(memory->change_count < CHANGES_MAX);
    struct change *change = &memory->changes[memory->change_count++];
    *change = (struct change){
        .removed = removed != NULL ? memory_strdup(removed) : NULL,
        .added = added != NULL ? memory_strdup(added) : NULL,
        .inode = inode,
    };
    entries_apply(&memory->now, change);
}

static bool
is_child(const char *directory, const char *path)
{
    size_t bytes = strlen(directory);
    return strncmp(directory, path, bytes) == 0 && path[bytes] == '/' &&
           strchr(path + bytes + 1, '/') == NULL;
}

/* Faults. */

static int
fail(struct error *err, int number, const char *path)
{
    errno = number;
    return error_set_errno(err, ERR_FATAL, "memory file %s", path);
}

bool
memory_files_failed(const struct memory_files *memory)
{
    return memory->fail_at != 0 && memory->calls >= memory->fail_at;
}

/* Counts a call; an error when this call has to fail. */
static int
enter(struct memory_files *memory, const char *path, struct error *err)
{
    memory->calls++;
    bool fails = memory->fault == MEMORY_DEAD ? memory_files_failed(memory)
                                              : memory->calls == memory->fail_at;
    return fails ? fail(err, memory->fault == MEMORY_ENOSPC ? ENOSPC : EIO, path) : 0;
}

void
memory_files_fail(struct memory_files *memory, int64_t call, enum memory_fault fault)
{
    memory->fail_at = call == 0 ? 0 : memory->calls + call;
    memory->fault = fault;
}

int64_t
memory_files_calls(const struct memory_files *memory)
{
    return memory->calls;
}

/* Handles. */

static struct inode *
inode_create(struct memory_files *memory, bool is_directory)
{
    struct inode *inode = memory_zalloc(sizeof *inode);
    inode->is_directory = is_directory;
    inode->next = memory->inodes;
    memory->inodes = inode;
    return inode;
}

static int
handle_create(struct memory_files *memory, const char *path, struct inode *inode, bool is_lock)
{
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (memory->handles[i].path != NULL)
            continue;
        memory->handles[i] = (struct handle){memory_strdup(path), inode, is_lock};
        return i;
    }
    CHECK(!"more handles than a test needs");
    return -1;
}

static struct handle *
handle_get(struct memory_files *memory, int handle)
{
    CHECK(handle >= 0 && handle < HANDLES_MAX && memory->handles[handle].path != NULL);
    return &memory->handles[handle];
}

static void
handle_close(struct handle *handle)
{
    free(handle->path);
    *handle = (struct handle){0};
}

/* The calls of files.h. */

static int
memory_open(struct files *files, const char *path, enum files_open_mode mode, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc != 0)
        return rc;
    struct inode *inode = entries_find(&memory->now, path);
    if (mode == FILES_CREATE && inode != NULL)
        return fail(err, EEXIST, path);
    if (mode != FILES_CREATE && inode == NULL)
        return fail(err, ENOENT, path);
    if (inode != NULL && inode->is_directory)
        return fail(err, EISDIR, path);
    if (inode == NULL) {
        inode = inode_create(memory, false);
        change_make(memory, NULL, path, inode);
    }
    return handle_create(memory, path, inode, false);
}

static void
memory_close(struct files *files, int handle)
{
    handle_close(handle_get(memory_of(files), handle));
}

static int64_t
memory_read_at(struct files *files, int handle, void *data, size_t bytes, int64_t offset,
               struct error *err)
{
    struct handle *at = handle_get(memory_of(files), handle);
    int rc = enter(memory_of(files), at->path, err);
    if (rc != 0)
        return rc;
    size_t begin = (size_t)offset;
    if (begin >= at->inode->now.bytes)
        return 0;
    size_t left = at->inode->now.bytes - begin;
    size_t count = bytes < left ? bytes : left;
    memcpy(data, at->inode->now.data + begin, count);
    return (int64_t)count;
}

static void
content_resize(struct buffer *content, size_t bytes)
{
    if (bytes > content->bytes)
        memset(buffer_reserve(content, bytes - content->bytes), 0, bytes - content->bytes);
    content->bytes = bytes;
}

static void
content_write(struct buffer *content, const void *data, size_t bytes, size_t offset)
{
    if (bytes == 0)
        return;
    if (offset + bytes > content->bytes)
        content_resize(content, offset + bytes);
    memcpy(content->data + offset, data, bytes);
}

static int
memory_write_at(struct files *files, int handle, const void *data, size_t bytes, int64_t offset,
                struct error *err)
{
    struct memory_files *memory = memory_of(files);
    struct handle *at = handle_get(memory, handle);
    bool was_dead = memory_files_failed(memory);
    int rc = enter(memory, at->path, err);
    if (rc != 0 && (memory->fault < MEMORY_SHORT_WRITE || was_dead))
        return rc;
    size_t written = rc == 0 ? bytes : (size_t)draw(memory, bytes);
    content_write(&at->inode->now, data, written, (size_t)offset);
    return rc;
}

static int
memory_sync(struct files *files, int handle, struct error *err)
{
    struct handle *at = handle_get(memory_of(files), handle);
    int rc = enter(memory_of(files), at->path, err);
    if (rc != 0)
        return rc;
    buffer_clear(&at->inode->durable);
    buffer_append(&at->inode->durable, at->inode->now.data, at->inode->now.bytes);
    return 0;
}

static int
memory_truncate(struct files *files, int handle, int64_t bytes, struct error *err)
{
    struct handle *at = handle_get(memory_of(files), handle);
    int rc = enter(memory_of(files), at->path, err);
    if (rc == 0)
        content_resize(&at->inode->now, (size_t)bytes);
    return rc;
}

static int64_t
memory_size(struct files *files, int handle, struct error *err)
{
    struct handle *at = handle_get(memory_of(files), handle);
    int rc = enter(memory_of(files), at->path, err);
    return rc != 0 ? rc : (int64_t)at->inode->now.bytes;
}

static int
memory_rename(struct files *files, const char *from, const char *to, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, from, err);
    if (rc != 0)
        return rc;
    struct inode *inode = entries_find(&memory->now, from);
    if (inode == NULL)
        return fail(err, ENOENT, from);
    change_make(memory, from, to, inode);
    return 0;
}

static int
memory_unlink(struct files *files, const char *path, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc == 0 && entries_find(&memory->now, path) != NULL)
        change_make(memory, path, NULL, NULL);
    return rc;
}

static int
memory_make_directory(struct files *files, const char *path, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc != 0)
        return rc;
    struct inode *inode = entries_find(&memory->now, path);
    if (inode != NULL)
        return inode->is_directory ? 0 : fail(err, ENOTDIR, path);
    inode = inode_create(memory, true);
    entries_set(&memory->now, path, inode);
    entries_set(&memory->durable, path, inode);
    return 0;
}

static int
memory_remove_directory(struct files *files, const char *path, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < memory->now.count; i++)
        if (is_child(path, memory->now.list[i].path))
            return fail(err, ENOTEMPTY, path);
    entries_remove(&memory->now, path);
    entries_remove(&memory->durable, path);
    return 0;
}

static int
memory_sync_directory(struct files *files, const char *path, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc != 0)
        return rc;
    size_t kept = 0;
    for (size_t i = 0; i < memory->change_count; i++) {
        struct change *change = &memory->changes[i];
        if (is_child(path, change->added != NULL ? change->added : change->removed)) {
            entries_apply(&memory->durable, change);
            change_free(change);
        } else {
            memory->changes[kept++] = *change;
        }
    }
    memory->change_count = kept;
    return 0;
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
memory_list(struct files *files, const char *path, int (*each)(void *context, const char *name),
            void *context, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc != 0)
        return rc;
    char *names[ENTRIES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < memory->now.count; i++)
        if (is_child(path, memory->now.list[i].path))
            names[count++] = memory_strdup(memory->now.list[i].path + strlen(path) + 1);
    qsort(names, count, sizeof names[0], compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (rc == 0)
            rc = each(context, names[i]);
        free(names[i]);
    }
    return rc;
}

static int
memory_lock(struct files *files, const char *path, struct error *err)
{
    struct memory_files *memory = memory_of(files);
    int rc = enter(memory, path, err);
    if (rc != 0)
        return rc;
    for (int i = 0; i < HANDLES_MAX; i++) {
        struct handle *other = &memory->handles[i];
        if (other->path != NULL && other->is_lock && strcmp(other->path, path) == 0)
            return error_set(err, ERR_USAGE, "memory file %s is locked", path);
    }
    struct inode *inode = entries_find(&memory->now, path);
    if (inode == NULL) {
        inode = inode_create(memory, false);
        change_make(memory, NULL, path, inode);
    }
    return handle_create(memory, path, inode, true);
}

/* The tests' side. */

struct memory_files *
memory_files_create(uint64_t seed)
{
    struct memory_files *memory = memory_zalloc(sizeof *memory);
    memory->random = seed;
    memory->vtable = (struct files){
        .open = memory_open,
        .close = memory_close,
        .read_at = memory_read_at,
        .write_at = memory_write_at,
        .sync = memory_sync,
        .truncate = memory_truncate,
        .size = memory_size,
        .rename = memory_rename,
        .unlink = memory_unlink,
        .make_directory = memory_make_directory,
        .remove_directory = memory_remove_directory,
        .sync_directory = memory_sync_directory,
        .list = memory_list,
        .lock = memory_lock,
    };
    return memory;
}

struct files *
memory_files_vtable(struct memory_files *memory)
{
    return &memory->vtable;
}

struct buffer *
memory_files_content(struct memory_files *memory, const char *path)
{
    struct inode *inode = entries_find(&memory->now, path);
    return inode != NULL ? &inode->now : NULL;
}

void
memory_files_kill(struct memory_files *memory)
{
    memory_files_fail(memory, 0, MEMORY_EIO);
    for (int i = 0; i < HANDLES_MAX; i++)
        handle_close(&memory->handles[i]);
}

/* Each block becomes the new one, the durable one, or zeros where there was no durable one; the
 * file's size becomes any value between the durable size and the new one. */
static void
inode_crash(struct memory_files *memory, struct inode *inode)
{
    static const size_t block_sizes[] = {1, 8, 64, 4096};
    size_t block_bytes = block_sizes[draw(memory, 4)];
    size_t least = inode->now.bytes, most = inode->durable.bytes;
    if (least > most) {
        least = inode->durable.bytes;
        most = inode->now.bytes;
    }
    size_t size = least + (size_t)draw(memory, most - least + 1);
    content_resize(&inode->now, most);
    content_resize(&inode->durable, most);
    for (size_t at = 0; at < size; at += block_bytes) {
        size_t bytes = size - at < block_bytes ? size - at : block_bytes;
        if (draw(memory, 2) == 0)
            memcpy(inode->now.data + at, inode->durable.data + at, bytes);
    }
    content_resize(&inode->now, size);
    buffer_clear(&inode->durable);
    buffer_append(&inode->durable, inode->now.data, inode->now.bytes);
}

void
memory_files_crash(struct memory_files *memory)
{
    memory_files_kill(memory);
    for (struct inode *inode = memory->inodes; inode != NULL; inode = inode->next)
        inode_crash(memory, inode);
    for (size_t i = 0; i < memory->change_count; i++) {
        if (draw(memory, 2) == 0)
            entries_apply(&memory->durable, &memory->changes[i]);
        change_free(&memory->changes[i]);
    }
    memory->change_count = 0;
    entries_copy(&memory->now, &memory->durable);
}

void
memory_files_destroy(struct memory_files *memory)
{
    memory_files_kill(memory);
    entries_clear(&memory->now);
    entries_clear(&memory->durable);
    while (memory->change_count > 0)
        change_free(&memory->changes[--memory->change_count]);
    while (memory->inodes != NULL) {
        struct inode *inode = memory->inodes;
        memory->inodes = inode->next;
        buffer_free(&inode->now);
        buffer_free(&inode->durable);
        free(inode);
    }
    free(memory);
}
