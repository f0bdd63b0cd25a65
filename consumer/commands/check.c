/* `check`: prints one line for each thing that `run` needs, and fails if one of them is missing. It
 * changes nothing: what `run` would create is only checked. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/config/config_rules.h"
#include "common/config/config_wal.h"
#include "common/files/files.h"
#include "common/kafka/kafka_admin.h"
#include "consumer/api/token.h"
#include "consumer/commands/commands.h"
#include "consumer/engine/engine.h"

static void
check_print(uint32_t *problems, const char *what, const char *problem)
{
    if (problem != NULL)
        ++*problems;
    CHECK(problem == NULL || problem[0] != '\0');
    printf("%-8s %s%s%s\n", problem != NULL ? "problem" : "ok", what, problem != NULL ? ": " : "",
           problem != NULL ? problem : "");
}

static void
check_engine(const struct config *config, uint32_t *problems)
{
    struct error err = {0};
    struct engine *engine = NULL;
    CHECK(config->topic.partitions > 0);
    const struct engine_options options = {
        .index = &config->index_config,
        .partition = 0,
        .partitions = config->topic.partitions,
        .max_slots = config->topic.max_slots,
    };
    int rc = engine_create(&options, &engine, &err);
    CHECK((rc == 0) == (engine != NULL));
    engine_destroy(engine);
    check_print(problems, "index_config", rc != 0 ? err.message : NULL);
}

/* The directory must be writable; if it is missing, the nearest parent that exists must be. */
static int
check_writable(const char *path, struct error *err)
{
    CHECK(path[0] != '\0');
    char *at = memory_strdup(path);
    int rc = 0;
    while (access(at, W_OK | X_OK) != 0) {
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || slash == at || strcmp(at, ".") == 0) {
            rc = error_set_errno(err, ERR_FATAL, "cannot write to %s", at);
            break;
        }
        if (slash != NULL)
            *slash = '\0';
        else
            memcpy(at, ".", 2); /* a relative path: fits, because the path is not empty */
    }
    free(at);
    return rc;
}

static void
check_data_dir(const struct config *config, uint32_t *problems)
{
    struct error err = {0};
    CHECK(config->consumer.data_dir != NULL);
    char *lock = memory_format("%s/lock", config->consumer.data_dir);
    int rc = check_writable(config->consumer.data_dir, &err);
    if (rc == 0)
        rc = files_check_unlocked(files_posix(), lock, &err);
    free(lock);
    check_print(problems, "data directory", rc != 0 ? err.message : NULL);
}

/* `advertise` itself was checked when the configuration was read. */
static void
check_advertise(const struct config *config, uint32_t *problems)
{
    const char *problem = config_rule_reachable(config->consumer.advertise);
    char text[512] = "";
    CHECK(config->kafka.present);
    if (problem != NULL)
        snprintf(text, sizeof text,
                 "consumer.listen is %s, so set consumer.advertise to the address of this member: "
                 "it %s",
                 config->consumer.listen, problem);
    check_print(problems, "advertised address", problem != NULL ? text : NULL);
}

/* A warning: `run` takes checkpoints more often. */
static void
check_wal(const struct config *config)
{
    const struct config_consumer *consumer = &config->consumer;
    int64_t wanted;
    if (config_wal_is_tight(consumer, &wanted))
        printf("%-8s log: consumer.wal_limit_bytes is below 2 * checkpoint_bytes + "
               "wal_segment_bytes, %" PRId64 ": run takes a checkpoint after each %" PRId64
               " bytes\n",
               "warning", wanted, config_wal_checkpoint_bytes(consumer));
}

static void
check_token(const struct config *config, uint32_t *problems)
{
    struct error err = {0};
    char *token = NULL;
    CHECK(config->consumer.token_file != NULL);
    int rc = token_read(config->consumer.token_file, &token, &err);
    free(token);
    check_print(problems, "token", rc != 0 ? err.message : NULL);
}

static void
check_topic(struct kafka_admin *admin, const char *name, int32_t partitions, uint32_t *problems)
{
    struct error err = {0};
    struct kafka_topic topic;
    char what[512];
    CHECK(partitions >= 0);
    int bytes = snprintf(what, sizeof what, "topic %s", name);
    CHECK(bytes < (int)sizeof what); /* the configuration bounds the name */
    int rc = kafka_admin_describe(admin, name, &topic, &err);
    if (rc == 0 && !topic.exists)
        rc = error_set(&err, ERR_USAGE, "does not exist: bitdex-producer init creates it");
    else if (rc == 0 && partitions > 0 && topic.partitions != partitions)
        rc = error_set(&err, ERR_USAGE, "has %d partitions, but topic.partitions is %d",
                       topic.partitions, partitions);
    check_print(problems, what, rc != 0 ? err.message : NULL);
}

static void
check_kafka(const struct config *config, uint32_t *problems)
{
    struct error err = {0};
    struct kafka_admin *admin;
    CHECK(config->kafka.present);
    CHECK(config->topic.name != NULL);
    int rc = kafka_admin_create(&config->kafka, &admin, &err);
    check_print(problems, "kafka settings", rc != 0 ? err.message : NULL);
    if (rc != 0)
        return;
    char *dead = memory_format("%s.dead", config->topic.name);
    check_topic(admin, config->topic.name, config->topic.partitions, problems);
    check_topic(admin, dead, 0, problems);
    free(dead);
    kafka_admin_destroy(admin);
}

int
command_check(const struct cli *cli, struct error *err)
{
    const struct config *config = cli->config;
    uint32_t problems = 0;
    check_print(&problems, "configuration", NULL);
    check_engine(config, &problems);
    check_data_dir(config, &problems);
    check_wal(config);
    if (config->consumer.token_file != NULL)
        check_token(config, &problems);
    if (config->kafka.present) {
        check_advertise(config, &problems);
        check_kafka(config, &problems);
    }
    fflush(stdout);
    if (problems > 0)
        return error_set(err, ERR_FATAL, "problems found: %u", problems);
    return 0;
}
