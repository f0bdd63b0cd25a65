#include "consumer/api/served_shard.h"

#include "common/base/check.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/worker.h"

struct shard *
served_shard_find(struct api_context *api, int32_t partition, struct field_set *complete)
{
    CHECK(0 <= partition && partition < api->config->topic.partitions);
    struct worker *worker = assignment_worker(api->assignment, partition);
    if (worker == NULL)
        return NULL;
    enum shard_state state = shard_read_complete(worker_shard(worker), complete);
    return state == SHARD_RECOVERING || !worker_has_arrived(worker) ? NULL : worker_shard(worker);
}

void
served_shard_keep_complete(struct shard *shard, struct field_set *complete)
{
    struct field_set after;
    shard_read_complete(shard, &after);
    field_set_keep_all(complete, &after);
}
