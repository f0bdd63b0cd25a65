#include "common/event/event_form.h"

#include <stdbool.h>

#include "common/base/check.h"

#define COUNT(fields) ((uint32_t)(sizeof(fields) / sizeof((fields)[0])))
#define FIELD(type, name, kind, member)                \
    {                                                  \
        name, kind, offsetof(type, member), 0, 0, NULL \
    }
#define ARRAY(type, name, kind, member, count)                             \
    {                                                                      \
        name, kind, offsetof(type, member), offsetof(type, count), 0, NULL \
    }
#define OPTIONAL_ARRAY(type, name, kind, member, count, flag)                                 \
    {                                                                                         \
        name, kind, offsetof(type, member), offsetof(type, count), offsetof(type, flag), NULL \
    }
#define RECORDS(type, name, member, count, items)                                   \
    {                                                                               \
        name, FORM_RECORDS, offsetof(type, member), offsetof(type, count), 0, items \
    }
#define FORM(id, fields, type)                                 \
    {                                                          \
        id, COUNT(fields), COUNT(fields), fields, sizeof(type) \
    }

static const struct form_field mark_fields[] = {
    FIELD(struct mark, "kind", FORM_ENUM, kind),
    FIELD(struct mark, "topic_id", FORM_TEXT, topic_id),
    FIELD(struct mark, "partitions", FORM_INT, partitions),
    FIELD(struct mark, "digest", FORM_LONG, digest),
    FIELD(struct mark, "last_row_id", FORM_LONG, last_row_id),
    FIELD(struct mark, "max_row_id", FORM_LONG, max_row_id),
    FIELD(struct mark, "backlog_rows", FORM_LONG, backlog_rows),
    FIELD(struct mark, "clock", FORM_LONG, clock_us),
    FIELD(struct mark, "snapshot", FORM_TEXT, snapshot),
    FIELD(struct mark, "source_empty", FORM_BOOLEAN, source_empty),
    {"content_digest", FORM_OPTIONAL_LONG, offsetof(struct mark, content_digest), 0,
     offsetof(struct mark, has_content), NULL},
    FIELD(struct mark, "start_name", FORM_TEXT, start_name),
    ARRAY(struct mark, "fields", FORM_TEXTS, fields, field_count),
    FIELD(struct mark, "owed", FORM_LONG, owed),
    FIELD(struct mark, "voided", FORM_LONG, voided),
};
enum { MARK_FIELDS_1 = 10 }; /* in version 1 */

static const struct form_field column_fields[] = {
    FIELD(struct form_column, "field", FORM_TEXT, field),
    FIELD(struct form_column, "kind", FORM_ENUM, kind),
    ARRAY(struct form_column, "slots", FORM_SLOTS, slots, slot_count),
    ARRAY(struct form_column, "integers", FORM_LONGS, integers, integer_count),
    ARRAY(struct form_column, "floats", FORM_DOUBLES, floats, float_count),
    ARRAY(struct form_column, "strings", FORM_TEXTS, strings, string_count),
};
static const struct form column_form = FORM(FORM_ID_COLUMN, column_fields, struct form_column);

static const struct form_field chunk_fields[] = {
    FIELD(struct form_chunk, "purpose", FORM_ENUM, chunk.purpose),
    FIELD(struct form_chunk, "job", FORM_LONG, chunk.job),
    FIELD(struct form_chunk, "begin", FORM_LONG, chunk.begin),
    FIELD(struct form_chunk, "end", FORM_LONG, chunk.end),
    OPTIONAL_ARRAY(struct form_chunk, "slots", FORM_OPTIONAL_SLOTS, chunk.slots, chunk.slot_count,
                   chunk.has_slots),
    ARRAY(struct form_chunk, "fields", FORM_TEXTS, chunk.fields, chunk.field_count),
    OPTIONAL_ARRAY(struct form_chunk, "alive", FORM_OPTIONAL_SLOTS, chunk.alive, chunk.alive_count,
                   chunk.states_alive),
    RECORDS(struct form_chunk, "columns", columns, column_count, &column_form),
    FIELD(struct form_chunk, "rejected", FORM_TEXT, chunk.rejected),
    ARRAY(struct form_chunk, "answers", FORM_LONGS, chunk.answers, chunk.answer_count),
};

