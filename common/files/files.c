#include "common/files/files.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

static int
write_new(struct files *files, const char *path, const void *data, size_t bytes, struct error *err)
{
    CHECK(data != NULL || bytes == 0);
    int handle = files->open(files, path, FILES_CREATE, err);
    if (handle < 0)
        return handle;
    int rc = files->write_at(files, handle, data, bytes, 0, err);
    if (rc == 0)
        rc = files->sync(files, handle, err);
    files->close(files, handle);
    return rc;
}

static int
sync_parent(struct files *files, const char *path, struct error *err)
{
    CHECK(path[0] != '\0');
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return files->sync_directory(files, ".", err);
    if (slash == path)
        return files->sync_directory(files, "/", err);
    char *parent = memory_format("%.*s", (int)(slash - path), path);
    int rc = files->sync_directory(files, parent, err);
    free(parent);
    return rc;
}

int
files_replace(struct files *files, const char *path, const void *data, size_t bytes,
              struct error *err)
{
    CHECK(path[0] != '\0' && path[strlen(path) - 1] != '/');
    char *temporary = memory_format("%s.tmp", path);
    int rc = files->unlink(files, temporary, err);
    if (rc == 0)
        rc = write_new(files, temporary, data, bytes, err);
    if (rc == 0)
        rc = files->rename(files, temporary, path, err);
    if (rc == 0)
        rc = sync_parent(files, path, err);
    else
        files->unlink(files, temporary, NULL); /* free its space, which may be what is missing */
    free(temporary);
    return rc;
}

struct removal {
    struct files *files;
    const char *directory;
    struct error *err;
};

static int
remove_one(void *context, const char *name)
{
    const struct removal *removal = context;
    CHECK(strchr(name, '/') == NULL);
    CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    char *path = memory_format("%s/%s", removal->directory, name);
    int rc = removal->files->unlink(removal->files, path, removal->err);
    free(path);
    return rc;
}

int
files_remove_directory(struct files *files, const char *path, struct error *err)
{
    CHECK(path[0] != '\0');
    struct removal removal = {files, path, err};
    int rc = files->list(files, path, remove_one, &removal, err);
    return rc == 0 ? files->remove_directory(files, path, err) : rc;
}

int
files_check_unlocked(struct files *files, const char *path, struct error *err)
{
    CHECK(path[0] != '\0');
    int handle = files->open(files, path, FILES_READ, NULL);
    if (handle < 0)
        return 0;
    files->close(files, handle);
    handle = files->lock(files, path, err);
    if (handle < 0)
        return handle;
    files->close(files, handle);
    return 0;
}
