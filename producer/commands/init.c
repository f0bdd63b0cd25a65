/* Happy path: for each step of schemas/outbox.sql ask whether it is done, and if not, do it.
 *
 * A change of the outbox waits for its lock only a moment, so as not to hold up the writers that
 * queue behind it, and tries again for a while. What needs no such lock may take its time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/kafka/kafka_admin.h"
#include "common/pg/pg.h"
#include "producer/commands/commands.h"
#include "producer/source/outbox_sql.h"

enum { LOCK_ATTEMPTS = 60, LOCK_PAUSE_MS = 1000 };

#define STEP "-- step "
#define DONE "-- done when "

struct step {
    struct text name;
    struct text done;
    struct text statement; /* with its comments */
};

/* The rest of the line that begins at `*at`, which moves behind it. */
static struct text
take_line(const char **at)
{
    const char *end = strchrnul(*at, '\n');
    struct text line = {*at, (size_t)(end - *at)};
    *at = *end == '\n' ? end + 1 : end;
    return line;
}

/* false: no more steps. */
static bool
take_step(const char **at, struct step *step)
{
    const char *found = strstr(*at, STEP);
    if (found == NULL)
        return false;
    found += strlen(STEP);
    step->name = take_line(&found);
    found = strstr(found, DONE) + strlen(DONE);
    step->done = take_line(&found);
    const char *next = strstr(found, STEP);
    *at = next != NULL ? next : found + strlen(found);
    step->statement = (struct text){found, (size_t)(*at - found)};
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
    *done = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
step_do(struct pg *pg, const struct step *step, struct error *err)
{
    char *sql = memory_format("%.*s", TEXT_ARGS(step->statement));
    bool concurrently = strstr(sql, " CONCURRENTLY ") != NULL;
    int rc = pg_exec(pg, concurrently ? "SET lock_timeout = 0" : "SET lock_timeout = '1s'", err);
    for (int i = 0; rc == 0 && i < LOCK_ATTEMPTS; i++) {
        rc = pg_exec(pg, sql, err);
        bool waits = rc != 0 && strcmp(pg_last_sqlstate(pg), "55P03") == 0;
        if (!waits || i + 1 == LOCK_ATTEMPTS)
            break;
        if (i == 0)
            printf("waiting for a lock: %.*s\n", TEXT_ARGS(step->name));
        clock_sleep_ms(LOCK_PAUSE_MS);
        rc = 0;
    }
    free(sql);
    return rc;
}

/* One at a time: the session of an init that was killed goes on until its statement ends, and what
 * it is still building must not be taken for something that it left unfinished. Asks again and
 * again: a session that waits in the database would hold up the building of an index. */
static int
init_lock(struct pg *pg, struct error *err)
{
    static const char sql[] =
        "SELECT pg_try_advisory_lock(hashtextextended('bitdex-producer init', 0))";
    for (bool told = false;; told = true) {
        struct pg_result *result;
        int rc = pg_query(pg, sql, 0, NULL, &result, err);
        if (rc != 0)
            return rc;
        bool locked = pg_boolean(result, 0, 0);
        pg_result_clear(result);
        if (locked)
            return 0;
        if (!told)
            printf("waiting for another init\n");
        clock_sleep_ms(LOCK_PAUSE_MS);
    }
}

static int
init_database(struct pg *pg, int *changes, struct error *err)
{
    const char *at = outbox_sql_text;
    struct step step;
    int rc = init_lock(pg, err);
    while (rc == 0 && take_step(&at, &step)) {
        bool done = false;
        rc = step_is_done(pg, &step, &done, err);
        if (rc == 0 && !done) {
            rc = step_do(pg, &step, err);
            if (rc == 0)
                printf("done: %.*s\n", TEXT_ARGS(step.name));
            ++*changes;
        }
        if (rc != 0)
            return error_wrap(err, rc, "%.*s", TEXT_ARGS(step.name));
    }
    return rc;
}

static int
init_topic(struct kafka_admin *admin, const struct config_topic *topic, int *changes,
           struct error *err)
{
    bool created;
    int rc = kafka_admin_create_topic(admin, topic, &created, err);
    if (rc != 0)
        return error_wrap(err, rc, "topic %s", topic->name);
    if (created)
        printf("done: topic %s, partitions: %d\n", topic->name, topic->partitions);
    *changes += created;
    return 0;
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

int
command_init(const struct cli *cli, struct error *err)
{
    struct pg *pg;
    int changes = 0;
    int rc = pg_connect(cli->config->postgres, "bitdex-producer init", &pg, err);
    if (rc != 0)
        return rc;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a step may take long */
    rc = init_database(pg, &changes, err);
    pg_close(pg);
    if (rc == 0)
        rc = init_topics(cli->config, &changes, err);
    if (rc == 0 && changes == 0)
        printf("nothing to do\n");
    return rc;
}
