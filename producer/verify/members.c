#include "producer/verify/members.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/shutdown.h"
#include "common/config/config_rules.h"
#include "common/http/client.h"

enum { ANSWER_S = 5, SETTLE_POLL_MS = 500 };

static int
members_wait(const struct config *config, struct kafka_admin *admin, int settle_s,
             struct arena *arena, struct kafka_members *members, struct error *err)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)settle_s * US_PER_S;
    for (bool is_said = false;; is_said = true) {
        int rc = kafka_admin_members(admin, config->topic.name, arena, members, err);
        if (rc != 0 || members->rebalancing == NULL || shutdown_requested() ||
            clock_monotonic_us() >= until_us)
            return rc;
        if (!is_said)
            fprintf(stderr, "waiting up to %d s for group %s, which is rebalancing\n", settle_s,
                    members->rebalancing);
        clock_sleep_ms(SETTLE_POLL_MS);
    }
}

static void
members_keep_ours(struct kafka_members *members, struct arena *arena)
{
    struct kafka_member *ours = arena_alloc(arena, (members->count + 1) * sizeof *ours);
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++)
        if (config_rule_reachable(members->items[i].client_id) == NULL)
            ours[count++] = members->items[i];
    members->items = ours;
    members->count = count;
}

int
members_find(const struct config *config, int settle_s, struct arena *arena,
             struct kafka_members *members, struct error *err)
{
    struct kafka_admin *admin;
    CHECK(config->kafka.present && config->topic.name != NULL);
    int rc = kafka_admin_create(&config->kafka, &admin, err);
    if (rc != 0)
        return rc;
    rc = members_wait(config, admin, settle_s, arena, members, err);
    kafka_admin_destroy(admin);
    if (rc == 0)
        members_keep_ours(members, arena);
    return rc;
}

int
members_ask(const struct config *config, const char *address, const char *what,
            struct buffer *answer, struct error *err)
{
    int status = 0;
    char *path = memory_format("/api/indexes/%s/%s", config->index, what);
    buffer_clear(answer);
    int rc = http_client_call(address, path, NULL, NULL, ANSWER_S, answer, &status, err);
    free(path);
    if (rc != 0 || status == 200)
        return rc;
    return error_set(err, ERR_DATA, "status %d: %s", status, buffer_string(answer));
}
