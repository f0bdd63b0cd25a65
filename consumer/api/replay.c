/* Failure: 400 for a body that is invalid; 409 when a partition has refused, with what each has
 * answered; 503 without a partition. */
#include "consumer/api/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/http/server.h"
#include "common/json/json_parse.h"
#include "common/json/json_write.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/worker.h"

enum { POLL_MS = 10, BODY_DEPTH = 2, ALL_PARTITIONS = -1 };

/* Of one partition. */
struct replay_call {
    int32_t partition;
    int64_t number; /* worker_request_replay(); 0: refused */
    bool answered;
    struct replay_answer answer;
};

struct replay_calls {
    struct replay_request request;
    int64_t partition; /* or ALL_PARTITIONS */
    struct replay_call *items;
    uint32_t count;
};

/* --- the body -------------------------------------------------------------------------------- */

/* `*is_set` becomes true for a member that is true. ERR_USAGE: it is not a boolean. */
static int
body_read_flag(const struct json_value *root, const char *key, bool *is_set, struct error *err)
{
    const struct json_value *value = json_member(root, key);
    if (value != NULL && value->kind != JSON_BOOLEAN)
        return error_set(err, ERR_USAGE, "\"%s\" must be true or false", key);
    *is_set = value != NULL && value->boolean;
    return 0;
}

static int
body_read_partition(const struct json_value *root, int64_t *partition, struct error *err)
{
    const struct json_value *value = json_member(root, "partition");
    *partition = ALL_PARTITIONS;
    if (value == NULL)
        return 0;
    if (value->kind != JSON_INTEGER || value->integer < 0)
        return error_set(err, ERR_USAGE, "\"partition\" must be a number from 0 on");
    *partition = value->integer;
    return 0;
}

static int
body_check_members(const struct json_value *root, struct error *err)
{
    static const char *const known[] = {"from", "partition", "accept_loss", "abort"};
    if (root->kind != JSON_OBJECT)
        return error_set(err, ERR_USAGE, "the body must be an object");
    for (uint32_t i = 0; i < root->object.count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            is_known = is_known || text_is(root->object.members[i].key, known[k]);
        if (!is_known)
            return error_set(err, ERR_USAGE, "the body has an unknown member \"%.*s\"",
                             TEXT_ARGS(root->object.members[i].key));
    }
    return 0;
}

/* Either "from", or "abort", or "accept_loss" alone. */
static int
body_read_request(const struct json_value *root, struct replay_request *request, struct error *err)
{
    const struct json_value *from = json_member(root, "from");
    bool accepts_loss = false, is_abort = false;
    int rc = body_check_members(root, err);
    if (rc == 0)
        rc = body_read_flag(root, "accept_loss", &accepts_loss, err);
    if (rc == 0)
        rc = body_read_flag(root, "abort", &is_abort, err);
    if (rc != 0)
        return rc;
    if (from != NULL && from->kind != JSON_STRING)
        return error_set(err, ERR_USAGE, "\"from\" must be a text");
    if (is_abort ? (from != NULL || accepts_loss) : (from == NULL && !accepts_loss))
        return error_set(err, ERR_USAGE,
                         "the body needs \"from\", \"abort\" or \"accept_loss\"; "
                         "\"abort\" stands alone");
    request->action = is_abort ? REPLAY_ABORT : REPLAY_ACCEPT;
    if (from != NULL)
        rc = replay_request_parse(from->string.data, request, err);
    request->accepts_loss = accepts_loss;
    return rc;
}

static int
body_read(struct text body, struct replay_calls *calls, struct error *err)
{
    const struct json_value *root;
    struct arena arena;
    arena_init(&arena);
    int rc = json_parse(body, BODY_DEPTH, &arena, &root, err);
    if (rc == 0)
        rc = body_read_request(root, &calls->request, err);
    if (rc == 0)
        rc = body_read_partition(root, &calls->partition, err);
    arena_free(&arena);
    return rc;
}

/* --- the workers ----------------------------------------------------------------------------- */

