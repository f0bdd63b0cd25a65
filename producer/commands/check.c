#include "producer/commands/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/config/config_unused.h"
#include "common/json/json_write.h"
#include "common/kafka/kafka_admin.h"
#include "common/pg/pg.h"
#include "producer/load/phase_check.h"
#include "producer/sink/topic_check.h"
#include "producer/source/cursor.h"
#include "producer/source/guards.h"
#include "producer/source/source_access.h"
#include "producer/triggers/inherited.h"
#include "producer/triggers/legacy.h"
#include "producer/triggers/missing_index.h"
#include "producer/triggers/reconcile.h"
#include "producer/triggers/select.h"

enum { UNBUILT_BYTES = 512, NOTE_BYTES = 1024 };

enum result { RESULT_OK, RESULT_NOTE, RESULT_PROBLEM };
static const char *const result_names[] = {
    [RESULT_OK] = "ok",
    [RESULT_NOTE] = "note",
    [RESULT_PROBLEM] = "problem",
};

struct checklist {
    int problems;             /* found so far */
    struct json_writer *json; /* inside an array; NULL: lines of text */
};

/* `message` is "" for a result that needs none. */
static void
checklist_print(struct checklist *list, const char *name, enum result result, const char *message)
{
    CHECK(result <= RESULT_PROBLEM);
    CHECK(name != NULL && message != NULL);
    CHECK(result == RESULT_OK || *message != '\0');
    if (list->json == NULL) {
        printf("%-8s %s%s%s\n", result_names[result], name, *message != '\0' ? ": " : "", message);
        return;
    }
    json_object_begin(list->json);
    json_key(list->json, "check");
    json_string(list->json, name);
    json_key(list->json, "result");
    json_string(list->json, result_names[result]);
    json_key(list->json, "message");
    json_string(list->json, message);
    json_object_end(list->json);
}

/* `rc` and `err` are what a check has returned. */
static void
checklist_add(struct checklist *list, const char *name, int rc, const struct error *err)
{
    CHECK(rc == 0 || rc == err->code);
    CHECK(list->problems >= 0);
    list->problems += rc != 0;
    checklist_print(list, name, rc == 0 ? RESULT_OK : RESULT_PROBLEM, rc == 0 ? "" : err->message);
}

static void
check_configuration(struct checklist *list, const struct config *config)
{
    uint32_t cursor = 0;
    char what[UNBUILT_BYTES];
    while (config_next_unused(config, &cursor, what, sizeof what))
        checklist_print(list, "configuration", RESULT_NOTE, what);
    checklist_print(list, "configuration", RESULT_OK, "");
}

/* The triggers must be those of the plan, enabled, with all rights that they need. */
static int
check_triggers(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
               struct error *err)
{
    struct reconcile_changes changes = {0};
    int rc = reconcile_compare(pg, plan, arena, &changes, err);
    CHECK((changes.first == NULL) == (changes.count == 0));
    if (rc == 0 && changes.count > 0)
        rc =
            error_set(err, ERR_FATAL,
                      "%u difference%s from the configuration, the first is \"%s\": bitdex-producer"
                      " triggers diff prints them all",
                      changes.count, changes.count == 1 ? "" : "s", changes.first->label);
    if (rc == 0)
        rc = reconcile_check_rights(pg, plan, false, err);
    CHECK(rc != 0 || changes.count == 0);
    return rc;
}

