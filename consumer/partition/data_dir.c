#include "consumer/partition/data_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/check.h"

enum { ID_TEXT_BYTES = DATA_DIR_ID_BYTES - 1 };

static int
data_dir_is_wanted(void *context, const char *name)
{
    return strcmp(name, context) == 0;
}

/* 1: the directory has a file of that name; 0: it does not. */
static int
data_dir_has(struct data_dir *dir, const char *path, const char *name, struct error *err)
{
    CHECK(dir->lock >= 0); /* else another process may create it */
    return dir->files->list(dir->files, path, data_dir_is_wanted, (void *)(uintptr_t)name, err);
}

/* Returns the number of bytes read, at most `bytes`. */
static int64_t
data_dir_read(struct data_dir *dir, const char *path, void *data, size_t bytes, struct error *err)
{
    int file = dir->files->open(dir->files, path, FILES_READ, err);
    if (file < 0)
        return file;
    int64_t count = dir->files->read_at(dir->files, file, data, bytes, 0, err);
    dir->files->close(dir->files, file);
    CHECK(count <= (int64_t)bytes);
    return count;
}

/* A random UUID, version 4 of RFC 9562. */
static int
data_dir_make_id(char *id, struct error *err)
{
    uint8_t bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return error_set_errno(err, ERR_FATAL, "cannot read random bytes");
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (int i = 0, at = 0; i < 16; i++) {
        const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        at += snprintf(id + at, DATA_DIR_ID_BYTES - (size_t)at, "%s%02x", dash, bytes[i]);
        CHECK(at < DATA_DIR_ID_BYTES);
    }
    CHECK(strlen(id) == ID_TEXT_BYTES);
    return 0;
}

static int
data_dir_write_id(struct data_dir *dir, const char *path, struct error *err)
{
    CHECK(dir->lock >= 0);
    CHECK(dir->id[0] == '\0');
    int rc = data_dir_make_id(dir->id, err);
    return rc == 0 ? files_replace(dir->files, path, dir->id, ID_TEXT_BYTES, err) : rc;
}

static int
data_dir_read_id(struct data_dir *dir, const char *path, struct error *err)
{
    int64_t bytes = data_dir_read(dir, path, dir->id, sizeof dir->id, err);
    if (bytes < 0)
        return (int)bytes;
    dir->id[bytes < ID_TEXT_BYTES ? bytes : ID_TEXT_BYTES] = '\0';
    if (bytes != ID_TEXT_BYTES || strspn(dir->id, "0123456789abcdef-") != ID_TEXT_BYTES)
        return error_set(err, ERR_FATAL, "\"%s\" is not the id of a data directory", path);
    return 0;
}

static int
data_dir_find_id(struct data_dir *dir, const char *path, struct error *err)
{
    char *id_path = memory_format("%s/id", path);
    int rc = data_dir_has(dir, path, "id", err);
    if (rc >= 0)
        rc = rc == 0 ? data_dir_write_id(dir, id_path, err) : data_dir_read_id(dir, id_path, err);
    free(id_path);
    return rc;
}

int
data_dir_open(struct files *files, const char *path, struct data_dir *dir, struct error *err)
{
    CHECK(path[0] != '\0');
    *dir = (struct data_dir){.files = files, .lock = -1};
    int rc = files->make_directory(files, path, err);
    if (rc != 0)
        return rc;
    char *lock_path = memory_format("%s/lock", path);
    dir->lock = files->lock(files, lock_path, err);
    free(lock_path);
    if (dir->lock < 0)
        return error_wrap(err, dir->lock, "data directory %s", path);
    rc = data_dir_find_id(dir, path, err);
    if (rc != 0) {
        data_dir_close(dir);
        return rc;
    }
    CHECK(strlen(dir->id) == ID_TEXT_BYTES);
    return 0;
}

static int
data_dir_check_partitions(struct data_dir *dir, const char *file, const char *wanted,
                          struct error *err)
{
    char stored[16];
    int64_t bytes = data_dir_read(dir, file, stored, sizeof stored - 1, err);
    if (bytes < 0)
        return (int)bytes;
    stored[bytes] = '\0';
    if (strcmp(stored, wanted) == 0)
        return 0;
    return error_set(err, ERR_USAGE,
                     "%s: the index was created with topic.partitions: %.*s, which cannot change; "
                     "set it to that number, or use another consumer.data_dir",
                     file, (int)strcspn(stored, "\n"), stored);
}

int
data_dir_fix_partitions(struct data_dir *dir, const char *path, int32_t partitions,
                        struct error *err)
{
    char wanted[16];
    CHECK(partitions > 0);
    CHECK(dir->lock >= 0);
    int bytes = snprintf(wanted, sizeof wanted, "%d\n", partitions);
    CHECK(bytes < (int)sizeof wanted);
    char *file = memory_format("%s/partitions", path);
    int rc = data_dir_has(dir, path, "partitions", err);
    if (rc == 0)
        rc = files_replace(dir->files, file, wanted, strlen(wanted), err);
    else if (rc == 1)
        rc = data_dir_check_partitions(dir, file, wanted, err);
    free(file);
    return rc;
}

void
data_dir_close(struct data_dir *dir)
{
    CHECK(dir->lock >= 0);
    dir->files->close(dir->files, dir->lock);
    dir->lock = -1;
}

char *
data_dir_partition_path(const char *path, const char *topic, int32_t partition)
{
    CHECK(topic[0] != '\0');
    CHECK(partition >= 0);
    return memory_format("%s/%s-%d", path, topic, partition);
}

struct partition_list {
    const char *topic;
    struct buffer *partitions; /* int32_t */
};

static int
data_dir_note_partition(void *context, const char *name)
{
    const struct partition_list *list = context;
    size_t topic_bytes = strlen(list->topic);
    CHECK(topic_bytes > 0);
    if (strncmp(name, list->topic, topic_bytes) != 0 || name[topic_bytes] != '-')
        return 0;
    long number = strtol(name + topic_bytes + 1, NULL, 10);
    int32_t partition = number >= 0 && number <= INT32_MAX ? (int32_t)number : 0;
    char *canonical = memory_format("%s-%d", list->topic, partition);
    if (strcmp(name, canonical) == 0)
        buffer_append(list->partitions, &partition, sizeof partition);
    free(canonical);
    return 0;
}

static int
data_dir_compare(const void *a, const void *b)
{
    int32_t left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    CHECK(left != right || a == b); /* a directory has no two entries of one name */
    return (left > right) - (left < right);
}

int
data_dir_list_partitions(struct files *files, const char *path, const char *topic,
                         struct buffer *partitions, struct error *err)
{
    struct partition_list list = {topic, partitions};
    size_t begin = partitions->bytes;
    CHECK(begin % sizeof(int32_t) == 0);
    int rc = files->list(files, path, data_dir_note_partition, &list, err);
    if (partitions->bytes > begin)
        qsort(partitions->data + begin, (partitions->bytes - begin) / sizeof(int32_t),
              sizeof(int32_t), data_dir_compare);
    return rc;
}
