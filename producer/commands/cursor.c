/* Happy path of a change: connect, check the guards, take the lock on the producer's name, read its
 * cursor and its topic, and write the whole change in one statement. Until that statement nothing
 * has changed. The lock is released with the connection.
 *
 * `cursor adopt` first repeats what a producer checks before it takes a generation. When the cursor
 * agrees with database and topic, it changes nothing, because a new epoch makes every index
 * incomplete (F122). What makes a producer stop after that (producer/drain/takeover.h) is on the
 * topic after the saved offsets, so the next `cursor adopt` finds it.
 */
#include "producer/commands/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/event/snapshot.h"
#include "common/json/json_parse.h"
#include "common/json/json_value.h"
#include "common/pg/pg.h"
#include "producer/commands/print_json.h"
#include "producer/sink/topic_check.h"
#include "producer/source/cursor.h"
#include "producer/source/cursors.h"
#include "producer/source/guards.h"
#include "producer/source/source_connection.h"

/* A change of the configured producer's cursor, with what is read before it. */
struct change {
    const struct config *config;
    struct pg *pg; /* holds the lock on the producer's name */
    struct cursor_history history;
    struct cursor_owner owner; /* generation 0: the producer has no cursor yet */
    bool found;                /* the producer has a cursor */
    struct topic_survey survey;
    int64_t *ends; /* by partition, the last offset of the topic */
};

static int
print_cursors(struct text json, struct error *err)
{
    struct arena arena = {0};
    const struct json_value *cursors;
    int rc = json_parse(json, PRINT_JSON_DEPTH, &arena, &cursors, err);
    CHECK(rc != 0 || cursors->kind == JSON_ARRAY);
    for (uint32_t i = 0; rc == 0 && i < cursors->array.count; i++) {
        printf("%s", i > 0 ? "\n" : "");
        print_json_members(&cursors->array.items[i]);
    }
    arena_free(&arena);
    return rc;
}

int
command_cursor_show(const struct cli *cli, struct error *err)
{
    struct pg *pg;
    struct buffer json = {0};
    CHECK(cli->config->postgres != NULL);
    int rc = source_connect(cli->config->postgres, "bitdex-producer cursor show", NULL, &pg, err);
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

/* Opens a connection that holds the lock on the producer's name. */
static int
open_locked(const struct config *config, const char *name, struct pg **pg, struct error *err)
{
    bool locked = false;
    CHECK(config->postgres != NULL);
    CHECK(name != NULL);
    int rc = source_connect(config->postgres, "bitdex-producer cursor change", NULL, pg, err);
    if (rc != 0)
        return rc;
    rc = guards_check_source(*pg, config, err);
    if (rc == 0)
        rc = cursor_try_lock(*pg, name, &locked, err);
    if (rc == 0 && !locked)
        rc = error_set(err, ERR_FATAL, "producer \"%s\" is running: stop it and its standbys first",
                       name);
    CHECK(rc != 0 || locked);
    if (rc != 0)
        pg_close(*pg);
    return rc;
}

static void
change_end(struct change *change)
{
    CHECK(change->pg != NULL);
    pg_close(change->pg);
    free(change->ends);
}

static int
change_begin(const struct config *config, struct change *change, struct error *err)
{
    size_t partitions = (size_t)config->topic.partitions;
    CHECK(partitions > 0);
    *change = (struct change){.config = config};
    int rc = open_locked(config, config->producer.name, &change->pg, err);
    if (rc != 0)
        return rc;
    change->ends = memory_zalloc(partitions * sizeof *change->ends);
    rc = cursor_read_history(change->pg, &change->history, err);
    if (rc == 0)
        rc = cursor_check_topic(change->pg, config, err);
    if (rc == 0)
        rc = cursor_find_owner(change->pg, config, &change->owner, &change->found, err);
    if (rc != 0)
        change_end(change);
    CHECK(rc != 0 || strcmp(change->owner.name, config->producer.name) == 0);
    CHECK(rc != 0 || change->found || change->owner.generation == 0);
    return rc;
}

static int
change_survey_topic(struct change *change, struct error *err)
{
    CHECK(change->pg != NULL && change->owner.name != NULL);
    return topic_survey_read(change->config, change->owner.name, change->owner.topic_id,
                             &change->survey, change->ends, err);
}

static int64_t
greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* `position` and `load_reason` as in struct cursors_epoch. */
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
    CHECK(change->pg != NULL && change->ends != NULL);
    CHECK(epoch.epoch > change->owner.epoch && epoch.epoch > change->survey.epoch);
    CHECK(epoch.generation > change->owner.generation);
    CHECK(epoch.generation > change->survey.generation);
    int rc = cursors_open_epoch(change->pg, change->config, &change->history, &change->owner,
                                &epoch, &tick, err);
    CHECK(rc != 0 || tick >= 1);
    if (rc == 0)
        printf("epoch %" PRId64 " begins with tick %" PRId64 ", generation %" PRId64 "%s\n",
               epoch.epoch, tick, epoch.generation,
               load_reason != NULL ? "; a load of everything is queued" : "");
    return rc;
}

/* The operator's position must be a snapshot that this database has reached. */
static int
check_position(const struct change *change, const char *position, struct error *err)
{
    struct snapshot snapshot = {0};
    CHECK(position != NULL);
    CHECK(change->history.next_xid > 0);
    int rc = snapshot_parse(&snapshot, position, err);
    if (rc != 0)
        rc = error_set(err, ERR_USAGE,
                       "POSITION must be beginning, now, or a snapshot such as 100:104:101: \"%s\"",
                       position);
    else if (snapshot.xmax > change->history.next_xid)
        rc = error_set(err, ERR_USAGE,
                       "snapshot %s is in the future of this database, whose next transaction is"
                       " %" PRIu64,
                       position, change->history.next_xid);
    snapshot_free(&snapshot);
    return rc;
}

