#include "consumer/api/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/event/chunk.h"
#include "common/json/json_write.h"
#include "consumer/api/field_status.h"
#include "consumer/api/verified.h"
#include "consumer/group/assignment.h"
#include "consumer/partition/incomplete.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/verdicts.h"
#include "consumer/partition/worker.h"

/* What the request asks for. */
struct verify_request {
    bool has_job;
    int64_t job;
    bool with_sums;
};

/* What is gathered while the partitions are written. */
struct verify_answer {
    const struct config_fields *fields;
    struct verify_request request;
    struct json_writer *json;
    const struct shard_status *status;  /* of the present partition */
    struct field_set lacking;           /* fields that some range does not compare */
    const char *reasons[FIELD_NUMBERS]; /* of these, the first reason; in `arena` */
    struct arena arena;
    int64_t ranges;
    int64_t differing;
    bool has_oldest;
    int64_t oldest_clock_us;
    struct freshness freshness; /* of the freshest partition */
};

/* --- the request ----------------------------------------------------------------------------- */

/* The value of a parameter, up to the next '&'; false: it is not there. */
static bool
parameter_find(const char *query, const char *name, struct text *value)
{
    size_t bytes = strlen(name);
    for (const char *at = query; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, "&");
        if (length > bytes && strncmp(at, name, bytes) == 0 && at[bytes] == '=') {
            *value = (struct text){at + bytes + 1, length - bytes - 1};
            return true;
        }
        at += length + (at[length] == '&');
    }
    return false;
}

/* False: the request is invalid. */
static bool
request_parse(const char *query, struct verify_request *request)
{
    struct text value;
    char digits[24];
    char *end;
    *request = (struct verify_request){0};
    request->with_sums = parameter_find(query, "sums", &value) && text_is(value, "1");
    request->has_job = parameter_find(query, "job", &value);
    if (!request->has_job)
        return true;
    if (value.bytes == 0 || value.bytes >= sizeof digits || value.data[0] < '0' ||
        value.data[0] > '9')
        return false;
    snprintf(digits, sizeof digits, "%.*s", TEXT_ARGS(value));
    errno = 0;
    request->job = strtoll(digits, &end, 10);
    return errno == 0 && *end == '\0';
}

/* --- one range ------------------------------------------------------------------------------- */

static void
write_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

static void
write_known(struct json_writer *json, const char *key, int64_t number, bool is_known)
{
    json_key(json, key);
    if (is_known)
        json_integer(json, number);
    else
        json_null(json);
}

/* The name of a field as events name it. */
static const char *
field_name(const struct config_fields *fields, uint32_t number)
{
    return number == FIELD_ALIVE ? "" : config_fields_name(fields, number);
}

static struct field_set
all_fields(const struct config_fields *fields)
{
    struct field_set all = config_fields_written(fields);
    field_set_add_all(&all, &fields->computed);
    CHECK(field_set_has(&all, FIELD_ALIVE));
    return all;
}

static void
write_set(struct json_writer *json, const char *key, const struct field_set *set,
          const struct config_fields *fields)
{
    json_key(json, key);
    json_array_begin(json);
    for (uint32_t i = field_set_next(set, 0); i < FIELD_NUMBERS; i = field_set_next(set, i + 1))
        json_string(json, field_name(fields, i));
    json_array_end(json);
}

/* The fields that a verdict does not compare. */
static struct field_set
verdict_lacking(const struct verdict *verdict, const struct config_fields *fields)
{
    struct field_set lacking = all_fields(fields);
    field_set_remove_all(&lacking, &verdict->equal);
    field_set_remove_all(&lacking, &verdict->differing);
    return lacking;
}

static void
write_differences(struct json_writer *json, const struct verdict *verdict,
                  const struct config_fields *fields)
{
    json_key(json, "differences");
    json_array_begin(json);
    for (uint32_t i = 0; i < verdict->difference_count; i++) {
        const struct verdict_difference *difference = &verdict->differences[i];
        json_object_begin(json);
        json_key(json, "field");
        json_string(json, field_name(fields, difference->field));
        write_number(json, "id", difference->entity_id);
        json_key(json, "source");
        json_raw(json, text_of(difference->source));
        json_key(json, "index");
        json_raw(json, text_of(difference->index));
        json_object_end(json);
    }
    json_array_end(json);
    write_number(json, "differences_total", (int64_t)verdict->differences_total);
}