/* What a load needs beyond what `run` does. */
static void
check_loading_entry(struct checklist *list, const struct entry *entry)
{
    struct buffer sql = {0};
    struct error err = {0};
    char message[NOTE_BYTES];
    uint32_t line = entry->trigger->place.line;
    int rc = 0;
    if (missing_index_of_slot(entry, &sql))
        rc = error_set(&err, ERR_FATAL,
                       "triggers[%u] (line %u): each range of entities would cost a scan of the"
                       " whole table, so load refuses it: %s",
                       entry->index, line, buffer_string(&sql));
    else if (select_is_pass(entry) && entry->key_column_count == 0)
        rc = error_set(&err, ERR_FATAL,
                       "triggers[%u] (line %u): table %s has no primary key, in whose order a load"
                       " could read it in parts, so load refuses it: ALTER TABLE ... ADD PRIMARY"
                       " KEY",
                       entry->index, line, entry->trigger->table);
    if (rc != 0)
        checklist_add(list, "loading", rc, &err);
    buffer_clear(&sql);
    *message = '\0';
    if (missing_index_of_parent(entry, &sql))
        snprintf(
            message, sizeof message,
            "triggers[%u] (line %u): a change of a row of %s scans the whole table of a link: %s",
            entry->index, line, entry->trigger->table, buffer_string(&sql));
    else if (select_is_pass(entry))
        snprintf(message, sizeof message,
                 "triggers[%u] (line %u): only the index knows the entities of a row of %s, so a"
                 " load of its fields reads all of its rows, a range of entities cannot be loaded,"
                 " and ranges cannot be compared; `children` names the rows that say it",
                 entry->index, line, entry->trigger->table);
    if (*message != '\0')
        checklist_print(list, "loading", RESULT_NOTE, message);
    buffer_free(&sql);
}

static void
check_loading(struct checklist *list, const struct reconcile_plan *plan)
{
    struct error err = {0};
    int problems = list->problems;
    for (uint32_t i = 0; i < plan->entry_count; i++)
        check_loading_entry(list, &plan->entries[i]);
    if (list->problems == problems)
        checklist_add(list, "loading", 0, &err);
}

/* What `triggers apply` leaves as it is. */
static int
note_left_alone(struct checklist *list, struct pg *pg, const struct config *config,
                const struct reconcile_plan *plan, struct arena *arena, struct error *err)
{
    const struct legacy_trigger *legacy;
    struct refusal *inherited;
    int rc = legacy_find(pg, config, arena, &legacy, err);
    for (; rc == 0 && legacy != NULL; legacy = legacy->next)
        checklist_print(list, "triggers", RESULT_NOTE, legacy->message);
    if (rc == 0)
        rc = inherited_find(pg, plan->entries, plan->entry_count, arena, &inherited, err);
    for (; rc == 0 && inherited != NULL; inherited = inherited->next)
        checklist_print(list, "triggers", RESULT_NOTE, inherited->reason);
    return rc;
}

/* `guarded`: all guards hold, so there is an outbox. */
static void
check_entries(struct checklist *list, struct pg *pg, const struct config *config, bool guarded)
{
    struct arena arena = {0};
    struct reconcile_plan plan;
    struct error err = {0};
    int rc = guarded ? reconcile_plan(pg, config, &arena, &plan, &err)
                     : reconcile_plan_before_init(pg, config, &arena, &plan, &err);
    int planned = rc;
    if (rc == 0 && guarded)
        rc = check_triggers(pg, &plan, &arena, &err);
    if (rc == 0)
        rc = note_left_alone(list, pg, config, &plan, &arena, &err);
    if (rc != 0 || guarded)
        checklist_add(list, "triggers", rc, &err);
    if (planned == 0)
        check_loading(list, &plan);
    arena_free(&arena);
}

/* The cursor's guard passes on a new timeline, because only `run` finds out whether the epoch
 * continues. */
static int
note_timeline(struct checklist *list, struct pg *pg, const struct config *config, struct error *err)
{
    char message[NOTE_BYTES];
    struct cursor_history history;
    struct cursor_owner owner;
    bool found;
    int rc = cursor_read_history(pg, &history, err);
    if (rc == 0)
        rc = cursor_find_owner(pg, config, &owner, &found, err);
    if (rc != 0 || !cursor_timeline_is_new(&owner, &history))
        return rc;
    CHECK(found);
    snprintf(message, sizeof message,
             "the database was restored or failed over since producer \"%s\" ran (timeline %s, now"
             " %s): run continues in the same epoch if nothing that was sent is lost, and explains"
             " otherwise",
             owner.name, owner.timeline, history.timeline);
    checklist_print(list, "cursor", RESULT_NOTE, message);
    return 0;
}

