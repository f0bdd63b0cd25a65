#include "tests/unit/event_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

int
event_fixture_setup(void **state)
{
    struct event_fixture *fixture = memory_zalloc(sizeof *fixture);
    arena_init(&fixture->arena);
    buffer_init(&fixture->bytes);
    *state = fixture;
    return event_codec_create(&fixture->codec, &fixture->err);
}

int
event_fixture_teardown(void **state)
{
    struct event_fixture *fixture = *state;
    event_codec_destroy(fixture->codec);
    arena_free(&fixture->arena);
    buffer_free(&fixture->bytes);
    free(fixture);
    return 0;
}

/* --- comparing --- */

static bool
values_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_INTEGER:
        return a->integer == b->integer;
    case VALUE_FLOAT:
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case VALUE_BOOLEAN:
        return a->boolean == b->boolean;
    case VALUE_STRING:
        return text_equal(a->string, b->string);
    case VALUE_INTEGERS:
        return a->integers.count == b->integers.count &&
               (a->integers.count == 0 || memcmp(a->integers.items, b->integers.items,
                                                 a->integers.count * sizeof(int64_t)) == 0);
    case VALUE_STRINGS:
        if (a->strings.count != b->strings.count)
            return false;
        for (uint32_t i = 0; i < a->strings.count; i++)
            if (!text_equal(a->strings.items[i], b->strings.items[i]))
                return false;
        return true;
    }
    return false;
}

static bool
ops_equal(const struct op *a, uint32_t a_count, const struct op *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (a[i].kind != b[i].kind || !text_equal(a[i].field, b[i].field) ||
            !text_equal(a[i].query, b[i].query) || !values_equal(&a[i].value, &b[i].value) ||
            !ops_equal(a[i].nested, a[i].nested_count, b[i].nested, b[i].nested_count))
            return false;
    }
    return true;
}

static bool
texts_equal(const struct text *a, uint32_t a_count, const struct text *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++)
        if (!text_equal(a[i], b[i]))
            return false;
    return true;
}

static bool
bytes_equal(const void *a, const void *b, size_t bytes)
{
    return bytes == 0 || memcmp(a, b, bytes) == 0;
}

static bool
marks_equal(const struct mark *a, const struct mark *b)
{
    return a->kind == b->kind && text_equal(a->topic_id, b->topic_id) && a->digest == b->digest &&
           a->last_row_id == b->last_row_id && a->max_row_id == b->max_row_id &&
           a->backlog_rows == b->backlog_rows && a->clock_us == b->clock_us &&
           text_equal(a->snapshot, b->snapshot) && a->source_empty == b->source_empty &&
           a->partitions == b->partitions && a->has_content == b->has_content &&
           a->content_digest == b->content_digest && text_equal(a->start_name, b->start_name) &&
           texts_equal(a->fields, a->field_count, b->fields, b->field_count) &&
           a->owed == b->owed && a->voided == b->voided;
}

static bool
columns_equal(const struct chunk_column *a, const struct chunk_column *b)
{
    size_t count = a->count;
    if (!text_equal(a->field, b->field) || a->kind != b->kind || a->count != b->count ||
        !bytes_equal(a->slots, b->slots, count * sizeof *a->slots) ||
        !texts_equal(a->strings, a->string_count, b->strings, b->string_count))
        return false;
    if (a->kind == CHUNK_FLOATS)
        return bytes_equal(a->floats, b->floats, count * sizeof *a->floats);
    return bytes_equal(a->integers, b->integers, count * sizeof *a->integers);
}

static bool
chunks_equal(const struct chunk *a, const struct chunk *b)
{
    if (a->purpose != b->purpose || a->job != b->job || a->begin != b->begin || a->end != b->end ||
        a->has_slots != b->has_slots || a->slot_count != b->slot_count ||
        !bytes_equal(a->slots, b->slots, a->slot_count * sizeof *a->slots) ||
        !texts_equal(a->fields, a->field_count, b->fields, b->field_count) ||
        a->states_alive != b->states_alive || a->alive_count != b->alive_count ||
        !bytes_equal(a->alive, b->alive, a->alive_count * sizeof *a->alive) ||
        a->column_count != b->column_count || !text_equal(a->rejected, b->rejected) ||
        a->answer_count != b->answer_count ||
        !bytes_equal(a->answers, b->answers, a->answer_count * sizeof *a->answers))
        return false;
    for (uint32_t i = 0; i < a->column_count; i++)
        if (!columns_equal(&a->columns[i], &b->columns[i]))
            return false;
    return true;
}

