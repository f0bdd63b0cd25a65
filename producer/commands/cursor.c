/* Happy path of a change: connect, ask the guards, take the lock of the producer's name, read its
 * cursor and its topic, and write all that changes in one statement. Whatever fails before that has
 * changed nothing. The lock goes with the session.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json/json_parse.h"
#include "common/pg/pg.h"
#include "producer/commands/commands.h"
#include "producer/commands/members.h"
#include "producer/sink/topic_check.h"
#include "producer/source/cursors.h"
#include "producer/source/guards.h"

/* What is read before a new epoch. */
struct change {
    const struct config *config;
    struct pg *pg;
    struct cursor_history history;
    struct cursor_owner owner; /* of generation 0: there is no cursor yet */
    struct topic_survey survey;
    int64_t *ends; /* of the topic, by partition */
};

static int
print_cursors(struct text json, struct error *err)
{
    struct arena arena = {0};
    const struct json_value *cursors;
    int rc = json_parse(json, MEMBERS_DEPTH, &arena, &cursors, err);
    for (uint32_t i = 0; rc == 0 && i < cursors->array.count; i++) {
        printf("%s", i > 0 ? "\n" : "");
        members_print(&cursors->array.items[i]);
    }
    arena_free(&arena);
    return rc;
}

int
command_cursor_show(const struct cli *cli, struct error *err)
{
    struct pg *pg;
    struct buffer json = {0};
    int rc = pg_connect(cli->config->postgres, "bitdex-producer cursor show", &pg, err);
    if (rc != 0)
        return rc;
    rc = cursors_list(pg, &json, err);
    pg_close(pg);
    if (rc == 0 && cli->json)
        printf("%s\n", buffer_string(&json));
    else if (rc == 0)
        rc = print_cursors((struct text){(const char *)json.data, json.bytes}, err);
    buffer_free(&json);
    return rc;
}

/* Opens a session that holds the lock of producer `name`. */
static int
open_locked(const struct config *config, const char *name, struct pg **pg, struct error *err)
{
    bool locked = false;
    int rc = pg_connect(config->postgres, "bitdex-producer cursor change", pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_source(*pg, config, err);
    if (rc == 0)
        rc = cursor_try_lock(*pg, name, &locked, err);
    if (rc == 0 && !locked)
        rc = error_set(err, ERR_FATAL,
                       "producer \"%s\" is running: stop it first, and those that stand by for it",
                       name);
    if (rc != 0)
        pg_close(*pg);
    return rc;
}

static void
change_end(struct change *change)
{
    pg_close(change->pg);
    free(change->ends);
}

static int
change_begin(const struct config *config, struct change *change, struct error *err)
{
    size_t partitions = (size_t)config->topic.partitions;
    bool found;
    *change = (struct change){.config = config};
    int rc = open_locked(config, config->producer.name, &change->pg, err);
    if (rc != 0)
        return rc;
    change->ends = memory_zalloc(partitions * sizeof *change->ends);
    rc = cursor_read_history(change->pg, &change->history, err);
    if (rc == 0)
        rc = cursor_check_topic(change->pg, config, err);
    if (rc == 0)
        rc = cursor_find_owner(change->pg, config, &change->owner, &found, err);
    if (rc == 0)
        rc = topic_survey_read(config, change->owner.name, change->owner.topic_id, &change->survey,
                               change->ends, err);
    if (rc != 0)
        change_end(change);
    return rc;
}

static int64_t
greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int
change_open_epoch(const struct change *change, const char *position, const char *load_reason,
                  struct error *err)
{
    const struct cursors_epoch epoch = {
        .epoch = greater(change->owner.epoch, change->survey.epoch) + 1,
        .generation = greater(change->owner.generation, change->survey.generation) + 1,
        .new_topic_id = !change->survey.has_topic_id,
        .position = position,
        .offsets = change->ends,
        .load_reason = load_reason,
    };
    int64_t tick;
    int rc = cursors_open_epoch(change->pg, change->config, &change->history, &change->owner,
                                &epoch, &tick, err);
    if (rc == 0)
        printf("epoch %" PRId64 " begins with window %" PRId64 " of generation %" PRId64 "%s\n",
               epoch.epoch, tick, epoch.generation,
               load_reason != NULL ? "; a load of everything is queued" : "");
    return rc;
}

/* A position that an operator names is one of this history, on a topic that agrees with it. */
static int
check_set(const struct change *change, const char *position, struct error *err)
{
    int rc = cursor_check(change->pg, change->config, &change->history, err);
    if (rc != 0)
        return rc;
    if (change->owner.generation > 0 && (change->survey.epoch > change->owner.epoch ||
                                         change->survey.generation > change->owner.generation))
        return error_set(err, ERR_FATAL,
                         "the topic is ahead of the cursor: the database was rolled back; open a"
                         " new epoch with: bitdex-producer cursor adopt");
    if (position == NULL)
        return 0;
    struct snapshot snapshot = {0};
    rc = snapshot_parse(&snapshot, position, err);
    if (rc == 0 && snapshot.xmax > change->history.next_xid)
        rc = error_set(err, ERR_USAGE,
                       "snapshot %s is in the future of this database, whose next transaction is"
                       " %" PRIu64,
                       position, change->history.next_xid);
    else if (rc != 0)
        rc = error_set(err, ERR_USAGE,
                       "POSITION is beginning, now or a snapshot such as 100:104:101,"
                       " not \"%s\"",
                       position);
    snapshot_free(&snapshot);
    return rc;
}

int
command_cursor_set(const struct cli *cli, struct error *err)
{
    struct change change;
    const char *position = cli->arguments[0];
    if (strcmp(position, "beginning") == 0)
        position = SNAPSHOT_EMPTY;
    else if (strcmp(position, "now") == 0)
        position = NULL;
    int rc = change_begin(cli->config, &change, err);
    if (rc != 0)
        return rc;
    rc = check_set(&change, position, err);
    if (rc == 0)
        rc = change_open_epoch(&change, position, NULL, err);
    change_end(&change);
    return rc;
}

int
command_cursor_adopt(const struct cli *cli, struct error *err)
{
    struct change change;
    int rc = change_begin(cli->config, &change, err);
    if (rc != 0)
        return rc;
    rc = change_open_epoch(&change, NULL, "adopted: indexes may hold rows that are gone", err);
    change_end(&change);
    return rc;
}

int
command_cursor_remove(const struct cli *cli, struct error *err)
{
    const char *name = cli->arguments[0];
    bool found = false;
    struct pg *pg;
    int rc = open_locked(cli->config, name, &pg, err);
    if (rc != 0)
        return rc;
    rc = cursors_remove(pg, name, &found, err);
    pg_close(pg);
    if (rc == 0 && !found)
        rc = error_set(err, ERR_FATAL,
                       "there is no cursor \"%s\"; see them with: bitdex-producer cursor show",
                       name);
    return rc;
}
