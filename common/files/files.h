/* The file system as a small vtable, so that tests can fail every call and simulate a crash.
 *
 * All calls return 0 (or a handle, or a count) or a negative ERR_* with the path and the reason in
 * `err`: ERR_USAGE for a lock that another process or handle holds, ERR_FATAL for everything else.
 * A path belongs to the caller and need not outlive the call. Threads may share a `struct files`;
 * a handle belongs to one thread.
 *
 * The content of a file is durable after sync(), its name after sync_directory(). Nothing else is
 * durable, even where a particular file system promises more.
 */
#ifndef COMMON_FILES_FILES_H
#define COMMON_FILES_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

enum files_open_mode {
    FILES_READ,      /* must exist */
    FILES_CREATE,    /* must not exist; read and write */
    FILES_READWRITE, /* must exist; read and write */
};

struct files {
    /* Opens a regular file; anything else (a directory) is an error. Returns a handle >= 0. */
    int (*open)(struct files *files, const char *path, enum files_open_mode mode,
                struct error *err);
    /* Closes a handle of open() or lock(). Does not sync, cannot fail. */
    void (*close)(struct files *files, int handle);
    /* Returns the count of bytes: less than `bytes` only at the end of the file, 0 after it. */
    int64_t (*read_at)(struct files *files, int handle, void *data, size_t bytes, int64_t offset,
                       struct error *err);
    /* Writes all or fails; after a failure any part may have been written. */
    int (*write_at)(struct files *files, int handle, const void *data, size_t bytes, int64_t offset,
                    struct error *err);
    /* After 0 the data, and the size that is needed to read it, are on stable storage. */
    int (*sync)(struct files *files, int handle, struct error *err);
    int (*truncate)(struct files *files, int handle, int64_t bytes, struct error *err);
    int64_t (*size)(struct files *files, int handle, struct error *err);
    /* Atomic; replaces a file that is named `to`. */
    int (*rename)(struct files *files, const char *from, const char *to, struct error *err);
    /* A file that does not exist is not an error. */
    int (*unlink)(struct files *files, const char *path, struct error *err);
    /* Creates a directory and its missing parents (mode 0700), each made durable in its parent. */
    int (*make_directory)(struct files *files, const char *path, struct error *err);
    /* The directory is empty; one that does not exist is not an error. */
    int (*remove_directory)(struct files *files, const char *path, struct error *err);
    int (*sync_directory)(struct files *files, const char *path, struct error *err);
    /* Calls `each` with every name in the directory except . and .., in the order of their bytes.
     * A result of `each` that is not 0 ends the listing and is returned. */
    int (*list)(struct files *files, const char *path, int (*each)(void *context, const char *name),
                void *context, struct error *err);
    /* Takes an exclusive lock on `path`, which is created if it is missing, and returns a handle.
     * Closing the handle releases the lock. ERR_USAGE: another process or handle holds it, for a
     * second. */
    int (*lock)(struct files *files, const char *path, struct error *err);
};

/* The real file system; static. */
struct files *files_posix(void);

/* Writes `path` so that a crash leaves the old content or the new content, never a mixture: it
 * writes "<path>.tmp", syncs it, renames it, and syncs the directory. A crash may leave the
 * temporary file; the next call replaces it. */
int files_replace(struct files *files, const char *path, const void *data, size_t bytes,
                  struct error *err);

/* Removes a directory and the files in it. The removal is durable when the parent is synced. */
int files_remove_directory(struct files *files, const char *path, struct error *err);

/* 0: the lock file does not exist, or no process holds the lock. ERR_USAGE: a process holds it. The
 * check takes the lock and releases it at once. */
int files_check_unlocked(struct files *files, const char *path, struct error *err);

#endif
