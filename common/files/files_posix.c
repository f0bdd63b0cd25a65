/* The calls of files.h on Linux. Interrupted calls are repeated, and short reads and writes are
 * continued. A failed sync is never repeated, because the kernel may have dropped the pages. */
#include "common/files/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"

/* "could not <verb> <path>: <reason of errno>". The kernel has the path of a handle. */
static int
fail_handle(struct error *err, const char *verb, int handle)
{
    int saved = errno;
    CHECK(handle >= 0);
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    path[bytes > 0 ? bytes : 0] = '\0';
    errno = saved;
    return error_set_errno(err, ERR_FATAL, "could not %s %s", verb, bytes > 0 ? path : link);
}

static int
fail_path(struct error *err, const char *verb, const char *path)
{
    return error_set_errno(err, ERR_FATAL, "could not %s %s", verb, path);
}

static int
posix_open(struct files *files, const char *path, enum files_open_mode mode, struct error *err)
{
    (void)files;
    static const int flags[] = {
        [FILES_READ] = O_RDONLY,
        [FILES_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [FILES_READWRITE] = O_RDWR,
    };
    CHECK(path[0] != '\0');
    CHECK(mode >= FILES_READ && mode <= FILES_READWRITE);
    /* O_NONBLOCK: opening a pipe must not block; it is refused below. */
    int handle = open(path, flags[mode] | O_CLOEXEC | O_NONBLOCK, 0600);
    if (handle < 0)
        return fail_path(err, mode == FILES_CREATE ? "create" : "open", path);
    struct stat status;
    int rc = 0;
    if (fstat(handle, &status) != 0)
        rc = fail_handle(err, "inspect", handle);
    else if (!S_ISREG(status.st_mode))
        rc = error_set(err, ERR_FATAL, "could not open %s: not a regular file", path);
    if (rc == 0)
        return handle;
    close(handle);
    CHECK(rc < 0);
    return rc;
}

static void
posix_close(struct files *files, int handle)
{
    (void)files;
    CHECK(handle >= 0);
    close(handle);
}

static int64_t
posix_read_at(struct files *files, int handle, void *data, size_t bytes, int64_t offset,
              struct error *err)
{
    (void)files;
    CHECK(handle >= 0);
    CHECK(offset >= 0);
    CHECK(bytes <= (uint64_t)(INT64_MAX - offset));
    CHECK(data != NULL || bytes == 0);
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(handle, (char *)data + done, bytes - done, offset + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_handle(err, "read", handle);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    CHECK(done <= bytes);
    return (int64_t)done;
}

static int
posix_write_at(struct files *files, int handle, const void *data, size_t bytes, int64_t offset,
               struct error *err)
{
    (void)files;
    CHECK(handle >= 0);
    CHECK(offset >= 0);
    CHECK(bytes <= (uint64_t)(INT64_MAX - offset));
    CHECK(data != NULL || bytes == 0);
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pwrite(handle, (const char *)data + done, bytes - done, offset + (int64_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC; /* no progress, and the kernel sets no reason */
        if (n <= 0)
            return fail_handle(err, "write", handle);
        done += (size_t)n;
    }
    CHECK(done == bytes);
    return 0;
}

static int
posix_sync(struct files *files, int handle, struct error *err)
{
    (void)files;
    CHECK(handle >= 0);
    return fdatasync(handle) == 0 ? 0 : fail_handle(err, "sync", handle);
}

static int
posix_truncate(struct files *files, int handle, int64_t bytes, struct error *err)
{
    (void)files;
    CHECK(handle >= 0);
    CHECK(bytes >= 0);
    int rc;
    do
        rc = ftruncate(handle, bytes);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : fail_handle(err, "truncate", handle);
}

static int64_t
posix_size(struct files *files, int handle, struct error *err)
{
    (void)files;
    CHECK(handle >= 0);
    struct stat status;
    return fstat(handle, &status) == 0 ? status.st_size : fail_handle(err, "inspect", handle);
}

static int
posix_rename(struct files *files, const char *from, const char *to, struct error *err)
{
    (void)files;
    CHECK(strcmp(from, to) != 0);
    return rename(from, to) == 0
               ? 0
               : error_set_errno(err, ERR_FATAL, "could not rename %s to %s", from, to);
}

static int
posix_unlink(struct files *files, const char *path, struct error *err)
{
    (void)files;
    CHECK(path[0] != '\0');
    return unlink(path) == 0 || errno == ENOENT ? 0 : fail_path(err, "remove", path);
}

static int
posix_remove_directory(struct files *files, const char *path, struct error *err)
{
    (void)files;
    CHECK(path[0] != '\0');
    return rmdir(path) == 0 || errno == ENOENT ? 0 : fail_path(err, "remove directory", path);
}

static int
posix_sync_directory(struct files *files, const char *path, struct error *err)
{
    (void)files;
    CHECK(path[0] != '\0');
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0)
        return fail_path(err, "open directory", path);
    int rc = fsync(handle) == 0 ? 0 : fail_path(err, "sync directory", path);
    close(handle);
    return rc;
}

/* Creates one level; the parent exists. The parent of a directory that exists is synced too,
 * because the process that created the directory may have been killed before its sync. A parent
 * that this process may not open is left alone. */
static int
make_one_directory(struct files *files, const char *path, struct error *err)
{
    CHECK(path[0] != '\0');
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return fail_path(err, "create directory", path);
    struct stat status;
    if (stat(path, &status) != 0)
        return fail_path(err, "inspect", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ERR_FATAL, "could not create directory %s: a file has this name",
                         path);
    char *parent = memory_format("%s/..", path);
    int rc = 0;
    if (made || access(parent, R_OK) == 0)
        rc = posix_sync_directory(files, parent, err);
    free(parent);
    return rc;
}

static int
posix_make_directory(struct files *files, const char *path, struct error *err)
{
    CHECK(path[0] != '\0');
    char *prefix = memory_strdup(path);
    int rc = 0;
    for (char *slash = strchr(prefix + (*path == '/'), '/'); slash != NULL && rc == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = make_one_directory(files, prefix, err);
        *slash = '/';
    }
    if (rc == 0)
        rc = make_one_directory(files, prefix, err);
    free(prefix);
    return rc;
}

static int
is_real_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* alphasort() depends on the locale. */
static int
compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int
posix_list(struct files *files, const char *path, int (*each)(void *context, const char *name),
           void *context, struct error *err)
{
    (void)files;
    CHECK(path[0] != '\0');
    CHECK(each != NULL);
    struct dirent **entries;
    int count = scandir(path, &entries, is_real_name, compare_names);
    if (count < 0)
        return fail_path(err, "list directory", path);
    int rc = 0;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = each(context, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* A holder that was killed may have a copy of its process (fork), which closes the file as soon as
 * it runs. */
static int
lock_wait(int handle)
{
    enum { WAIT_MS = 1000, POLL_MS = 10 };
    CHECK(handle >= 0);
    for (int waited_ms = 0; flock(handle, LOCK_EX | LOCK_NB) != 0; waited_ms += POLL_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= WAIT_MS)
            return -1;
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

static int
posix_lock(struct files *files, const char *path, struct error *err)
{
    (void)files;
    CHECK(path[0] != '\0');
    int handle = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (handle < 0)
        return fail_path(err, "open", path);
    if (lock_wait(handle) == 0)
        return handle;
    int rc = errno == EWOULDBLOCK
                 ? error_set(err, ERR_USAGE, "%s is locked: another process is using it", path)
                 : fail_path(err, "lock", path);
    close(handle);
    return rc;
}

struct files *
files_posix(void)
{
    static struct files posix = {
        .open = posix_open,
        .close = posix_close,
        .read_at = posix_read_at,
        .write_at = posix_write_at,
        .sync = posix_sync,
        .truncate = posix_truncate,
        .size = posix_size,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .make_directory = posix_make_directory,
        .remove_directory = posix_remove_directory,
        .sync_directory = posix_sync_directory,
        .list = posix_list,
        .lock = posix_lock,
    };
    return &posix;
}