static void
write_sums(struct json_writer *json, const struct verdict *verdict,
           const struct config_fields *fields)
{
    json_key(json, "sums");
    if (verdict->sums == NULL) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    for (uint32_t i = 0; i <= fields->count; i++) {
        const struct hash_sum *sum = &verdict->sums[i];
        char text[64];
        snprintf(text, sizeof text, "%" PRIu64 ":%016" PRIx64 "%016" PRIx64, sum->count,
                 (uint64_t)sum->high, sum->low);
        json_key(json, i < fields->count ? config_fields_name(fields, i) : "");
        json_string(json, text);
    }
    json_object_end(json);
}

static void
write_range(const struct verify_answer *answer, const struct verdict *verdict)
{
    struct json_writer *json = answer->json;
    struct field_set refused = verdict->named;
    field_set_remove_all(&refused, &verdict->equal);
    field_set_remove_all(&refused, &verdict->differing);
    json_object_begin(json);
    write_number(json, "begin", verdict->begin);
    write_known(json, "end", verdict->end, verdict->end != CHUNK_NO_END);
    write_number(json, "job", verdict->job);
    write_number(json, "check_job", verdict->check_job);
    write_known(json, "checked_to", verdict->checked_to, verdict->checked_to != CHUNK_NO_END);
    write_number(json, "tick", verdict->tick);
    write_known(json, "clock", verdict->clock_us, verdict->clock_us > 0);
    write_set(json, "equal", &verdict->equal, answer->fields);
    write_set(json, "differing", &verdict->differing, answer->fields);
    write_set(json, "not_comparable", &refused, answer->fields);
    write_differences(json, verdict, answer->fields);
    if (answer->request.with_sums)
        write_sums(json, verdict, answer->fields);
    json_object_end(json);
}

/* --- fields that are not compared ------------------------------------------------------------ */

/* Why the field was not compared in some range of the present partition. */
static const char *
describe_lacking(struct verify_answer *answer, const struct verdict *verdict, uint32_t number)
{
    char reason[INCOMPLETE_BYTES];
    incomplete_describe_field(&answer->status->sequence, answer->fields, number, reason,
                              sizeof reason);
    if (reason[0] != '\0')
        return arena_strdup(&answer->arena, text_of(reason));
    if (field_set_has(&verdict->named, number))
        return "it was not complete when its range was compared: verify again";
    return "the producer has not compared it: no range source of `triggers` owns it, or an index "
           "on its slot is missing (bitdex-producer check)";
}

static void
note_lacking(struct verify_answer *answer, const struct verdict *verdict,
             const struct field_set *lacking)
{
    for (uint32_t i = field_set_next(lacking, 0); i < FIELD_NUMBERS;
         i = field_set_next(lacking, i + 1)) {
        if (answer->reasons[i] == NULL)
            answer->reasons[i] = describe_lacking(answer, verdict, i);
    }
    field_set_add_all(&answer->lacking, lacking);
}

static void
write_lacking(struct verify_answer *answer)
{
    const struct field_set *lacking = &answer->lacking;
    json_key(answer->json, "not_comparable");
    json_array_begin(answer->json);
    for (uint32_t i = field_set_next(lacking, 0); i < FIELD_NUMBERS;
         i = field_set_next(lacking, i + 1)) {
        json_object_begin(answer->json);
        json_key(answer->json, "field");
        json_string(answer->json, field_name(answer->fields, i));
        json_key(answer->json, "reason");
        json_string(answer->json, answer->reasons[i]);
        json_object_end(answer->json);
    }
    json_array_end(answer->json);
}

/* --- partitions ------------------------------------------------------------------------------ */

