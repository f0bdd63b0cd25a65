#include "producer/commands/verify_groups.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/kafka/kafka_admin.h"
#include "producer/commands/selection.h"
#include "producer/verify/members.h"

/* The groups of the cluster that read the topic. */
struct found_groups {
    const char *const *busy; /* with members */
    uint32_t busy_count;
    const char *const *idle; /* without; each of the cluster costs a request */
    uint32_t idle_count;
    const char *rebalancing; /* one that may read the topic; NULL: none */
};

static bool
has_name(const char *const *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int
groups_find_idle(const struct config *config, struct arena *arena, struct found_groups *found,
                 struct error *err)
{
    struct kafka_admin *admin;
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = kafka_admin_idle_groups(admin, config->topic.name, arena, &found->idle, &found->idle_count,
                                 err);
    kafka_admin_destroy(admin);
    return rc;
}

static int
groups_find(const struct config *config, int settle_s, struct arena *arena,
            struct found_groups *found, struct error *err)
{
    struct kafka_members members;
    int rc = members_find(config, settle_s, arena, &members, err);
    if (rc != 0)
        return rc;
    const char **busy = arena_alloc(arena, (members.count + 1) * sizeof *busy);
    *found = (struct found_groups){.busy = busy, .rebalancing = members.rebalancing};
    for (uint32_t i = 0; i < members.count; i++)
        if (!has_name(busy, found->busy_count, members.items[i].group))
            busy[found->busy_count++] = members.items[i].group;
    return 0;
}

static bool
groups_are_busy(const struct found_groups *found, const char *const *groups, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!has_name(found->busy, found->busy_count, groups[i]))
            return false;
    return true;
}

static void
append_names(struct buffer *out, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        buffer_append_format(out, "%s%s", i > 0 ? ", " : "", names[i]);
}

static int
groups_check(const struct config *config, const struct found_groups *found,
             const char *const *groups, uint32_t count, struct error *err)
{
    struct buffer names = {0};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        if (has_name(found->busy, found->busy_count, groups[i]) ||
            has_name(found->idle, found->idle_count, groups[i]) || found->rebalancing != NULL)
            continue;
        append_names(&names, found->busy, found->busy_count);
        rc = error_set(err, ERR_USAGE,
                       "no consumer group \"%s\" reads topic \"%s\"; with members: %s", groups[i],
                       config->topic.name, found->busy_count > 0 ? buffer_string(&names) : "none");
    }
    buffer_free(&names);
    return rc;
}

/* Without --group every group with members is compared. */
static int
groups_take_all(const struct config *config, const struct found_groups *found, struct error *err)
{
    for (uint32_t i = 0; i < found->idle_count; i++)
        fprintf(stderr, "group %s has no members now, so it is not compared\n", found->idle[i]);
    if (found->rebalancing != NULL)
        return error_set(err, ERR_FATAL,
                         "group %s is rebalancing, so its members are not known: try again, or name"
                         " the groups with --group",
                         found->rebalancing);
    if (found->busy_count == 0)
        return error_set(err, ERR_FATAL,
                         "no consumer group has members on topic \"%s\": there is nothing to"
                         " compare with",
                         config->topic.name);
    return 0;
}

int
verify_groups_find(const struct config *config, const char *list, struct arena *arena,
                   const char *const **groups, uint32_t *count, struct error *err)
{
    struct found_groups found;
    int rc = 0;
    if (list != NULL)
        rc = selection_read_names("--group", list, arena, groups, count, err);
    if (rc == 0)
        rc = groups_find(config, list != NULL ? 0 : MEMBERS_SETTLE_S, arena, &found, err);
    if (rc == 0 && list != NULL && groups_are_busy(&found, *groups, *count))
        return 0;
    if (rc == 0 && list != NULL && found.rebalancing != NULL)
        rc = groups_find(config, MEMBERS_SETTLE_S, arena, &found, err);
    if (rc == 0)
        rc = groups_find_idle(config, arena, &found, err);
    if (rc != 0)
        return rc;
    if (list != NULL)
        return groups_check(config, &found, *groups, *count, err);
    *groups = found.busy;
    *count = found.busy_count;
    CHECK(found.busy != NULL);
    return groups_take_all(config, &found, err);
}