/* The guards end at the first problem, because each relies on those before it. */
static void
check_database(struct checklist *list, const struct config *config)
{
    struct pg *pg;
    struct error err = {0};
    CHECK(config->postgres != NULL);
    CHECK(guards_count() > 0);
    int rc = pg_connect(config->postgres, "bitdex-producer check", &pg, &err);
    checklist_add(list, "database connection", rc, &err);
    if (rc != 0)
        return;
    int access = source_access_check(pg, config, &err);
    checklist_add(list, "source privileges", access, &err);
    uint32_t held = 0; /* guards */
    for (; rc == 0 && held < guards_count(); held += rc == 0) {
        rc = guards_check(held, pg, config, &err);
        checklist_add(list, guards_name(held), rc, &err);
    }
    if (rc == 0) {
        rc = note_timeline(list, pg, config, &err);
        if (rc != 0)
            checklist_add(list, "cursor", rc, &err);
    }
    if (access == 0 && held > 0) /* the first one refuses a connection that is not our own */
        check_entries(list, pg, config, rc == 0);
    if (access == 0 && rc == 0 && phase_check_is_needed(config)) {
        rc = phase_check_run(config, pg, &err);
        checklist_add(list, "dump phases", rc, &err);
    }
    pg_close(pg);
}

static int
check_dead_topic(struct kafka_admin *admin, const char *name, struct error *err)
{
    struct kafka_topic topic;
    int rc = kafka_admin_describe(admin, name, &topic, err);
    if (rc == 0 && !topic.exists)
        rc = error_set(err, ERR_FATAL, "topic %s does not exist: run bitdex-producer init", name);
    return rc;
}

static void
check_topics(struct checklist *list, struct kafka_admin *admin, const struct config *config)
{
    struct kafka_topic topic;
    struct error err = {0};
    int rc = kafka_admin_describe(admin, config->topic.name, &topic, &err);
    checklist_add(list, "broker connection", rc, &err);
    if (rc != 0)
        return;
    rc = topic_check_shape(&config->topic, &topic, &err);
    checklist_add(list, "topic", rc, &err);
    char *dead = memory_format("%s.dead", config->topic.name);
    rc = check_dead_topic(admin, dead, &err);
    checklist_add(list, "dead letter topic", rc, &err);
    free(dead);
}

static void
check_broker(struct checklist *list, const struct config *config)
{
    struct kafka_admin *admin;
    struct error err = {0};
    CHECK(config->kafka.present);
    CHECK(config->topic.name != NULL);
    int rc = kafka_admin_create(&config->kafka, &admin, &err);
    if (rc != 0) {
        checklist_add(list, "broker connection", rc, &err);
        return;
    }
    check_topics(list, admin, config);
    kafka_admin_destroy(admin);
}

static void
check_all(struct checklist *list, const struct config *config)
{
    check_configuration(list, config);
    check_database(list, config);
    check_broker(list, config);
}

int
command_check(const struct cli *cli, struct error *err)
{
    struct checklist list = {0};
    struct json_writer json;
    struct buffer out = {0};
    if (cli->json) {
        list.json = &json;
        json_writer_init(&json, &out);
        json_array_begin(&json);
    }
    check_all(&list, cli->config);
    if (cli->json) {
        json_array_end(&json);
        CHECK(json.depth == 0);
        printf("%s\n", buffer_string(&out));
        buffer_free(&out);
    }
    if (list.problems == 0)
        return 0;
    return error_set(err, ERR_FATAL, "%d problem%s", list.problems, list.problems == 1 ? "" : "s");
}
