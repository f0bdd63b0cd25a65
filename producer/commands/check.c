#include "producer/commands/check.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/config/config_unused.h"
#include "common/kafka/kafka_admin.h"
#include "producer/commands/check_database.h"
#include "producer/commands/checklist.h"
#include "producer/sink/topic_check.h"

enum { UNUSED_BYTES = 512 };

const struct cli_option check_options[] = {
    {"--strict", NULL, "a warning is a failure as well"},
    {0},
};

static void
check_configuration(struct checklist *list, const struct config *config)
{
    uint32_t cursor = 0;
    char what[UNUSED_BYTES];
    const struct error none = {0};
    while (config_next_unused(config, &cursor, what, sizeof what))
        checklist_add_note(list, "configuration", what);
    checklist_add(list, "configuration", 0, &none);
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
    if (rc == 0) {
        char difference[TOPIC_DIFFERENCE_BYTES];
        topic_check_difference(&config->topic, &topic, difference, sizeof difference);
        if (difference[0] != '\0')
            checklist_add_warning(list, "topic", difference);
    }
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

int
command_check(const struct cli *cli, struct error *err)
{
    struct checklist list;
    checklist_begin(&list, cli->json);
    check_configuration(&list, cli->config);
    check_database(&list, cli->config);
    check_broker(&list, cli->config);
    checklist_end(&list);
    bool is_strict = cli_find_option(cli, "--strict") != NULL;
    if (list.problems == 0 && (list.warnings == 0 || !is_strict))
        return 0;
    return error_set(err, ERR_FATAL, "%u problem%s, %u warning%s", list.problems,
                     list.problems == 1 ? "" : "s", list.warnings, list.warnings == 1 ? "" : "s");
}
