#include "consumer/partition/replica_pair.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/config/config_identity.h"
#include "consumer/partition/data_dir.h"

enum { POLL_MS = 20 };

static int
pair_create_replica(const struct replica_pair *pair, const char *directory,
                    struct replica **replica, struct error *err)
{
    const struct replica_options options = {
        .config = pair->options.config,
        .files = pair->options.files,
        .partition = pair->options.partition,
        .directory = directory,
        .control = pair->options.control,
        .times = pair->options.times,
        .is_as_of = pair->options.as_of_us != 0,
    };
    return replica_create(&options, replica, err);
}

static int
pair_open_directory(struct replica_pair *pair, struct error *err)
{
    const struct config *config = pair->options.config;
    char *path = data_dir_partition_path(config->consumer.data_dir, config_log_name(config),
                                         pair->options.partition);
    int rc = partition_dir_open(&pair->directory, pair->options.files, path, err);
    free(path);
    return rc;
}

int
replica_pair_create(struct replica_pair *pair, const struct replica_pair_options *options,
                    struct error *err)
{
    CHECK(options->shard != NULL);
    CHECK(options->control != NULL);
    *pair = (struct replica_pair){.options = *options};
    config_fields_init(&pair->fields, &options->config->index_config);
    int rc = pair_open_directory(pair, err);
    if (rc != 0)
        return rc;
    rc = pair_create_replica(pair, pair->directory.wal, &pair->served, err);
    if (rc == 0)
        replica_serve(pair->served, options->shard);
    return rc;
}

void
replica_pair_destroy(struct replica_pair *pair)
{
    replica_destroy(pair->rebuilt);
    replica_destroy(pair->served);
    partition_dir_close(&pair->directory);
    config_fields_free(&pair->fields);
}

int
replica_pair_recover(struct replica_pair *pair, struct error *err)
{
    static const struct replica_seed no_seed;
    CHECK(pair->rebuilt == NULL);
    CHECK(pair->served != NULL);
    int rc = replica_open(pair->served, &no_seed, err);
    if (rc == 0)
        replica_pair_set_time(pair);
    return rc;
}

/* --- a rebuild ------------------------------------------------------------------------------- */

bool
replica_pair_is_interrupted(const struct replica_pair *pair)
{
    CHECK(pair->served != NULL);
    return pair->directory.is_rebuilding && pair->rebuilt == NULL;
}

static int
pair_open_rebuilt(struct replica_pair *pair, const struct replica_seed *seed, struct error *err)
{
    CHECK(replica_pair_is_interrupted(pair));
    int rc = pair_create_replica(pair, pair->directory.rebuilt, &pair->rebuilt, err);
    return rc == 0 ? replica_open(pair->rebuilt, seed, err) : rc;
}

int
replica_pair_continue_rebuild(struct replica_pair *pair, struct error *err)
{
    static const struct replica_seed no_seed;
    return pair_open_rebuilt(pair, &no_seed, err);
}

int
replica_pair_begin_rebuild(struct replica_pair *pair, int64_t offset, int64_t replay,
                           struct error *err)
{
    const struct replica_seed seed = {pair->directory.wal, offset};
    CHECK(offset >= 0);
    replica_destroy(pair->rebuilt);
    pair->rebuilt = NULL;
    int rc = partition_dir_begin_rebuild(&pair->directory, err);
    if (rc == 0)
        rc = pair_open_rebuilt(pair, &seed, err);
    if (rc != 0)
        return rc;
    CHECK(replica_next_offset(pair->rebuilt) <= offset);
    /* A seed may name a later reset, if the clock went back since. */
    int64_t held = replica_position(pair->rebuilt)->replay;
    replica_set_replay(pair->rebuilt, replay > held ? replay : held + 1);
    CHECK(replica_pair_replay(pair) > replica_position(pair->served)->replay);
    return 0;
}

int
replica_pair_save_seed(struct replica_pair *pair, struct error *err)
{
    CHECK(pair->rebuilt != NULL);
    CHECK(replica_checkpoint_is_done(pair->rebuilt));
    int rc = replica_checkpoint_begin(pair->rebuilt, err);
    while (rc == 0 && !replica_checkpoint_is_done(pair->rebuilt)) {
        worker_control_heartbeat(pair->options.control);
        clock_sleep_ms(POLL_MS);
    }
    return rc == 0 ? replica_checkpoint_end(pair->rebuilt, err) : rc;
}

int
replica_pair_end_rebuild(struct replica_pair *pair, struct error *err)
{
    CHECK(pair->directory.is_rebuilding);
    replica_destroy(pair->rebuilt);
    pair->rebuilt = NULL;
    return partition_dir_end_rebuild(&pair->directory, err);
}

bool
replica_pair_is_rebuilding(const struct replica_pair *pair)
{
    CHECK(pair->rebuilt == NULL || pair->directory.is_rebuilding);
    return pair->rebuilt != NULL;
}

int64_t
replica_pair_replay(const struct replica_pair *pair)
{
    const struct replica *newest = pair->rebuilt != NULL ? pair->rebuilt : pair->served;
    return replica_position(newest)->replay;
}

int
replica_pair_swap(struct replica_pair *pair, struct error *err)
{
    CHECK(pair->rebuilt != NULL);
    CHECK(replica_checkpoint_is_done(pair->served));
    CHECK(replica_checkpoint_is_done(pair->rebuilt));
    int rc = replica_save(pair->rebuilt, err);
    if (rc == 0)
        rc = partition_dir_swap(&pair->directory, err);
    if (rc != 0)
        return rc;
    replica_rename(pair->rebuilt, pair->directory.wal);
    replica_set_time(pair->rebuilt, pair->now_s);
    replica_serve(pair->rebuilt, pair->options.shard);
    replica_destroy(pair->served);
    pair->served = pair->rebuilt;
    pair->rebuilt = NULL;
    return 0;
}

int
replica_pair_remove_old(struct replica_pair *pair, struct error *err)
{
    CHECK(pair->rebuilt == NULL);
    return partition_dir_sweep(&pair->directory, err);
}

/* --- time ------------------------------------------------------------------------------------ */

void
replica_pair_set_time(struct replica_pair *pair)
{
    int64_t as_of_us = pair->options.as_of_us;
    int64_t now_s = (as_of_us != 0 ? as_of_us : clock_realtime_us()) / US_PER_S;
    if (now_s == pair->now_s)
        return;
    pair->now_s = now_s;
    replica_set_time(pair->served, now_s);
    if (pair->rebuilt != NULL)
        replica_set_time(pair->rebuilt, now_s);
}
