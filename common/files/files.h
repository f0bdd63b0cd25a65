/* The file system behind a small vtable, so that tests can fail every call and simulate a crash.
 *
 * All calls return 0 (or a handle, or a count) or a negative ERR_* with the path and the reason in
 * `err`: ERR_USAGE for a lock that somebody else holds, ERR_FATAL for all the rest. A path belongs
 * to the caller and need not outlive the call. A `struct files` may be shared by threads; a handle
 * belongs to one.
 *
 * What is durable: the content of a file after sync(), its name after sync_directory(); nothing
 * else, whatever a particular file system may do on top.
 */
#ifndef COMMON_FILES_FILES_H
#define COMMON_FILES_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

enum files_open_mode {
    FILES_READ,      /* must exist */
    FILES_CREATE,    /* must not exist; read and write */
    FILES_READWRITE, /* must exist; writes go where they are told */
};

struct files {
    /* Opens a regular file; anything else (a directory) is an error. Returns a handle >= 0. */
    int (*open)(struct files *files, const char *path, enum files_open_mode mode,
                struct error *err);
    /* Of open() or lock(). Does not sync, cannot fail. */
    void (*close)(struct files *files, int handle);
    /* Returns the count: less than `bytes` only at the end of the file, 0 behind it. */
    int64_t (*read_at)(struct files *files, int handle, void *data, size_t bytes, int64_t offset,
                       struct error *err);
    /* Writes all or fails; after a failure any part may have been written. */
    int (*write_at)(struct files *files, int handle, const void *data, size_t bytes, int64_t offset,
                    struct error *err);
    /* Data and the size needed to read it back are on stable storage when this returns 0. */
    int (*sync)(struct files *files, int handle, struct error *err);
    int (*truncate)(struct files *files, int handle, int64_t bytes, struct error *err);
    int64_t (*size)(struct files *files, int handle, struct error *err);
    /* Replaces what `to` was. */
    int (*rename)(struct files *files, const char *from, const char *to, struct error *err);
    /* A file that does not exist is no error. */
    int (*unlink)(struct files *files, const char *path, struct error *err);
    /* Creates a directory and its missing parents (mode 0700), each made durable in its parent. */
    int (*make_directory)(struct files *files, const char *path, struct error *err);
    /* An empty one; one that does not exist is no error. */
    int (*remove_directory)(struct files *files, const char *path, struct error *err);
    int (*sync_directory)(struct files *files, const char *path, struct error *err);
    /* Calls `each` with every name in the directory except . and .., in the order of their bytes;
     * stops when it returns non-zero, and returns that. */
    int (*list)(struct files *files, const char *path, int (*each)(void *context, const char *name),
                void *context, struct error *err);
    /* Takes an exclusive lock on `path` (created if missing) and returns a handle, with which the
     * lock dies; ERR_USAGE when another process or handle holds it. */
    int (*lock)(struct files *files, const char *path, struct error *err);
};

/* The process's real file system; static. */
struct files *files_posix(void);

/* Writes `path` so that a crash leaves the old content or the new, never a mixture: a temporary
 * file beside it ("<path>.tmp", which a crash may leave behind and the next call replaces), sync,
 * rename, sync of the directory. */
int files_replace(struct files *files, const char *path, const void *data, size_t bytes,
                  struct error *err);

/* Removes a directory and the files in it; not durable before its parent is synced. */
int files_remove_directory(struct files *files, const char *path, struct error *err);

/* 0 when nobody holds the lock, which need not exist and is not created; ERR_USAGE when somebody
 * does. To find out it is held for a moment. */
int files_check_unlocked(struct files *files, const char *path, struct error *err);

#endif
