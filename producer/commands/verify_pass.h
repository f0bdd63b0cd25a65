/* One pass of `verify`: a job sends the sums of the source database, the shards of all groups
 * compare, and a second job sends the rows of what differs. Main thread.
 */
#ifndef PRODUCER_COMMANDS_VERIFY_PASS_H
#define PRODUCER_COMMANDS_VERIFY_PASS_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "producer/commands/load_wait.h"
#include "producer/load/load_plan.h"
#include "producer/verify/comparison.h"
#include "producer/verify/group_comparison.h"
#include "producer/verify/shard_verdicts.h"

/* What all passes of one command have in common. */
struct verify_task {
    const struct config *config;
    struct load_waiter *waiter;
    const struct load_selection *selection; /* without a range */
    const struct text *fields;              /* as struct verify_request */
    uint32_t field_count;
    const char *const *groups;
    uint32_t group_count;
    bool compares_groups; /* with each other */
    int timeout_s;        /* for members to answer, and shards to reach the end of the job */
};

struct verify_pass {
    struct arena sums_arena; /* of what the sums have found */
    struct arena check_arena;
    int64_t job;
    int64_t check_job; /* 0: nothing differs */
    struct verify_request request;
    struct shard_list list;
    struct comparison comparison;
    struct group_comparison groups; /* zeros unless they are compared with each other */
    struct found_differences differences;
};

/* ERR_FATAL: a job failed, or a signal ended the waiting. `ranges` outlives the pass, which the
 * caller frees in any case. */
int verify_pass_run(const struct verify_task *task, const struct job_ranges *ranges,
                    struct verify_pass *pass, struct error *err);
void verify_pass_free(struct verify_pass *pass);

/* Everything is known, and nothing differs. */
bool verify_pass_is_equal(const struct verify_pass *pass);

#endif