static bool
passes_equal(const struct pass *a, const struct pass *b)
{
    return a->job == b->job && text_equal(a->entry, b->entry) && a->part == b->part &&
           a->is_last == b->is_last &&
           texts_equal(a->fields, a->field_count, b->fields, b->field_count) &&
           texts_equal(a->reads, a->read_count, b->reads, b->read_count) &&
           ops_equal(a->fan_outs.items, a->fan_outs.count, b->fan_outs.items, b->fan_outs.count);
}

static bool
sums_equal(const struct sum *a, const struct sum *b)
{
    if (a->job != b->job || a->begin != b->begin || a->end != b->end ||
        a->has_point != b->has_point || a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        const struct sum_field *x = &a->fields[i];
        const struct sum_field *y = &b->fields[i];
        if (!text_equal(x->field, y->field) || x->count != y->count || x->high != y->high ||
            x->low != y->low)
            return false;
    }
    return true;
}

static bool
jobs_equal(const struct job_mark *a, const struct job_mark *b)
{
    if (a->kind != b->kind || a->job != b->job || a->begin != b->begin || a->end != b->end ||
        a->states_alive != b->states_alive || a->dump_count != b->dump_count ||
        !texts_equal(a->fields, a->field_count, b->fields, b->field_count))
        return false;
    for (uint32_t i = 0; i < a->dump_count; i++) {
        const struct job_dump *x = &a->dumps[i];
        const struct job_dump *y = &b->dumps[i];
        if (!text_equal(x->name, y->name) || !text_equal(x->table, y->table) ||
            x->rows != y->rows || x->ops_written != y->ops_written ||
            !text_equal(x->failed, y->failed))
            return false;
    }
    return true;
}

static bool
voided_equal(const struct voided *a, const struct voided *b)
{
    return a->number == b->number && a->all == b->all && text_equal(a->reason, b->reason) &&
           texts_equal(a->fields, a->field_count, b->fields, b->field_count);
}

static bool
contents_equal(const struct event *a, const struct event *b)
{
    switch (a->kind) {
    case EVENT_CHUNK:
        return chunks_equal(a->chunk, b->chunk);
    case EVENT_PASS:
        return passes_equal(a->pass, b->pass);
    case EVENT_SUM:
        return sums_equal(a->sum, b->sum);
    case EVENT_SUM_POINT:
        return a->sum_point->job == b->sum_point->job &&
               a->sum_point->begin == b->sum_point->begin &&
               a->sum_point->end == b->sum_point->end &&
               texts_equal(a->sum_point->fields, a->sum_point->field_count, b->sum_point->fields,
                           b->sum_point->field_count);
    case EVENT_JOB:
        return jobs_equal(a->job, b->job);
    case EVENT_VOIDED:
        return voided_equal(a->voided, b->voided);
    default:
        return ops_equal(a->ops.items, a->ops.count, b->ops.items, b->ops.count) &&
               text_equal(a->reason, b->reason) &&
               (a->kind != EVENT_MARK || marks_equal(&a->mark, &b->mark));
    }
}

bool
events_equal(const struct event *a, const struct event *b)
{
    return a->epoch == b->epoch && a->generation == b->generation && a->tick == b->tick &&
           a->seq == b->seq && text_equal(a->source, b->source) &&
           a->has_created_at == b->has_created_at && a->created_at_us == b->created_at_us &&
           a->kind == b->kind && a->txid == b->txid && a->row_id == b->row_id &&
           a->entity_id == b->entity_id && contents_equal(a, b);
}

/* --- golden bytes --- */

static int
hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

void
golden_bytes(const struct golden_event *golden, struct buffer *out)
{
    buffer_clear(out);
    for (const char *at = golden->hex; *at != '\0'; at += 2) {
        uint8_t byte = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
        buffer_append(out, &byte, 1);
    }
}

