/* The members of the configured group: where they are, by the addresses that they advertise as
 * client.id, and calls to them. Main thread. */
#ifndef CONSUMER_COMMANDS_GROUP_MEMBERS_H
#define CONSUMER_COMMANDS_GROUP_MEMBERS_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

struct group_members {
    const char *const *addresses; /* in the arena */
    uint32_t count;
};

/* Waits a while for a group that rebalances. ERR_DATA: it has no member that can be reached. */
int group_members_find(const struct config *config, struct arena *arena,
                       struct group_members *members, struct error *err);

/* POST of `body` to /api/indexes/{index}/{what} of the member, with the configured token; a GET of
 * `path` without a body. Appends the answer; 0 with any status. */
int group_members_post(const struct config *config, const char *address, const char *what,
                       const char *body, struct buffer *answer, int *status, struct error *err);
int group_members_get(const char *address, const char *path, struct buffer *answer, int *status,
                      struct error *err);

#endif
