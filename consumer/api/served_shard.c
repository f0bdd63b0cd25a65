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
    struct shard_status status;
    shard_read_status(worker_shard(worker), &status);
    *complete = shard_find_complete(&status, &api->fields);
    CHECK(field_set_is_empty(complete) || status.state != SHARD_RECOVERING);
    return status.state == SHARD_RECOVERING || !worker_has_arrived(worker) ? NULL
                                                                           : worker_shard(worker);
}

void
served_shard_keep_complete(struct api_context *api, struct shard *shard, struct field_set *complete)
{
    struct shard_status status;
    shard_read_status(shard, &status);
    const struct field_set after = shard_find_complete(&status, &api->fields);
    field_set_keep_all(complete, &after);
}
