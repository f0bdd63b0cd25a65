#include "consumer/commands/group_members.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/config/config_rules.h"
#include "common/http/client.h"
#include "common/kafka/kafka_admin.h"
#include "consumer/api/token.h"

enum { SETTLE_S = 30, SETTLE_POLL_MS = 500, GET_S = 10, POST_S = 900 };

static int
group_members_wait(const struct config *config, struct kafka_admin *admin, struct arena *arena,
                   struct kafka_members *members, struct error *err)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)SETTLE_S * US_PER_S;
    for (;;) {
        int rc = kafka_admin_members(admin, config->topic.name, arena, members, err);
        if (rc != 0 || members->rebalancing == NULL || clock_monotonic_us() >= until_us)
            return rc;
        clock_sleep_ms(SETTLE_POLL_MS);
    }
}

/* Members of the group whose client.id is an address. */
static void
group_members_take(const struct config *config, const struct kafka_members *found,
                   struct arena *arena, struct group_members *members)
{
    const char **addresses = arena_alloc(arena, (found->count + 1) * sizeof *addresses);
    members->count = 0;
    for (uint32_t i = 0; i < found->count; i++)
        if (strcmp(found->items[i].group, config->consumer.group) == 0 &&
            config_rule_reachable(found->items[i].client_id) == NULL)
            addresses[members->count++] = found->items[i].client_id;
    members->addresses = addresses;
}

int
group_members_find(const struct config *config, struct arena *arena, struct group_members *members,
                   struct error *err)
{
    struct kafka_admin *admin;
    struct kafka_members found;
    CHECK(config->kafka.present);
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = group_members_wait(config, admin, arena, &found, err);
    kafka_admin_destroy(admin);
    if (rc != 0)
        return rc;
    group_members_take(config, &found, arena, members);
    if (members->count > 0)
        return 0;
    return error_set(
        err, ERR_DATA,
        "group %s has no member with partitions of topic %s and an address that others "
        "can reach (consumer.advertise)%s",
        config->consumer.group, config->topic.name,
        found.rebalancing == NULL ? "" : "; a group is rebalancing");
}

int
group_members_post(const struct config *config, const char *address, const char *what,
                   const char *body, struct buffer *answer, int *status, struct error *err)
{
    char *token = NULL;
    int rc = 0;
    CHECK(body != NULL);
    if (config->consumer.token_file != NULL)
        rc = token_read(config->consumer.token_file, &token, err);
    if (rc != 0)
        return rc;
    char *path = memory_format("/api/indexes/%s/%s", config->index, what);
    rc = http_client_call(address, path, body, token, POST_S, answer, status, err);
    free(path);
    free(token);
    return rc;
}

int
group_members_get(const char *address, const char *path, struct buffer *answer, int *status,
                  struct error *err)
{
    CHECK(path[0] == '/');
    return http_client_call(address, path, NULL, NULL, GET_S, answer, status, err);
}