static bool
answer_lists(const struct verify_request *request, const struct verdict *verdict)
{
    if (!request->has_job)
        return !field_set_is_empty(&verdict->differing);
    return verdict->job >= request->job || verdict->check_job >= request->job;
}

static void
answer_read(void *context, const struct verdicts *verdicts)
{
    struct verify_answer *answer = context;
    for (uint32_t i = 0; i < verdicts->count; i++) {
        const struct verdict *verdict = verdicts->items[i];
        const struct field_set lacking = verdict_lacking(verdict, answer->fields);
        answer->ranges++;
        answer->differing += !field_set_is_empty(&verdict->differing);
        if (!answer->has_oldest || verdict->clock_us < answer->oldest_clock_us)
            answer->oldest_clock_us = verdict->clock_us;
        answer->has_oldest = true;
        note_lacking(answer, verdict, &lacking);
        if (answer_lists(&answer->request, verdict))
            write_range(answer, verdict);
    }
}

static void
answer_take_proof(void *context, const struct proof *proof)
{
    struct verify_answer *answer = context;
    if (proof->freshness.clock_us > answer->freshness.clock_us)
        answer->freshness = proof->freshness;
}

static void
answer_partition(struct verify_answer *answer, int32_t partition, struct shard *shard)
{
    struct shard_status status;
    struct json_writer *json = answer->json;
    shard_read_status(shard, &status);
    answer->status = &status;
    shard_read_proof(shard, answer_take_proof, answer);
    json_object_begin(json);
    write_number(json, "partition", partition);
    json_key(json, "state");
    json_string(json, shard_state_name(status.state));
    write_number(json, "epoch", status.sequence.epoch);
    write_number(json, "tick", status.sequence.watermark.tick);
    json_key(json, "ranges");
    json_array_begin(json);
    if (status.state != SHARD_RECOVERING) /* the fields may be those of the log until then */
        shard_read_verdicts(shard, answer_read, answer);
    json_array_end(json);
    json_object_end(json);
    answer->status = NULL;
}

static void
answer_partitions(struct api_context *api, struct verify_answer *answer)
{
    json_key(answer->json, "partitions");
    json_array_begin(answer->json);
    assignment_enter(api->assignment);
    for (int32_t i = 0; i < api->config->topic.partitions; i++) {
        struct worker *worker = assignment_worker(api->assignment, i);
        if (worker != NULL)
            answer_partition(answer, i, worker_shard(worker));
    }
    assignment_leave(api->assignment);
    json_array_end(answer->json);
}

static void
answer_oldest(const struct verify_answer *answer)
{
    bool is_known = answer->has_oldest && answer->oldest_clock_us > 0;
    json_key(answer->json, "oldest_s");
    if (is_known)
        json_float(answer->json,
                   (double)verified_age_of_us(&answer->freshness, answer->oldest_clock_us) /
                       US_PER_S);
    else
        json_null(answer->json);
}

void
api_answer_verify(struct api_call *call)
{
    const struct config *config = call->api->config;
    struct verify_answer *answer = memory_zalloc(sizeof *answer);
    struct json_writer json;
    answer->fields = &call->api->fields;
    answer->json = &json;
    arena_init(&answer->arena);
    if (request_parse(call->request->query, &answer->request)) {
        json_writer_init(&json, &call->response->body);
        json_object_begin(&json);
        json_key(&json, "index");
        json_string(&json, config->index);
        json_key(&json, "group");
        json_string(&json, config->consumer.group);
        json_key(&json, "member");
        json_string(&json, config->consumer.advertise != NULL ? config->consumer.advertise
                                                              : config->consumer.listen);
        answer_partitions(call->api, answer);
        write_lacking(answer);
        field_status_write_exempt(config, &json);
        write_number(&json, "ranges", answer->ranges);
        write_number(&json, "differing", answer->differing);
        answer_oldest(answer);
        json_object_end(&json);
    } else {
        http_respond_error(call->response, 400, "`job` is the number of a job");
    }
    arena_free(&answer->arena);
    free(answer);
}
