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
    CHECK(dir->rebuilt != NULL);
}

int
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

struct partition_dir_names {
    bool has_wal;
    bool has_new;
    bool has_old;
    bool has_gone;
    bool has_accepted;
};

static int
partition_dir_note(void *context, const char *name)
{
    struct partition_dir_names *names = context;
    names->has_wal = names->has_wal || strcmp(name, "wal") == 0;
    names->has_new = names->has_new || strcmp(name, "wal.new") == 0;
    names->has_old = names->has_old || strcmp(name, "wal.old") == 0;
    names->has_gone = names->has_gone || strcmp(name, "wal.gone") == 0;
    names->has_accepted = names->has_accepted || strcmp(name, "accept-loss") == 0;
    return 0;
}

/* From the names before 0.2: those of a rebuild, and those of a rebuild that has not begun. */
static int
partition_dir_rename_old(struct partition_dir *dir, struct partition_dir_names *names,
                         struct error *err)
{
    int rc = 0;
    if (!names->has_old)
        return 0;
    if (names->has_wal && !names->has_new) {
        rc = partition_dir_rename(dir, dir->wal, dir->rebuilt, err);
        names->has_wal = rc != 0;
        names->has_new = rc == 0;
    }
    CHECK(rc != 0 || !names->has_wal || names->has_new);
    if (rc != 0 || names->has_wal)
        return rc;
    char *old = memory_format("%s/wal.old", dir->path);
    rc = partition_dir_rename(dir, old, dir->wal, err);
    names->has_wal = rc == 0;
    free(old);
    return rc;
}

/* Between the two renames of a swap there is no {path}/wal. */
static int
partition_dir_finish_swap(struct partition_dir *dir, struct partition_dir_names *names,
                          struct error *err)
{
    if (names->has_wal || !names->has_new)
        return 0;
    int rc = partition_dir_rename(dir, dir->rebuilt, dir->wal, err);
    names->has_new = rc != 0;
    return rc;
}

static int
partition_dir_forget_loss(struct partition_dir *dir, struct error *err)
{
    if (!dir->accepts_loss)
        return 0;
    char *path = memory_format("%s/accept-loss", dir->path);
    int rc = dir->files->unlink(dir->files, path, err);
    free(path);
    if (rc == 0)
        rc = dir->files->sync_directory(dir->files, dir->path, err);
    dir->accepts_loss = rc != 0;
    return rc;
}

static int
partition_dir_recover(struct partition_dir *dir, struct error *err)
{
    struct partition_dir_names names = {0};
    int rc = dir->files->list(dir->files, dir->path, partition_dir_note, &names, err);
    if (rc == 0)
        rc = partition_dir_rename_old(dir, &names, err);
    if (rc == 0)
        rc = partition_dir_finish_swap(dir, &names, err);
    if (rc == 0 && names.has_gone)
        rc = partition_dir_sweep(dir, err);
    dir->is_rebuilding = names.has_new;
    dir->accepts_loss = names.has_accepted;
    return rc == 0 && !dir->is_rebuilding ? partition_dir_forget_loss(dir, err) : rc;
}

int
partition_dir_open(struct partition_dir *dir, struct files *files, const char *path,
                   struct error *err)
{
    CHECK(path[0] != '\0');
    *dir = (struct partition_dir){
        .files = files,
        .path = memory_strdup(path),
        .wal = memory_format("%s/wal", path),
        .rebuilt = memory_format("%s/wal.new", path),
    };
    int rc = files->make_directory(files, path, err);
    return rc == 0 ? partition_dir_recover(dir, err) : rc;
}

void
partition_dir_close(struct partition_dir *dir)
{
    free(dir->path);
    free(dir->wal);
    free(dir->rebuilt);
    *dir = (struct partition_dir){0};
}

int
partition_dir_end_rebuild(struct partition_dir *dir, struct error *err)
{
    partition_dir_check(dir);
    CHECK(dir->is_rebuilding);
    char *gone = partition_dir_gone(dir);
    int rc = partition_dir_rename(dir, dir->rebuilt, gone, err);
    free(gone);
    dir->is_rebuilding = rc != 0;
    if (rc == 0)
        rc = partition_dir_sweep(dir, err);
    return rc == 0 ? partition_dir_forget_loss(dir, err) : rc;
}

int
partition_dir_begin_rebuild(struct partition_dir *dir, struct error *err)
{
    partition_dir_check(dir);
    int rc = dir->is_rebuilding ? partition_dir_end_rebuild(dir, err) : 0;
    CHECK(rc != 0 || !dir->accepts_loss);
    if (rc == 0)
        rc = dir->files->make_directory(dir->files, dir->rebuilt, err);
    if (rc == 0)
        rc = dir->files->sync_directory(dir->files, dir->path, err);
    dir->is_rebuilding = dir->is_rebuilding || rc == 0;
    return rc;
}

int
partition_dir_accept_loss(struct partition_dir *dir, struct error *err)
{
    partition_dir_check(dir);
    CHECK(dir->is_rebuilding);
    if (dir->accepts_loss)
        return 0;
    char *path = memory_format("%s/accept-loss", dir->path);
    int rc = files_replace(dir->files, path, "", 0, err);
    free(path);
    dir->accepts_loss = rc == 0;
    return rc;
}

int
partition_dir_swap(struct partition_dir *dir, struct error *err)
{
    partition_dir_check(dir);
    CHECK(dir->is_rebuilding);
    char *gone = partition_dir_gone(dir);
    int rc = partition_dir_rename(dir, dir->wal, gone, err);
    free(gone);
    if (rc == 0)
        rc = partition_dir_rename(dir, dir->rebuilt, dir->wal, err);
    dir->is_rebuilding = rc != 0;
    return rc == 0 ? partition_dir_forget_loss(dir, err) : rc;
}