/* --- random events --- */

/* Numbers of every length on the wire. */
static int64_t
random_long(void)
{
    return (int64_t)random_next() >> random_below(64);
}

static int64_t
random_natural(int64_t least)
{
    int64_t number = (int64_t)(random_next() >> 1 >> random_below(63));
    return number < least ? least : number;
}

static struct text
random_text(struct arena *arena)
{
    static const char *const pieces[] = {
        "a", "tagIds", "\x01", "\xc3\xa9", "\xe5\x9b\xb3", "\xf0\x9f\x99\x82", "\\\"", "0123456789",
    };
    size_t count = random_below(10) == 0 ? random_below(200) : random_below(4);
    struct text text = {arena_alloc(arena, count * 16 + 1), 0};
    char *at = arena_alloc(arena, count * 16 + 1);
    text.data = at;
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
        memcpy(at + text.bytes, piece, strlen(piece));
        text.bytes += strlen(piece);
    }
    return text;
}

static struct value
random_value(enum op_kind op, struct arena *arena)
{
    struct value value = {0};
    value.kind = (enum value_kind)(op == OP_SET ? random_below(7) : 1 + random_below(6));
    uint32_t count = (uint32_t)(random_below(20) == 0 ? random_below(300) : random_below(5));
    int64_t *integers = arena_alloc(arena, count * sizeof *integers);
    struct text *strings = arena_alloc(arena, count * sizeof *strings);
    for (uint32_t i = 0; i < count; i++) {
        integers[i] = random_long();
        strings[i] = random_text(arena);
    }
    if (value.kind == VALUE_INTEGER)
        value.integer = random_long();
    else if (value.kind == VALUE_FLOAT)
        value.real = ldexp((double)random_long(), (int)random_below(200) - 100);
    else if (value.kind == VALUE_BOOLEAN)
        value.boolean = random_below(2) == 0;
    else if (value.kind == VALUE_STRING)
        value.string = random_text(arena);
    else if (value.kind == VALUE_INTEGERS)
        value.integers.items = integers, value.integers.count = count;
    else if (value.kind == VALUE_STRINGS)
        value.strings.items = strings, value.strings.count = count;
    return value;
}

static const struct text *
random_texts(uint32_t *count, struct arena *arena)
{
    *count = (uint32_t)random_below(4);
    struct text *texts = arena_alloc(arena, *count * sizeof *texts);
    for (uint32_t i = 0; i < *count; i++)
        texts[i] = random_text(arena);
    return texts;
}

/* A child's request, or fields, or everything. */
static struct op
random_refresh(struct arena *arena)
{
    struct op op = {.kind = OP_REFRESH};
    if (random_below(2) == 0) {
        op.field = random_text(arena);
    } else if (random_below(2) == 0) {
        op.value.kind = VALUE_STRINGS;
        op.value.strings.items = random_texts(&op.value.strings.count, arena);
    }
    return op;
}

static struct op *
random_ops(bool nested, uint32_t count, struct arena *arena)
{
    struct op *ops = arena_alloc(arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        enum op_kind kind = (enum op_kind)random_below(OP_REFRESH + 1);
        if (kind == OP_FAN_OUT || (nested && (kind == OP_ALIVE || kind == OP_REFRESH)))
            kind = OP_DELETE;
        ops[i] = (struct op){.kind = kind};
        if (kind == OP_REFRESH)
            ops[i] = random_refresh(arena);
        if (kind == OP_ALIVE || kind == OP_DELETE || kind == OP_REFRESH)
            continue;
        ops[i].field = random_text(arena);
        ops[i].value = random_value(kind, arena);
    }
    return ops;
}

static struct op *
random_fan_outs(uint32_t count, struct arena *arena)
{
    struct op *ops = arena_alloc(arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        ops[i] = (struct op){.kind = OP_FAN_OUT, .query = random_text(arena)};
        ops[i].nested_count = (uint32_t)random_below(6);
        ops[i].nested = random_ops(true, ops[i].nested_count, arena);
    }
    return ops;
}

