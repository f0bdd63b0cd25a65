/* Happy path: for each step of schemas/outbox.sql, ask the database whether the step is done, and
 * execute it if not.
 *
 * A statement that changes the outbox waits for its lock for a second at a time and is tried again
 * for two minutes, because writers queue up after a statement that waits for a lock. A statement
 * that runs CONCURRENTLY blocks no writer, so it may take its time.
 */
#include "producer/commands/init.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/kafka/kafka_admin.h"
#include "common/pg/legacy_cleanup.h"
#include "common/pg/pg.h"
#include "producer/source/outbox_sql.h"
#include "producer/source/source_connection.h"
#include "producer/triggers/legacy.h"

enum { LOCK_ATTEMPTS = 60, LOCK_PAUSE_MS = 1000 };

#define STEP "-- step "
#define DONE "-- done when "

struct step {
    struct text name;
    struct text done;      /* an SQL condition that holds when the step is done */
    struct text statement; /* with its comments */
};

/* The rest of the line at `*at`, which moves to the next line. */
static struct text
take_line(const char **at)
{
    const char *end = strchrnul(*at, '\n');
    struct text line = {*at, (size_t)(end - *at)};
    CHECK(line.bytes > 0);
    *at = *end == '\n' ? end + 1 : end;
    return line;
}

/* The next step at or after `*at`, which moves past it. False: there are no more steps. */
static bool
take_step(const char **at, struct step *step)
{
    const char *found = strstr(*at, STEP);
    if (found == NULL)
        return false;
    found += strlen(STEP);
    step->name = take_line(&found);
    CHECK(strncmp(found, DONE, strlen(DONE)) == 0);
    found += strlen(DONE);
    step->done = take_line(&found);
    const char *next = strstr(found, STEP);
    *at = next != NULL ? next : found + strlen(found);
    step->statement = (struct text){found, (size_t)(*at - found)};
    size_t bytes = step->statement.bytes;
    while (bytes > 0 && found[bytes - 1] == '\n')
        bytes--;
    CHECK(bytes > 0);
    CHECK(found[bytes - 1] == ';');
    return true;
}

static int
step_is_done(struct pg *pg, const struct step *step, bool *done, struct error *err)
{
    struct pg_result *result;
    char *sql = memory_format("SELECT %.*s", TEXT_ARGS(step->done));
    int rc = pg_query(pg, sql, 0, NULL, &result, err);
    free(sql);
    if (rc != 0)
        return rc;
    CHECK(pg_rows(result) == 1);
    *done = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

/* Executes the statement, again and again while its lock is not granted. */
static int
step_do(struct pg *pg, const struct step *step, struct error *err)
{
    CHECK(step->statement.bytes > 0);
    char *sql = memory_format("%.*s", TEXT_ARGS(step->statement));
    bool concurrently = strstr(sql, " CONCURRENTLY ") != NULL;
    int rc = pg_exec(pg, concurrently ? "SET lock_timeout = 0" : "SET lock_timeout = '1s'", err);
    for (int i = 0; rc == 0 && i < LOCK_ATTEMPTS; i++) {
        rc = pg_exec(pg, sql, err);
        bool is_lock_timeout = rc != 0 && strcmp(pg_last_sqlstate(pg), "55P03") == 0;
        if (!is_lock_timeout || i + 1 == LOCK_ATTEMPTS)
            break;
        if (i == 0)
            printf("waiting for a lock: %.*s\n", TEXT_ARGS(step->name));
        clock_sleep_ms(LOCK_PAUSE_MS);
        rc = 0;
    }
    free(sql);
    return rc;
}

/* Only one init may run at a time. The Postgres session of an init that was killed continues until
 * its statement ends, and the index that it is still building must not be mistaken for one that it
 * left unfinished. The lock is polled: a session that waits for a lock in Postgres would delay the
 * building of an index, which waits for every transaction. */
static int
init_lock(struct pg *pg, struct error *err)
{
    static const char sql[] =
        "SELECT pg_try_advisory_lock(pg_catalog.hashtextextended('bitdex-producer init', 0))";
    for (bool is_reported = false;; is_reported = true) {
        struct pg_result *result;
        int rc = pg_query(pg, sql, 0, NULL, &result, err);
        if (rc != 0)
            return rc;
        CHECK(pg_rows(result) == 1);
        bool locked = pg_boolean(result, 0, 0);
        pg_result_clear(result);
        if (locked)
            return 0;
        if (!is_reported)
            printf("waiting for another init\n");
        clock_sleep_ms(LOCK_PAUSE_MS);
    }
}

/* Executes the step unless it is done. */
static int
init_step(struct pg *pg, const struct step *step, int *changes, struct error *err)
{
    bool done = false;
    int rc = step_is_done(pg, step, &done, err);
    if (rc == 0 && !done) {
        rc = step_do(pg, step, err);
        if (rc == 0)
            printf("done: %.*s\n", TEXT_ARGS(step->name));
        ++*changes;
    }
    return rc == 0 ? 0 : error_wrap(err, rc, "%.*s", TEXT_ARGS(step->name));
}

static int
init_database(struct pg *pg, int *changes, struct error *err)
{
    const char *at = outbox_sql_text;
    struct step step;
    int steps = 0;
    int rc = init_lock(pg, err);
    for (; rc == 0 && take_step(&at, &step); steps++)
        rc = init_step(pg, &step, changes, err);
    CHECK(rc != 0 || steps > 0);
    return rc;
}

/* A setting that has changed since the topic was created (F116). */
static int
init_retention(struct kafka_admin *admin, const struct config_topic *topic, int *changes,
               struct error *err)
{
    struct kafka_topic present;
    const int64_t retention_ms = topic->retention_hours * INT64_C(3600000);
    int rc = kafka_admin_describe(admin, topic->name, &present, err);
    if (rc != 0 || !present.exists || present.retention_ms == retention_ms)
        return rc;
    rc = kafka_admin_set_retention(admin, topic->name, retention_ms, err);
    if (rc != 0)
        return error_wrap(err, rc, "topic %s", topic->name);
    printf("done: topic %s, retention.ms: %" PRId64 "\n", topic->name, retention_ms);
    ++*changes;
    return 0;
}

static int
init_topic(struct kafka_admin *admin, const struct config_topic *topic, int *changes,
           struct error *err)
{
    bool created;
    CHECK(topic->name != NULL);
    CHECK(topic->partitions > 0);
    int rc = kafka_admin_create_topic(admin, topic, &created, err);
    if (rc != 0)
        return error_wrap(err, rc, "topic %s", topic->name);
    if (created)
        printf("done: topic %s, partitions: %d\n", topic->name, topic->partitions);
    *changes += created;
    return created ? 0 : init_retention(admin, topic, changes, err);
}

static int
init_topics(const struct config *config, int *changes, struct error *err)
{
    struct kafka_admin *admin;
    struct config_topic dead = config->topic;
    char *dead_name = memory_format("%s.dead", config->topic.name);
    dead.name = dead_name;
    dead.partitions = 1;
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc == 0) {
        rc = init_topic(admin, &config->topic, changes, err);
        if (rc == 0)
            rc = init_topic(admin, &dead, changes, err);
        kafka_admin_destroy(admin);
    }
    free(dead_name);
    return rc;
}

