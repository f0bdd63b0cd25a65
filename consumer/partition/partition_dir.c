#include "consumer/partition/partition_dir.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

static char *
partition_dir_gone(const struct partition_dir *dir)
{
    return memory_format("%s/wal.gone", dir->path);
}

static int
is_checkpoint_directory(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "checkpoint") == 0;
}

/* Open: partition_dir_open() was called, and partition_dir_close() was not. */
static void
partition_dir_check(const struct partition_dir *dir)
{
    CHECK(dir->files != NULL);
    CHECK(dir->path != NULL);
    CHECK(dir->wal != NULL);
    CHECK(dir->old != NULL);
}

/* Removes {path}/wal.gone, which must exist. */
static int
partition_dir_sweep(struct partition_dir *dir, struct error *err)
{
    char *gone = partition_dir_gone(dir);
    char *checkpoints = memory_format("%s/checkpoint", gone);
    int rc = dir->files->list(dir->files, gone, is_checkpoint_directory, NULL, err);
    if (rc > 0)
        rc = files_remove_directory(dir->files, checkpoints, err);
    if (rc == 0)
        rc = files_remove_directory(dir->files, gone, err);
    free(checkpoints);
    free(gone);
    return rc;
}

static int
partition_dir_rename(struct partition_dir *dir, const char *from, const char *to, struct error *err)
{
    CHECK(strcmp(from, to) != 0);
    CHECK(strncmp(from, dir->path, strlen(dir->path)) == 0);
    int rc = dir->files->rename(dir->files, from, to, err);
    return rc == 0 ? dir->files->sync_directory(dir->files, dir->path, err) : rc;
}

static int
partition_dir_remove(struct partition_dir *dir, const char *path, struct error *err)
{
    CHECK(path == dir->wal || path == dir->old);
    CHECK(dir->has_old); /* else the only log is removed */
    char *gone = partition_dir_gone(dir);
    int rc = partition_dir_rename(dir, path, gone, err);
    free(gone);
    return rc == 0 ? partition_dir_sweep(dir, err) : rc;
}

struct partition_dir_names {
    bool has_old;
    bool has_gone;
};

static int
partition_dir_note(void *context, const char *name)
{
    struct partition_dir_names *names = context;
    names->has_old = names->has_old || strcmp(name, "wal.old") == 0;
    names->has_gone = names->has_gone || strcmp(name, "wal.gone") == 0;
    return 0;
}

int
partition_dir_open(struct partition_dir *dir, struct files *files, const char *path,
                   struct error *err)
{
    CHECK(path[0] != '\0');
    struct partition_dir_names names = {false, false};
    *dir = (struct partition_dir){
        .files = files,
        .path = memory_strdup(path),
        .wal = memory_format("%s/wal", path),
        .old = memory_format("%s/wal.old", path),
    };
    int rc = files->make_directory(files, path, err);
    if (rc == 0)
        rc = files->list(files, path, partition_dir_note, &names, err);
    if (rc == 0 && names.has_gone)
        rc = partition_dir_sweep(dir, err);
    dir->has_old = names.has_old;
    return rc;
}

void
partition_dir_close(struct partition_dir *dir)
{
    free(dir->path);
    free(dir->wal);
    free(dir->old);
    *dir = (struct partition_dir){0};
}

int
partition_dir_begin_rebuild(struct partition_dir *dir, struct error *err)
{
    partition_dir_check(dir);
    if (dir->has_old)
        return partition_dir_remove(dir, dir->wal, err);
    int rc = partition_dir_rename(dir, dir->wal, dir->old, err);
    dir->has_old = rc == 0;
    return rc;
}

int
partition_dir_remove_old(struct partition_dir *dir, struct error *err)
{
    partition_dir_check(dir);
    CHECK(dir->has_old);
    int rc = partition_dir_remove(dir, dir->old, err);
    dir->has_old = dir->has_old && rc != 0;
    return rc;
}