static const uint32_t *
random_slots(uint32_t least, uint32_t count, struct arena *arena)
{
    uint32_t *slots = arena_alloc(arena, count * sizeof *slots);
    uint32_t slot = 0;
    uint32_t step = 2 + (uint32_t)(UINT32_MAX / 800 >> random_below(20));
    for (uint32_t i = 0; i < count; i++) {
        slot += i == 0 ? (uint32_t)random_below(3) : least + (uint32_t)random_below(step);
        slots[i] = slot;
    }
    return slots;
}

static struct chunk_column
random_column(struct text field, enum chunk_values kind, struct arena *arena)
{
    struct chunk_column column = {.field = field, .kind = kind};
    column.count = (uint32_t)random_below(random_below(10) == 0 ? 700 : 8);
    column.slots = random_slots(0, column.count, arena);
    int64_t *integers = arena_alloc(arena, column.count * sizeof *integers);
    double *floats = arena_alloc(arena, column.count * sizeof *floats);
    if (kind == CHUNK_STRINGS)
        column.strings = random_texts(&column.string_count, arena);
    if (kind == CHUNK_STRINGS && column.string_count == 0)
        column.count = 0;
    for (uint32_t i = 0; i < column.count; i++) {
        integers[i] = random_long();
        if (kind == CHUNK_BOOLEANS)
            integers[i] = (int64_t)random_below(2);
        else if (kind == CHUNK_STRINGS)
            integers[i] = (int64_t)random_below(column.string_count);
        floats[i] = ldexp((double)random_long(), (int)random_below(200) - 100);
    }
    column.integers = kind == CHUNK_FLOATS ? NULL : integers;
    column.floats = kind == CHUNK_FLOATS ? floats : NULL;
    return column;
}

/* Fields with other names than each other. */
static void
random_chunk_fields(struct chunk *chunk, struct arena *arena)
{
    static const struct text names[] = {{"url", 3}, {"", 0}, {"a b", 3}, {"tagIds", 6}};
    chunk->field_count = (uint32_t)random_below(COUNT_OF(names) + 1);
    struct text *fields = arena_alloc(arena, sizeof names);
    memcpy(fields, names, sizeof names);
    chunk->fields = fields;
    struct chunk_column *columns = arena_alloc(arena, 4 * COUNT_OF(names) * sizeof *columns);
    chunk->columns = columns;
    for (uint32_t i = 0; i < chunk->field_count; i++)
        for (enum chunk_values kind = 0; kind <= CHUNK_STRINGS; kind++)
            if (random_below(3) == 0)
                columns[chunk->column_count++] = random_column(names[i], kind, arena);
}

static struct chunk *
random_chunk(struct arena *arena)
{
    struct chunk *chunk = arena_alloc(arena, sizeof *chunk);
    *chunk = (struct chunk){.purpose = (enum chunk_purpose)random_below(3),
                            .job = random_natural(0),
                            .begin = random_natural(0) / 2};
    chunk->end = chunk->begin + random_natural(1) / 2 + 1;
    chunk->answer_count = (uint32_t)random_below(4);
    int64_t *answers = arena_alloc(arena, chunk->answer_count * sizeof *answers);
    for (uint32_t i = 0; i < chunk->answer_count; i++)
        answers[i] = random_long();
    chunk->answers = answers;
    chunk->states_alive = random_below(2) == 0;
    if (random_below(5) == 0) {
        chunk->rejected = TEXT("too large");
        return chunk;
    }
    random_chunk_fields(chunk, arena);
    chunk->alive_count = chunk->states_alive ? (uint32_t)random_below(600) : 0;
    chunk->alive = random_slots(1, chunk->alive_count, arena);
    chunk->has_slots = chunk->column_count == 0 && random_below(2) == 0;
    if (chunk->has_slots) {
        chunk->slots = chunk->alive;
        chunk->slot_count = chunk->alive_count;
    }
    return chunk;
}

static struct pass *
random_pass(struct arena *arena)
{
    struct pass *pass = arena_alloc(arena, sizeof *pass);
    *pass = (struct pass){.job = random_natural(0),
                          .entry = random_text(arena),
                          .part = (int32_t)random_below(INT32_MAX),
                          .is_last = random_below(2) == 0};
    pass->fields = random_texts(&pass->field_count, arena);
    pass->reads = random_texts(&pass->read_count, arena);
    pass->fan_outs.count = (uint32_t)random_below(5);
    pass->fan_outs.items = random_fan_outs(pass->fan_outs.count, arena);
    return pass;
}

