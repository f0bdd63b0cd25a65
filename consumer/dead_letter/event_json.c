#include "consumer/dead_letter/event_json.h"

#include "common/base/check.h"

static void
json_number(struct json_writer *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_integer(json, number);
}

/* The range of a chunk, a sum or a job. */
static void
json_range(struct json_writer *json, int64_t job, int64_t begin, int64_t end)
{
    CHECK(begin <= end);
    json_number(json, "job", job);
    json_number(json, "begin", begin);
    json_key(json, "end");
    if (end == CHUNK_NO_END)
        json_null(json);
    else
        json_integer(json, end);
}

static void
json_chunk(struct json_writer *json, const struct chunk *chunk)
{
    static const char *const purposes[] = {"load", "refresh", "check"};
    int64_t values = 0;
    CHECK(chunk->purpose <= CHUNK_CHECK);
    for (uint32_t i = 0; i < chunk->column_count; i++)
        values += chunk->columns[i].count;
    json_key(json, "purpose");
    json_string(json, purposes[chunk->purpose]);
    json_range(json, chunk->job, chunk->begin, chunk->end);
    json_number(json, "fields", chunk->field_count);
    json_number(json, "values", values);
    json_number(json, "alive", chunk->alive_count);
    json_number(json, "answers", chunk->answer_count);
}

static void
json_pass(struct json_writer *json, const struct pass *pass)
{
    json_number(json, "job", pass->job);
    json_number(json, "part", pass->part);
    json_key(json, "last");
    json_boolean(json, pass->is_last);
    json_number(json, "fields", pass->field_count);
    json_number(json, "fan_outs", pass->fan_outs.count);
}

/* What the event is about, in numbers. Its texts may be too long for a dead letter. */
static void
json_content(struct json_writer *json, const struct event *event)
{
    switch (event->kind) {
    case EVENT_CHUNK:
        json_chunk(json, event->chunk);
        break;
    case EVENT_PASS:
        json_pass(json, event->pass);
        break;
    case EVENT_SUM:
        json_range(json, event->sum->job, event->sum->begin, event->sum->end);
        break;
    case EVENT_SUM_POINT:
        json_range(json, event->sum_point->job, event->sum_point->begin, event->sum_point->end);
        break;
    case EVENT_JOB:
        json_range(json, event->job->job, event->job->begin, event->job->end);
        break;
    case EVENT_VOIDED:
        json_number(json, "number", event->voided->number);
        break;
    default:
        CHECK(event_kind_is_numbered(event->kind) || event->kind == EVENT_MARK);
        json_number(json, "row_id", event->row_id);
        json_number(json, "entity_id", event->entity_id);
    }
}

void
event_json_write(const struct event *event, struct json_writer *json)
{
    json_key(json, "source");
    json_text(json, event->source);
    json_number(json, "epoch", event->epoch);
    json_number(json, "generation", event->generation);
    json_number(json, "tick", event->tick);
    json_number(json, "seq", event->seq);
    json_content(json, event);
}