/* Drops the original's cleanup trigger, or says that it is there. */
static int
init_legacy_cleanup(struct pg *pg, bool remove, int *changes, struct error *err)
{
    const struct step step = {
        .name = TEXT("removal of the trigger trg_cleanup_bitdex_ops"),
        .done = TEXT("NOT " LEGACY_CLEANUP_EXISTS),
        .statement = TEXT(LEGACY_CLEANUP_DROP ";"),
    };
    bool done = false;
    if (remove)
        return init_step(pg, &step, changes, err);
    int rc = step_is_done(pg, &step, &done, err);
    if (rc == 0 && !done)
        printf("warning: " LEGACY_CLEANUP_MESSAGE "\n");
    return rc;
}

/* What installations of the original system leave in a database. */
static int
init_legacy(struct pg *pg, const struct cli *cli, int *changes, struct error *err)
{
    struct arena arena;
    const struct legacy_trigger *trigger = NULL;
    arena_init(&arena);
    bool remove = cli_find_option(cli, "--remove-legacy-cleanup") != NULL;
    int rc = init_legacy_cleanup(pg, remove, changes, err);
    if (rc == 0)
        rc = legacy_find(pg, cli->config, &arena, &trigger, err);
    for (; rc == 0 && trigger != NULL; trigger = trigger->next)
        printf("warning: %s\n", trigger->message);
    arena_free(&arena);
    return rc;
}

int
command_init(const struct cli *cli, struct error *err)
{
    struct pg *pg;
    int changes = 0;
    CHECK(cli->config->postgres != NULL);
    int rc = source_connect(cli->config->postgres, "bitdex-producer init", NULL, &pg, err);
    if (rc != 0)
        return rc;
    setvbuf(stdout, NULL, _IOLBF, 0); /* print each step at once: the next may take long */
    rc = init_database(pg, &changes, err);
    if (rc == 0)
        rc = init_legacy(pg, cli, &changes, err);
    pg_close(pg);
    if (rc == 0)
        rc = init_topics(cli->config, &changes, err);
    if (rc == 0 && changes == 0)
        printf("nothing to do\n");
    return rc;
}
