#include "consumer/commands/wal_logs.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_identity.h"
#include "common/files/files.h"
#include "consumer/checkpoint/checkpoint.h"
#include "consumer/partition/data_dir.h"

struct wal_logs {
    const struct cli *cli;
    wal_log_visit visit;
    void *context;
    uint32_t found;
    struct error *err;

    /* The current partition: */
    int32_t partition;
    const char *path;
};

static int
is_checkpoint_directory(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "checkpoint") == 0;
}

/* As at a start: frames before the newest checkpoint may be missing. */
static int
wal_logs_find_begin(const char *directory, int64_t *begin_offset, struct error *err)
{
    struct files *files = files_posix();
    int64_t offsets[CHECKPOINTS_MAX];
    *begin_offset = 0;
    int rc = files->list(files, directory, is_checkpoint_directory, NULL, err);
    if (rc <= 0)
        return rc;
    char *path = memory_format("%s/checkpoint", directory);
    const struct checkpoint_place place = {.files = files, .directory = path};
    rc = checkpoint_list(&place, offsets, err);
    CHECK(rc <= CHECKPOINTS_MAX);
    if (rc > 0)
        *begin_offset = offsets[0];
    CHECK(*begin_offset >= 0);
    free(path);
    return rc < 0 ? rc : 0;
}

static int
wal_logs_note(void *context, const char *name)
{
    struct wal_logs *logs = context;
    if (strcmp(name, "wal") != 0 && strcmp(name, "wal.new") != 0)
        return 0;
    CHECK(logs->path != NULL);
    CHECK(logs->partition >= 0);
    char *directory = memory_format("%s/%s", logs->path, name);
    struct wal_log log = {logs->partition, name, directory, 0};
    logs->found++;
    int rc = wal_logs_find_begin(directory, &log.begin_offset, logs->err);
    if (rc == 0)
        rc = logs->visit(logs->context, &log, logs->err);
    free(directory);
    return rc;
}

static int
wal_logs_visit_partition(struct wal_logs *logs, int32_t partition)
{
    struct files *files = files_posix();
    const struct config *config = logs->cli->config;
    CHECK(partition >= 0);
    char *path =
        data_dir_partition_path(config->consumer.data_dir, config_log_name(config), partition);
    logs->partition = partition;
    logs->path = path;
    int rc = files->list(files, path, wal_logs_note, logs, logs->err);
    free(path);
    return rc;
}

static int
wal_logs_find(const struct cli *cli, struct buffer *partitions, struct error *err)
{
    const struct config *config = cli->config;
    if (cli->argument_count == 0)
        return data_dir_list_partitions(files_posix(), config->consumer.data_dir,
                                        config_log_name(config), partitions, err);
    int64_t number;
    int rc = cli_read_number(cli->arguments[0], 0, INT32_MAX, &number, err);
    if (rc == 0) {
        int32_t partition = (int32_t)number;
        buffer_append(partitions, &partition, sizeof partition);
    }
    return rc;
}

int
wal_logs_visit(const struct cli *cli, wal_log_visit visit, void *context, struct error *err)
{
    const struct config *config = cli->config;
    struct wal_logs logs = {.cli = cli, .visit = visit, .context = context, .err = err};
    struct buffer partitions = {0};
    CHECK(visit != NULL);
    int rc = wal_logs_find(cli, &partitions, err);
    CHECK(partitions.bytes % sizeof(int32_t) == 0);
    for (size_t at = 0; rc == 0 && at < partitions.bytes; at += sizeof(int32_t)) {
        int32_t partition;
        memcpy(&partition, partitions.data + at, sizeof partition);
        rc = wal_logs_visit_partition(&logs, partition);
    }
    buffer_free(&partitions);
    if (rc == 0 && logs.found == 0)
        rc = error_set(err, ERR_FATAL, "no log of %s %s in %s",
                       config->kafka.present ? "topic" : "index", config_log_name(config),
                       config->consumer.data_dir);
    return rc;
}

const char *
wal_logs_state(const struct wal_log *log, const struct wal_segment *segment)
{
    CHECK(segment->end_bytes <= segment->bytes);
    if (segment->end_bytes == segment->bytes)
        return "whole";
    char *lock = memory_format("%s/lock", log->directory);
    bool is_held = files_check_unlocked(files_posix(), lock, NULL) == ERR_USAGE;
    free(lock);
    return is_held ? "growing" : "torn";
}

int
wal_logs_configure(const struct config *config, const struct wal_segment *segment,
                   struct recorded_config **recorded, struct error *err)
{
    struct recorded_config *made;
    if (*recorded != NULL && text_equal((*recorded)->identity, segment->identity))
        return 0;
    int rc = recorded_config_create(config, segment->identity, &made, err);
    if (rc != 0)
        return rc;
    recorded_config_destroy(*recorded);
    *recorded = made;
    return 0;
}
