/* The ranges that differ now, as members report them, and which of them are new. A range that a
 * member reported before, whose member does not answer now, is still known.
 *
 * Pure; one thread.
 */
#ifndef PRODUCER_VERIFY_PATROL_LIST_H
#define PRODUCER_VERIFY_PATROL_LIST_H

#include "producer/verify/shard_verdicts.h"

/* What does not fit is reported again in the next round. */
enum { PATROL_LIST_MAX = 10000 };

struct patrol_range {
    const char *group;
    int32_t partition;
    struct job_range range;
    const struct verdict_range *verdict; /* of this round; NULL: its member did not answer */
    bool is_new;                         /* no range that was known before overlaps it */
    bool is_listed;                      /* the entities that differ were reported */
    bool newly_listed;
};

struct patrol_list {
    struct arena arenas[2]; /* of this round and of the one before */
    uint32_t round;
    struct patrol_range *items;
    uint32_t count;
    uint32_t gone;    /* ranges that do not differ any more */
    uint32_t unknown; /* partitions of the groups that nobody answered for */
};

void patrol_list_free(struct patrol_list *list);

/* The arena of the next round, in which its reports are to be made. */
struct arena *patrol_list_begin(struct patrol_list *list);
/* Takes the reports, one of each member. */
void patrol_list_take(struct patrol_list *list, int32_t partitions,
                      const struct member_report *reports, uint32_t count);

/* The new ranges, at most `limit`, for a check: ascending, merged where they overlap; in the arena
 * of the round. */
struct job_ranges patrol_list_new_ranges(struct patrol_list *list, uint32_t limit);

#endif