static struct sum *
random_sum(struct arena *arena)
{
    struct sum *sum = arena_alloc(arena, sizeof *sum);
    *sum = (struct sum){.job = random_natural(0), .has_point = random_below(2) == 0};
    sum->begin = random_natural(0) / 2;
    sum->end = INT64_MAX;
    sum->field_count = (uint32_t)random_below(4);
    struct sum_field *fields = arena_alloc(arena, sum->field_count * sizeof *fields);
    for (uint32_t i = 0; i < sum->field_count; i++)
        fields[i] =
            (struct sum_field){random_text(arena), random_long(), random_long(), random_next()};
    sum->fields = fields;
    return sum;
}

static struct sum_point *
random_sum_point(struct arena *arena)
{
    struct sum_point *point = arena_alloc(arena, sizeof *point);
    *point = (struct sum_point){.job = random_natural(0), .begin = 0, .end = random_natural(1)};
    point->fields = random_texts(&point->field_count, arena);
    return point;
}

static struct job_mark *
random_job(struct arena *arena)
{
    struct job_mark *job = arena_alloc(arena, sizeof *job);
    *job = (struct job_mark){.kind = (enum job_mark_kind)random_below(2),
                             .job = random_natural(0),
                             .end = random_natural(1),
                             .states_alive = random_below(2) == 0};
    job->fields = random_texts(&job->field_count, arena);
    job->dump_count = (uint32_t)random_below(4);
    struct job_dump *dumps = arena_alloc(arena, job->dump_count * sizeof *dumps);
    for (uint32_t i = 0; i < job->dump_count; i++)
        dumps[i] = (struct job_dump){random_text(arena), random_text(arena), random_natural(0),
                                     random_natural(0), random_text(arena)};
    job->dumps = dumps;
    return job;
}

static struct voided *
random_voided(struct arena *arena)
{
    struct voided *voided = arena_alloc(arena, sizeof *voided);
    *voided = (struct voided){
        .number = random_natural(1), .all = random_below(2) == 0, .reason = random_text(arena)};
    voided->fields = random_texts(&voided->field_count, arena);
    return voided;
}

static struct mark
random_mark(struct arena *arena)
{
    struct mark mark = {
        .kind = (enum mark_kind)random_below(2),
        .topic_id = random_text(arena),
        .digest = random_next(),
        .last_row_id = random_long(),
        .max_row_id = random_long(),
        .backlog_rows = random_long(),
        .clock_us = random_long(),
        .snapshot = random_text(arena),
        .source_empty = random_below(2) == 0,
        .partitions = (int32_t)(1 + random_below(INT32_MAX)),
        .has_content = random_below(2) == 0,
        .start_name = random_text(arena),
        .owed = random_natural(0),
        .voided = random_natural(0),
    };
    mark.content_digest = mark.has_content ? random_next() : 0;
    mark.fields = random_texts(&mark.field_count, arena);
    return mark;
}

static struct ops
random_requests(struct arena *arena)
{
    uint32_t count = (uint32_t)random_below(5);
    struct op *ops = arena_alloc(arena, count * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        ops[i] = (struct op){.kind = OP_REFRESH, .field = random_text(arena)};
        if (ops[i].field.bytes == 0)
            ops[i].field = TEXT("Post");
        ops[i].value = (struct value){.kind = VALUE_BOOLEAN, .boolean = true};
        if (random_below(3) == 0)
            ops[i].value = (struct value){.kind = VALUE_INTEGER, .integer = random_long()};
        else if (random_below(2) == 0)
            ops[i].value = (struct value){.kind = VALUE_STRING, .string = random_text(arena)};
    }
    return (struct ops){ops, count};
}

static void
random_numbered(struct event *event, struct arena *arena)
{
    uint32_t count = (uint32_t)random_below(8);
    event->txid = random_next() >> random_below(64);
    event->row_id = random_long();
    event->entity_id = random_long();
    if (event->kind == EVENT_ROW)
        event->ops = (struct ops){random_ops(false, count, arena), count};
    else if (event->kind == EVENT_FAN_OUT)
        event->ops = (struct ops){random_fan_outs(count, arena), count};
    else if (event->kind == EVENT_PARENT_REFRESH)
        event->ops = random_requests(arena);
    else
        event->reason = random_text(arena);
}