/* The cursor must be of this history of the database, and the topic must not be ahead of it. */
static int
check_set(const struct change *change, struct error *err)
{
    const struct cursor_owner *owner = &change->owner;
    CHECK(change->pg != NULL);
    int rc = cursor_check(change->pg, change->config, &change->history, err);
    if (rc != 0)
        return rc;
    if (cursor_timeline_is_new(owner, &change->history))
        return error_set(err, ERR_FATAL,
                         "the database was restored or failed over since producer \"%s\" ran"
                         " (timeline %s, now %s): start the producer first, which continues if"
                         " nothing that was sent is lost, or else open a new epoch with"
                         " bitdex-producer cursor adopt",
                         owner->name, owner->timeline, change->history.timeline);
    if (owner->generation > 0 &&
        (change->survey.epoch > owner->epoch || change->survey.generation > owner->generation))
        return error_set(err, ERR_FATAL,
                         "the topic is ahead of the cursor, so the database was rolled back: open a"
                         " new epoch with bitdex-producer cursor adopt");
    return 0;
}

int
command_cursor_set(const struct cli *cli, struct error *err)
{
    struct change change;
    CHECK(cli->argument_count == 1);
    const char *position = cli->arguments[0];
    bool is_now = strcmp(position, "now") == 0;
    if (strcmp(position, "beginning") == 0)
        position = SNAPSHOT_EMPTY;
    int rc = change_begin(cli->config, &change, err);
    if (rc != 0)
        return rc;
    rc = change_survey_topic(&change, err);
    if (rc == 0)
        rc = check_set(&change, err);
    if (rc == 0 && !is_now)
        rc = check_position(&change, position, err);
    if (rc == 0)
        rc = change_open_epoch(&change, is_now ? NULL : position, NULL, err);
    if (rc == 0)
        printf("indexes are incomplete until existing rows are loaded: bitdex-producer load\n");
    change_end(&change);
    return rc;
}

static int
ignore_heartbeat(void *context)
{
    (void)context;
    return 0;
}

/* The topic after the cursor's offsets holds nothing later than the cursor. */
static int
check_topic_content(const struct change *change, const struct cursor_window *window,
                    struct error *err)
{
    const struct cursor_owner *owner = &change->owner;
    size_t partitions = (size_t)window->partitions;
    CHECK(window->partitions == change->config->topic.partitions);
    int64_t *offsets = memory_alloc(partitions * sizeof *offsets);
    for (size_t i = 0; i < partitions; i++)
        offsets[i] = change->found ? window->offsets[i] : -1;
    const struct topic_expectation expected = {
        .source = owner->name,
        .topic_id = owner->topic_id,
        .start_name = "", /* no fence is ours */
        .epoch = owner->epoch,
        .generation = owner->generation + 1,
        .tick = window->tick,
        .whole = cursor_timeline_is_new(owner, &change->history),
    };
    int rc =
        topic_check_content(change->config, &expected, offsets, NULL, ignore_heartbeat, NULL, err);
    free(offsets);
    return rc;
}

/* Whether a producer could continue from the cursor. ERR_FATAL says why not. */
static int
check_continues(const struct change *change, struct error *err)
{
    struct cursor_window window;
    cursor_window_init(&window, change->config->topic.partitions);
    int rc = cursor_check(change->pg, change->config, &change->history, err);
    if (rc == 0 && change->found)
        rc = cursor_load(change->pg, &change->owner, &window, err);
    if (rc == 0)
        rc = check_topic_content(change, &window, err);
    cursor_window_free(&window);
    return rc;
}

static void
print_continues(const struct change *change)
{
    const struct cursor_owner *owner = &change->owner;
    CHECK(owner->epoch >= 1);
    if (cursor_timeline_is_new(owner, &change->history))
        printf("the database was restored or failed over (timeline %s, now %s), and the topic"
               " holds nothing that it has lost\n",
               owner->timeline, change->history.timeline);
    printf("nothing is wrong with the cursor of producer \"%s\": nothing was changed; start the"
           " producer, and epoch %" PRId64 " continues\n",
           owner->name, owner->epoch);
}

static int
adopt(struct change *change, struct error *err)
{
    struct kafka_topic topic;
    int rc = topic_check_describe(change->config, &topic, err);
    if (rc != 0)
        return rc;
    rc = check_continues(change, err);
    if (rc == 0)
        print_continues(change);
    if (rc != ERR_FATAL)
        return rc;
    printf("the epoch cannot continue: %s\n", err->message);
    rc = change_survey_topic(change, err);
    if (rc != 0)
        return rc;
    return change_open_epoch(change, NULL,
                             "adopted: indexes may hold rows that the database has lost", err);
}

int
command_cursor_adopt(const struct cli *cli, struct error *err)
{
    struct change change;
    int rc = change_begin(cli->config, &change, err);
    if (rc != 0)
        return rc;
    rc = adopt(&change, err);
    change_end(&change);
    return rc;
}

int
command_cursor_remove(const struct cli *cli, struct error *err)
{
    bool found = false;
    struct pg *pg;
    CHECK(cli->argument_count == 1);
    const char *name = cli->arguments[0];
    int rc = open_locked(cli->config, name, &pg, err);
    if (rc != 0)
        return rc;
    rc = cursors_remove(pg, name, &found, err);
    pg_close(pg);
    if (rc == 0 && !found)
        rc = error_set(err, ERR_FATAL,
                       "there is no cursor \"%s\": bitdex-producer cursor show prints them all",
                       name);
    return rc;
}
