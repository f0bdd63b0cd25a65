#include "consumer/api/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/http/server.h"
#include "common/json/json_write.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/worker.h"

enum { POLL_MS = 10 };

static const char revoked[] = "the partition was revoked from this process";

/* Of one partition. */
struct checkpoint_request {
    int32_t partition;
    int64_t number; /* worker_request_checkpoint(); 0: refused */
    bool answered;
    struct shard_checkpoint answer;
};

struct checkpoint_requests {
    struct checkpoint_request *items; /* by partition */
    uint32_t count;
};

static void
request_refuse(struct checkpoint_request *request, const char *reason)
{
    CHECK(!request->answered);
    request->answered = true;
    request->answer = (struct shard_checkpoint){.offset = -1};
    snprintf(request->answer.error, sizeof request->answer.error, "%s", reason);
}

/* A worker that recovers takes no checkpoint and does not answer requests. */
static void
request_send(struct checkpoint_request *request, struct worker *worker)
{
    struct shard_status status;
    shard_read_status(worker_shard(worker), &status);
    if (status.state == SHARD_RECOVERING)
        request_refuse(request, "the partition is recovering");
    else
        request->number = worker_request_checkpoint(worker);
    CHECK(request->answered == (request->number == 0));
}

static void
requests_send(struct checkpoint_requests *requests, struct api_context *api)
{
    int32_t partitions = api->config->topic.partitions;
    CHECK(requests->count == 0);
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < partitions; i++) {
        struct worker *worker = assignment_worker(api->assignment, i);
        if (worker == NULL)
            continue;
        CHECK(requests->count < (uint32_t)partitions);
        struct checkpoint_request *request = &requests->items[requests->count++];
        request->partition = i;
        request_send(request, worker);
    }
    assignment_leave(api->assignment);
}

/* Returns whether all requests are answered. */
static bool
requests_poll(struct checkpoint_requests *requests, struct api_context *api)
{
    bool all = true;
    assignment_enter(api->assignment);
    for (uint32_t i = 0; i < requests->count; i++) {
        struct checkpoint_request *request = &requests->items[i];
        if (request->answered)
            continue;
        CHECK(request->number > 0);
        struct worker *worker = assignment_worker(api->assignment, request->partition);
        if (worker == NULL)
            request_refuse(request, revoked);
        else
            request->answered = worker_checkpoint_answer(worker, request->number, &request->answer);
        all = all && request->answered;
    }
    assignment_leave(api->assignment);
    return all;
}

static void
request_write(const struct checkpoint_request *request, struct json_writer *json)
{
    CHECK(request->answered);
    CHECK(request->answer.pause_us >= 0);
    json_object_begin(json);
    json_key(json, "partition");
    json_integer(json, request->partition);
    json_key(json, "offset");
    if (request->answer.offset >= 0)
        json_integer(json, request->answer.offset);
    else
        json_null(json);
    json_key(json, "pause_seconds");
    json_float(json, (double)request->answer.pause_us / US_PER_S);
    json_key(json, "error");
    json_string(json, request->answer.error);
    json_object_end(json);
}

/* The first error of a partition is the error of the reply. */
static void
requests_write(const struct checkpoint_requests *requests, struct http_response *response)
{
    char error[ERROR_MESSAGE_BYTES + 32] = "";
    struct json_writer json;
    CHECK(requests->count > 0);
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (uint32_t i = 0; i < requests->count; i++) {
        const struct checkpoint_request *request = &requests->items[i];
        CHECK(i == 0 || request[-1].partition < request->partition);
        request_write(request, &json);
        if (error[0] == '\0' && request->answer.error[0] != '\0')
            snprintf(error, sizeof error, "partition %d: %s", request->partition,
                     request->answer.error);
    }
    json_array_end(&json);
    if (error[0] != '\0') {
        response->status = 503;
        json_key(&json, "error");
        json_string(&json, error);
    }
    json_object_end(&json);
}

void
api_answer_checkpoint(struct api_call *call)
{
    struct checkpoint_requests requests = {0};
    size_t partitions = (size_t)call->api->config->topic.partitions;
    requests.items = memory_zalloc(partitions * sizeof *requests.items);
    requests_send(&requests, call->api);
    CHECK(requests.count <= partitions);
    while (!requests_poll(&requests, call->api))
        clock_sleep_ms(POLL_MS);
    if (requests.count == 0)
        http_respond_error(call->response, 503, "no partition is assigned");
    else
        requests_write(&requests, call->response);
    free(requests.items);
}
