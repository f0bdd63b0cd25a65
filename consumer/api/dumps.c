/* Failure: 400 for a body that is invalid, 404 for a dump that is not registered, 409 for a request
 * that its status does not allow, 500 when the file of the registry cannot be written; nothing has
 * changed then. */
#include "consumer/api/dumps.h"

#include "common/base/check.h"
#include "common/http/server.h"
#include "common/json/json_parse.h"
#include "common/json/json_write.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/ingest/ops_request.h"

enum { BODY_DEPTH = 4 };

static void
dumps_write(struct http_response *response, int status, struct text name, const char *word)
{
    struct json_writer json;
    CHECK(response->body.bytes == 0);
    response->status = status;
    json_writer_init(&json, &response->body);
    json_object_begin(&json);
    json_key(&json, "name");
    json_text(&json, name);
    json_key(&json, "status");
    json_string(&json, word);
    json_object_end(&json);
}

/* True: the request was done. Otherwise it is answered. */
static bool
dumps_is_done(struct http_response *response, int rc, enum dump_outcome outcome, struct text name,
              const struct error *err)
{
    if (rc == 0 && outcome == DUMP_DONE)
        return true;
    if (rc != 0)
        http_respond_error(response, 500, "%s", err->message);
    else if (outcome == DUMP_UNKNOWN)
        http_respond_error(response, 404, "Dump '%.*s' not found", TEXT_ARGS(name));
    else if (outcome == DUMP_OF_A_LOAD)
        http_respond_error(response, 409, "Dump '%.*s' was registered by a load, which ends it",
                           TEXT_ARGS(name));
    else if (outcome == DUMP_ENDED)
        http_respond_error(response, 409, "Dump '%.*s' has failed: register it again",
                           TEXT_ARGS(name));
    else
        http_respond_error(response, 409, "there are %d dumps that have not ended: delete some",
                           DUMPS_MAX);
    return false;
}

/* The member `key` of the body; NULL: the request is answered. */
static const struct json_value *
dumps_read_member(struct api_call *call, const char *key, enum json_kind kind, struct arena *arena)
{
    const struct json_value *root;
    struct error err = {0};
    if (json_parse(call->request->body, BODY_DEPTH, arena, &root, &err) != 0) {
        http_respond_error(call->response, 400, "%s", err.message);
        return NULL;
    }
    const struct json_value *value = json_member(root, key);
    if (value != NULL && value->kind == kind)
        return value;
    http_respond_error(call->response, 400, "the body must be an object in which \"%s\" is %s", key,
                       kind == JSON_STRING ? "a text" : "an integer");
    return NULL;
}

void
api_answer_dumps(struct api_call *call)
{
    dump_registry_answer(call->api->dumps, &call->response->body);
}

static void
dumps_put(struct api_call *call, struct text name)
{
    enum dump_outcome outcome = DUMP_DONE;
    struct error err = {0};
    if (!dump_name_is_valid(name) || name.bytes > OPS_SOURCE_BYTES_MAX) {
        http_respond_error(call->response, 400,
                           "the name of a dump has 1 to %d bytes, without '/' and control "
                           "characters",
                           OPS_SOURCE_BYTES_MAX);
        return;
    }
    int rc = dump_registry_put(call->api->dumps, name, &outcome, &err);
    if (dumps_is_done(call->response, rc, outcome, name, &err))
        dumps_write(call->response, 201, name, "writing");
}

void
api_answer_dump_put(struct api_call *call)
{
    struct arena arena;
    arena_init(&arena);
    const struct json_value *name = dumps_read_member(call, "name", JSON_STRING, &arena);
    if (name != NULL)
        dumps_put(call, name->string);
    arena_free(&arena);
}

static void
dumps_loaded(struct api_call *call, int64_t ops_written)
{
    enum dump_outcome outcome = DUMP_DONE;
    struct error err = {0};
    if (ops_written < 0) {
        http_respond_error(call->response, 400, "ops_written must not be negative");
        return;
    }
    int rc = dump_registry_loaded(call->api->dumps, call->id, ops_written, &outcome, &err);
    if (dumps_is_done(call->response, rc, outcome, call->id, &err))
        dumps_write(call->response, 200, call->id, "loading");
}

void
api_answer_dump_loaded(struct api_call *call)
{
    struct arena arena;
    arena_init(&arena);
    const struct json_value *count = dumps_read_member(call, "ops_written", JSON_INTEGER, &arena);
    if (count != NULL)
        dumps_loaded(call, count->integer);
    arena_free(&arena);
}

void
api_answer_dump_delete(struct api_call *call)
{
    enum dump_outcome outcome = DUMP_DONE;
    struct error err = {0};
    int rc = dump_registry_remove(call->api->dumps, call->id, &outcome, &err);
    if (dumps_is_done(call->response, rc, outcome, call->id, &err))
        call->response->status = 204;
}

void
api_answer_dumps_clear(struct api_call *call)
{
    struct error err = {0};
    int rc = dump_registry_clear(call->api->dumps, &err);
    if (dumps_is_done(call->response, rc, DUMP_DONE, TEXT(""), &err))
        call->response->status = 204;
}