static void
call_refuse(struct replay_call *call, const char *reason)
{
    CHECK(!call->answered);
    call->answered = true;
    call->answer = (struct replay_answer){.result = "refused", .offset = -1};
    snprintf(call->answer.error, sizeof call->answer.error, "%s", reason);
}

/* A worker that recovers does not answer requests. */
static void
call_send(struct replay_call *call, const struct replay_request *request, struct worker *worker)
{
    struct shard_status status;
    shard_read_status(worker_shard(worker), &status);
    if (status.state == SHARD_RECOVERING)
        call_refuse(call, "the partition is recovering");
    else if ((call->number = worker_request_replay(worker, request)) == 0)
        call_refuse(call, "another request of a replay is not answered yet");
}

static void
calls_send(struct replay_calls *calls, struct api_context *api)
{
    CHECK(calls->count == 0);
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < api->config->topic.partitions; i++) {
        struct worker *worker = assignment_worker(api->assignment, i);
        if (worker == NULL || (calls->partition != ALL_PARTITIONS && calls->partition != i))
            continue;
        struct replay_call *call = &calls->items[calls->count++];
        call->partition = i;
        call_send(call, &calls->request, worker);
    }
    assignment_leave(api->assignment);
}

/* Returns whether all are answered. */
static bool
calls_poll(struct replay_calls *calls, struct api_context *api)
{
    bool all = true;
    assignment_enter(api->assignment);
    for (uint32_t i = 0; i < calls->count; i++) {
        struct replay_call *call = &calls->items[i];
        if (call->answered)
            continue;
        CHECK(call->number > 0);
        struct worker *worker = assignment_worker(api->assignment, call->partition);
        if (worker == NULL)
            call_refuse(call, "the partition was revoked from this process");
        else
            call->answered = worker_replay_answer(worker, call->number, &call->answer);
        all = all && call->answered;
    }
    assignment_leave(api->assignment);
    return all;
}

static void
call_write(const struct replay_call *call, struct json_writer *json)
{
    CHECK(call->answered);
    json_object_begin(json);
    json_key(json, "partition");
    json_integer(json, call->partition);
    json_key(json, "result");
    json_string(json, call->answer.result);
    json_key(json, "offset");
    if (call->answer.offset >= 0)
        json_integer(json, call->answer.offset);
    else
        json_null(json);
    json_key(json, "error");
    json_string(json, call->answer.error);
    json_object_end(json);
}

/* The first error of a partition is the error of the reply. */
static void
calls_write(const struct replay_calls *calls, struct http_response *response)
{
    char error[ERROR_MESSAGE_BYTES + 32] = "";
    struct json_writer json;
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_key(&json, "partitions");
    json_array_begin(&json);
    for (uint32_t i = 0; i < calls->count; i++) {
        const struct replay_call *call = &calls->items[i];
        call_write(call, &json);
        if (error[0] == '\0' && call->answer.error[0] != '\0')
            snprintf(error, sizeof error, "partition %d: %s", call->partition, call->answer.error);
    }
    json_array_end(&json);
    if (error[0] != '\0') {
        response->status = 409;
        json_key(&json, "error");
        json_string(&json, error);
    }
    json_object_end(&json);
}

void
api_answer_replay(struct api_call *call)
{
    struct replay_calls calls = {.partition = ALL_PARTITIONS};
    struct error err = {0};
    if (body_read(call->request->body, &calls, &err) != 0) {
        http_respond_error(call->response, 400, "%s", err.message);
        return;
    }
    calls.items = memory_zalloc((size_t)call->api->config->topic.partitions * sizeof *calls.items);
    calls_send(&calls, call->api);
    while (!calls_poll(&calls, call->api))
        clock_sleep_ms(POLL_MS);
    if (calls.count == 0 && calls.partition == ALL_PARTITIONS)
        http_respond_error(call->response, 503, "no partition is assigned");
    else
        calls_write(&calls, call->response);
    free(calls.items);
}