static const struct form_field pass_fields[] = {
    FIELD(struct pass, "job", FORM_LONG, job),
    FIELD(struct pass, "entry", FORM_TEXT, entry),
    FIELD(struct pass, "part", FORM_INT, part),
    FIELD(struct pass, "is_last", FORM_BOOLEAN, is_last),
    ARRAY(struct pass, "fields", FORM_TEXTS, fields, field_count),
    ARRAY(struct pass, "reads", FORM_TEXTS, reads, read_count),
    FIELD(struct pass, "fan_outs", FORM_FAN_OUTS, fan_outs),
};

static const struct form_field sum_field_fields[] = {
    FIELD(struct sum_field, "field", FORM_TEXT, field),
    FIELD(struct sum_field, "count", FORM_LONG, count),
    FIELD(struct sum_field, "high", FORM_LONG, high),
    FIELD(struct sum_field, "low", FORM_LONG, low),
};
static const struct form sum_field_form =
    FORM(FORM_ID_SUM_FIELD, sum_field_fields, struct sum_field);

static const struct form_field sum_fields[] = {
    FIELD(struct sum, "job", FORM_LONG, job),
    FIELD(struct sum, "begin", FORM_LONG, begin),
    FIELD(struct sum, "end", FORM_LONG, end),
    FIELD(struct sum, "has_point", FORM_BOOLEAN, has_point),
    RECORDS(struct sum, "fields", fields, field_count, &sum_field_form),
};

static const struct form_field sum_point_fields[] = {
    FIELD(struct sum_point, "job", FORM_LONG, job),
    FIELD(struct sum_point, "begin", FORM_LONG, begin),
    FIELD(struct sum_point, "end", FORM_LONG, end),
    ARRAY(struct sum_point, "fields", FORM_TEXTS, fields, field_count),
};

static const struct form_field job_dump_fields[] = {
    FIELD(struct job_dump, "name", FORM_TEXT, name),
    FIELD(struct job_dump, "table", FORM_TEXT, table),
    FIELD(struct job_dump, "rows", FORM_LONG, rows),
    FIELD(struct job_dump, "ops_written", FORM_LONG, ops_written),
    FIELD(struct job_dump, "failed", FORM_TEXT, failed),
};
static const struct form job_dump_form = FORM(FORM_ID_JOB_DUMP, job_dump_fields, struct job_dump);

static const struct form_field job_fields[] = {
    FIELD(struct job_mark, "kind", FORM_ENUM, kind),
    FIELD(struct job_mark, "job", FORM_LONG, job),
    FIELD(struct job_mark, "begin", FORM_LONG, begin),
    FIELD(struct job_mark, "end", FORM_LONG, end),
    FIELD(struct job_mark, "states_alive", FORM_BOOLEAN, states_alive),
    ARRAY(struct job_mark, "fields", FORM_TEXTS, fields, field_count),
    RECORDS(struct job_mark, "dumps", dumps, dump_count, &job_dump_form),
};

static const struct form_field voided_fields[] = {
    FIELD(struct voided, "number", FORM_LONG, number),
    FIELD(struct voided, "all", FORM_BOOLEAN, all),
    ARRAY(struct voided, "fields", FORM_TEXTS, fields, field_count),
    FIELD(struct voided, "reason", FORM_TEXT, reason),
};

/* By event_kind. */
static const struct form forms[EVENT_KINDS] = {
    [EVENT_MARK] = {FORM_ID_MARK, COUNT(mark_fields), MARK_FIELDS_1, mark_fields,
                    sizeof(struct mark)},
    [EVENT_CHUNK] = FORM(FORM_ID_CHUNK, chunk_fields, struct form_chunk),
    [EVENT_PASS] = FORM(FORM_ID_PASS, pass_fields, struct pass),
    [EVENT_SUM] = FORM(FORM_ID_SUM, sum_fields, struct sum),
    [EVENT_SUM_POINT] = FORM(FORM_ID_SUM_POINT, sum_point_fields, struct sum_point),
    [EVENT_JOB] = FORM(FORM_ID_JOB, job_fields, struct job_mark),
    [EVENT_VOIDED] = FORM(FORM_ID_VOIDED, voided_fields, struct voided),
};

const struct form *
form_of_kind(enum event_kind kind)
{
    CHECK(kind < EVENT_KINDS);
    return forms[kind].fields != NULL ? &forms[kind] : NULL;
}