struct event
random_event_of(enum event_kind kind, struct arena *arena)
{
    struct event event = {
        .epoch = random_natural(1),
        .generation = random_natural(1),
        .tick = random_natural(0),
        .seq = random_natural(0),
        .source = random_text(arena),
        .has_created_at = random_below(2) == 0,
        .kind = kind,
    };
    event.created_at_us = event.has_created_at ? random_long() : 0;
    if (event_kind_is_numbered(kind))
        random_numbered(&event, arena);
    else if (kind == EVENT_MARK)
        event.mark = random_mark(arena);
    else if (kind == EVENT_CHUNK)
        event.chunk = random_chunk(arena);
    else if (kind == EVENT_PASS)
        event.pass = random_pass(arena);
    else if (kind == EVENT_SUM)
        event.sum = random_sum(arena);
    else if (kind == EVENT_SUM_POINT)
        event.sum_point = random_sum_point(arena);
    else if (kind == EVENT_JOB)
        event.job = random_job(arena);
    else
        event.voided = random_voided(arena);
    return event;
}

struct event
random_event(struct arena *arena)
{
    return random_event_of((enum event_kind)random_below(EVENT_KINDS), arena);
}

/* --- damage --- */

int
decode_exactly(struct event_fixture *fixture, const uint8_t *bytes, size_t size,
               struct event *event)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    int rc = event_decode(fixture->codec, copy, size, &fixture->arena, event, &fixture->err);
    free(copy);
    return rc;
}

void
check_damaged(struct event_fixture *fixture, const struct buffer *damaged)
{
    struct event event;
    struct event again;
    struct buffer rewritten;
    arena_reset(&fixture->arena);
    int rc = decode_exactly(fixture, damaged->data, damaged->bytes, &event);
    assert_true(rc == 0 || rc == ERR_DATA || rc == ERR_RETRY);
    if (rc != 0)
        return;
    buffer_init(&rewritten);
    assert_int_equal(event_encode(fixture->codec, &event, &rewritten, &fixture->err), 0);
    assert_int_equal(decode_exactly(fixture, rewritten.data, rewritten.bytes, &again), 0);
    assert_true(events_equal(&event, &again));
    buffer_free(&rewritten);
}

void
check_golden_cut(struct event_fixture *fixture, const struct golden_event *golden, size_t count)
{
    struct event event;
    for (size_t i = 0; i < count; i++) {
        golden_bytes(&golden[i], &fixture->bytes);
        for (size_t size = 0; size < fixture->bytes.bytes; size++) {
            assert_int_equal(decode_exactly(fixture, fixture->bytes.data, size, &event), ERR_DATA);
            assert_true(fixture->err.message[0] != '\0');
        }
        buffer_append(&fixture->bytes, "", 1);
        assert_int_equal(decode_exactly(fixture, fixture->bytes.data, fixture->bytes.bytes, &event),
                         ERR_DATA);
    }
}

static void
check_golden_bits(struct event_fixture *fixture, const struct golden_event *golden)
{
    golden_bytes(golden, &fixture->bytes);
    for (size_t bit = 0; bit < fixture->bytes.bytes * 8; bit++) {
        fixture->bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        check_damaged(fixture, &fixture->bytes);
        fixture->bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

void
check_golden_damage(struct event_fixture *fixture, const struct golden_event *golden, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_golden_bits(fixture, &golden[i]);
    random_seed();
    for (int round = 0; round < 20000; round++) {
        golden_bytes(&golden[random_below(count)], &fixture->bytes);
        uint64_t changes = 1 + random_below(8);
        for (uint64_t i = 0; i < changes; i++) {
            size_t at =
                EVENT_HEADER_BYTES + random_below(fixture->bytes.bytes - EVENT_HEADER_BYTES);
            fixture->bytes.data[at] = (uint8_t)random_next();
        }
        check_damaged(fixture, &fixture->bytes);
    }
}
