/* POST /checkpoint: every partition's worker is asked, and all answers are waited for. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "consumer/api/api_internal.h"

enum { ASK_MS = 10 };

static const char given_away[] = "the partition was given away";

/* One partition's. */
struct checkpoint_request {
    int32_t partition;
    int64_t number; /* worker.h */
    bool answered;
    struct shard_checkpoint answer;
};

struct checkpoint_requests {
    struct checkpoint_request *items; /* by partition */
    uint32_t count;
};

static void
request_refuse(struct checkpoint_request *request, const char *why)
{
    request->answered = true;
    request->answer = (struct shard_checkpoint){.offset = -1};
    snprintf(request->answer.trouble, sizeof request->answer.trouble, "%s", why);
}

/* A worker that reads its log takes none, and does not look at requests. */
static void
request_ask(struct checkpoint_request *request, struct worker *worker)
{
    struct shard_status status;
    shard_read_status(worker_shard(worker), &status);
    if (status.state == SHARD_RECOVERING)
        request_refuse(request, "its log is being read");
    else if (status.state == SHARD_REBUILDING)
        request_refuse(request, "the partition is being rebuilt");
    else
        request->number = worker_request_checkpoint(worker);
}

static void
requests_ask(struct checkpoint_requests *requests, struct api *api)
{
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < api->config->topic.partitions; i++) {
        struct worker *worker = assignment_worker(api->assignment, i);
        if (worker == NULL)
            continue;
        struct checkpoint_request *request = &requests->items[requests->count++];
        request->partition = i;
        request_ask(request, worker);
    }
    assignment_leave(api->assignment);
}

/* Are all answered? */
static bool
requests_look(struct checkpoint_requests *requests, struct api *api)
{
    bool all = true;
    assignment_enter(api->assignment);
    for (uint32_t i = 0; i < requests->count; i++) {
        struct checkpoint_request *request = &requests->items[i];
        if (request->answered)
            continue;
        struct worker *worker = assignment_worker(api->assignment, request->partition);
        if (worker == NULL)
            request_refuse(request, given_away);
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
    json_key(json, "trouble");
    json_string(json, request->answer.trouble);
    json_object_end(json);
}

/* With the first trouble as the error. */
static void
requests_write(const struct checkpoint_requests *requests, struct http_response *response)
{
    char error[ERROR_MESSAGE_BYTES + 32] = "";
    struct json_writer json;
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (uint32_t i = 0; i < requests->count; i++) {
        const struct checkpoint_request *request = &requests->items[i];
        request_write(request, &json);
        if (error[0] == '\0' && request->answer.trouble[0] != '\0')
            snprintf(error, sizeof error, "partition %d: %s", request->partition,
                     request->answer.trouble);
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
    requests_ask(&requests, call->api);
    while (!requests_look(&requests, call->api))
        clock_sleep_ms(ASK_MS);
    if (requests.count == 0)
        http_respond_error(call->response, 503, "no partition is assigned");
    else
        requests_write(&requests, call->response);
    free(requests.items);
}
