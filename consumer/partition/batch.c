/* Happy path: decode, judge, check, append the message's own bytes to the payload; at the end leave
 * out the ops that compaction drops.
 *
 * Failure: an unknown schema stops before the message (ERR_RETRY). Bytes that are not an event, and
 * a chunk of slots that are not in its range, become a dead letter and move the offset; the next
 * seq, or fields that are not covered, then show what is missing. Any other problem with an event
 * costs the event, the op or the value, which becomes a dead letter (event_check.h); the event
 * still takes its seq.
 */
#include "consumer/partition/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"
#include "common/files/crc32c.h"
#include "consumer/partition/comparison.h"
#include "consumer/partition/event_check.h"
#include "consumer/partition/incomplete.h"

enum { LENGTH_BYTES = 4, APPLY_AHEAD = 8 };

/* A field of `triggers` that no trigger in place writes is missing, and not posted (F99). */
static void
batch_find_triggered(struct batch *batch)
{
    const struct config *config = batch->context.config;
    struct config_fields *fields = &batch->fields;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const char *field;
        for (uint32_t j = 0; (field = config_entry_field(config, i, j)) != NULL; j++) {
            const struct text name = text_of(field);
            config_fields_add(fields, &name, 1, &fields->triggered);
        }
    }
    field_set_remove_all(&fields->triggered, &fields->computed);
}

void
batch_init(struct batch *batch, const struct batch_context *context)
{
    CHECK(context->engine != NULL);
    CHECK(context->codec != NULL);
    CHECK(context->partition >= 0);
    CHECK(context->partition < context->config->topic.partitions);
    *batch = (struct batch){.context = *context, .first_offset = -1, .next_offset = -1};
    config_fields_init(&batch->fields, &context->config->index_config);
    batch_find_triggered(batch);
    batch->compact = compact_create(&context->config->index_config);
    arena_init(&batch->arena);
    buffer_init(&batch->payload);
    buffer_init(&batch->received);
    unanswered_changes_init(&batch->changes);
    proof_init(&batch->proof);
}

void
batch_free(struct batch *batch)
{
    if (batch->compact == NULL)
        return; /* zeroed: what comes before batch_init() has failed */
    compact_destroy(batch->compact);
    config_fields_free(&batch->fields);
    arena_free(&batch->arena);
    buffer_free(&batch->payload);
    buffer_free(&batch->received);
    unanswered_changes_free(&batch->changes);
    proof_free(&batch->proof);
    dead_letter_list_free(&batch->dead_letters);
    free(batch->jobs);
    free(batch->events);
}

void
batch_begin(struct batch *batch, const struct sequence *sequence, const struct unanswered *record)
{
    CHECK(sequence_is_consistent(sequence));
    CHECK(sequence->unanswered == (record != NULL ? unanswered_count(record) : 0));
    unanswered_changes_begin(&batch->changes, record);
    arena_reset(&batch->arena);
    buffer_clear(&batch->payload);
    dead_letter_list_clear(&batch->dead_letters);
    batch->event_count = 0;
    batch->job_count = 0;
    batch->counts = (struct batch_counts){0};
    batch->sequence = *sequence;
    proof_clear(&batch->proof);
    batch->proof_changed = false;
    batch->is_at_proof = false;
    batch->first_offset = -1;
    batch->next_offset = -1;
    batch->compares = false;
    batch->is_closed = false;
}

void
batch_set_proof(struct batch *batch, const struct proof *proof)
{
    CHECK(batch->counts.records == 0);
    CHECK(proof->epoch == 0 || proof->epoch == batch->sequence.epoch);
    proof_copy(&batch->proof, proof);
}

static void
batch_add_dead_letter(struct batch *batch, const struct kafka_record *record,
                      struct dead_letter letter)
{
    CHECK(letter.reason != NULL);
    CHECK(letter.op_count == 0 || (letter.ops != NULL && letter.reasons != NULL));
    letter.group = batch->context.config->consumer.group;
    letter.topic = batch->context.config->topic.name;
    letter.partition = batch->context.partition;
    letter.offset = record->offset;
    letter.value = (struct text){record->value, record->value_bytes};
    dead_letter_list_add(&batch->dead_letters, &letter);
}

/* Has this partition a slot for the entity? Ids are routed as unsigned numbers, so a negative one
 * has no slot. */
static int
batch_check_entity(const struct batch_context *context, int64_t entity_id, struct error *err)
{
    const struct config_topic *topic = &context->config->topic;
    if (entity_id < 0 || entity_id / topic->partitions >= topic->max_slots)
        return error_set(err, ERR_DATA, "entity %lld is beyond topic.max_slots",
                         (long long)entity_id);
    if (entity_id % topic->partitions != context->partition)
        return error_set(err, ERR_DATA, "entity %lld does not belong to partition %d of %d",
                         (long long)entity_id, context->partition, topic->partitions);
    return 0;
}

static void
batch_put_length(uint8_t *at, size_t length)
{
    CHECK(length > 0);
    CHECK(length <= 2 * (size_t)BATCH_EVENT_BYTES_MAX);
    for (int i = 0; i < LENGTH_BYTES; i++)
        at[i] = (uint8_t)(length >> 8 * i);
}

static size_t
batch_get_length(const uint8_t *at)
{
    size_t length = 0;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (size_t)at[i] << 8 * i;
    return length;
}

static void
batch_append_received(struct batch *batch, const struct kafka_record *record)
{
    uint8_t length[LENGTH_BYTES];
    CHECK(record->value_bytes <= BATCH_EVENT_BYTES_MAX);
    batch_put_length(length, record->value_bytes);
    buffer_append(&batch->payload, length, sizeof length);
    buffer_append(&batch->payload, record->value, record->value_bytes);
}

static void
batch_append_encoded(struct batch *batch, const struct event *event)
{
    struct buffer *payload = &batch->payload;
    size_t begin = payload->bytes;
    buffer_append(payload, (const uint8_t[LENGTH_BYTES]){0}, LENGTH_BYTES);
    /* It was just decoded, and has fewer ops now. */
    CHECK(event_encode(batch->context.codec, event, payload, NULL) == 0);
    CHECK(payload->bytes > begin + LENGTH_BYTES);
    batch_put_length(payload->data + begin, payload->bytes - begin - LENGTH_BYTES);
}

static struct record_rule
batch_record_rule(const struct batch *batch)
{
    return (struct record_rule){batch->context.config, &batch->fields, batch->context.partition};
}

/* Is there something to apply or to compare? Without ops, rows and fan-outs have no effect. */
static bool
event_has_effect(const struct event *event)
{
    CHECK(event->kind == EVENT_CHUNK || event->kind == EVENT_PASS || event->kind == EVENT_ROW ||
          event->kind == EVENT_FAN_OUT || event->kind == EVENT_SUM);
    if (event->kind == EVENT_SUM)
        return true;
    if (event->kind == EVENT_PASS)
        return event->pass->part == 0 || event->pass->fan_outs.count > 0;
    if (event->kind == EVENT_CHUNK) /* an answer may only name the requests */
        return event->chunk->field_count > 0 || event->chunk->states_alive;
    return event->ops.count > 0;
}

/* Between two of these, rows and fan-outs are compacted. */
static bool
event_is_barrier(const struct event *event)
{
    return event->kind == EVENT_CHUNK || event->kind == EVENT_PASS || event->kind == EVENT_SUM;
}

/* The number of values that a chunk has, and of entities that are alive. */
static uint64_t
chunk_values(const struct chunk *chunk)
{
    uint64_t values = chunk->alive_count;
    for (uint32_t i = 0; i < chunk->column_count; i++)
        values += chunk->columns[i].count;
    return values;
}

/* Where the next event is decoded. It becomes one of the batch by batch_keep_event(). */
static struct event *
batch_next_event(struct batch *batch)
{
    if (batch->event_count == batch->event_capacity) {
        batch->event_capacity = batch->event_capacity == 0 ? 256 : 2 * batch->event_capacity;
        batch->events =
            memory_realloc(batch->events, batch->event_capacity * sizeof *batch->events);
    }
    CHECK(batch->event_count < batch->event_capacity);
    return &batch->events[batch->event_count];
}

static void
batch_keep_event(struct batch *batch, const struct event *event)
{
    CHECK(event == &batch->events[batch->event_count]);
    CHECK(event_has_effect(event));
    batch->event_count++;
    batch->counts.events++;
    if (event->kind == EVENT_CHUNK)
        batch->counts.ops += chunk_values(event->chunk);
    else
        batch->counts.ops +=
            event->kind == EVENT_PASS ? event->pass->fan_outs.count : event->ops.count;
}

/* Leaves out the requests of a row, which change nothing. Returns whether it had any. */
static bool
batch_leave_out_requests(struct batch *batch, struct event *event)
{
    uint32_t all = event->ops.count, kept_count = 0;
    for (uint32_t i = 0; i < all; i++)
        kept_count += event->ops.items[i].kind != OP_REFRESH;
    if (kept_count == all)
        return false;
    struct op *kept = arena_alloc(&batch->arena, all * sizeof *kept);
    kept_count = 0;
    for (uint32_t i = 0; i < all; i++)
        if (event->ops.items[i].kind != OP_REFRESH)
            kept[kept_count++] = event->ops.items[i];
    CHECK(kept_count < all);
    event->ops = (struct ops){kept, kept_count};
    return true;
}

/* An answer that could not be read gives its fields null, because what they have may be out of
 * date. What is not known of existence stays. Returns whether it is one. */
static bool
batch_empty_answer(struct event *event)
{
    struct chunk *chunk = event->chunk;
    if (event->kind != EVENT_CHUNK || chunk->rejected.bytes == 0)
        return false;
    CHECK(chunk->purpose == CHUNK_REFRESH);
    CHECK(chunk->column_count == 0);
    chunk->rejected = (struct text){NULL, 0};
    chunk->states_alive = false;
    chunk->alive_count = 0;
    return true;
}

static void
batch_add_refused(struct batch *batch, const struct kafka_record *record, const struct event *event,
                  const struct event_refused *refused)
{
    char reason[64];
    const char *what = event->kind == EVENT_CHUNK ? "values" : "ops";
    CHECK(refused->count > 0);
    snprintf(reason, sizeof reason, "%u of %u %s cannot be applied", refused->count, refused->all,
             what);
    batch_add_dead_letter(batch, record,
                          (struct dead_letter){.reason = reason,
                                               .event = event,
                                               .ops = refused->ops,
                                               .reasons = refused->reasons,
                                               .entity_ids = refused->entity_ids,
                                               .op_count = refused->op_count});
}

/* Takes an event that the seq rule applies. */
static void
batch_accept(struct batch *batch, const struct kafka_record *record, struct event *event)
{
    struct error err; /* filled by a failure only: zeroing it costs more than the check */
    struct event_refused refused;
    const struct record_rule rule = batch_record_rule(batch);
    bool is_changed = batch_leave_out_requests(batch, event) || batch_empty_answer(event);
    if (event->kind == EVENT_ROW &&
        batch_check_entity(&batch->context, event->entity_id, &err) != 0) {
        batch_add_dead_letter(batch, record,
                              (struct dead_letter){.reason = err.message, .event = event});
        return;
    }
    event_check(batch->context.engine, event, &batch->arena, &refused);
    if (refused.op_count > 0) {
        batch_add_refused(batch, record, event, &refused);
        record_rule_refuse(&rule, &batch->sequence, event, &refused, &batch->changes);
    }
    if (!event_has_effect(event))
        return;
    if (refused.op_count > 0 || is_changed)
        batch_append_encoded(batch, event);
    else
        batch_append_received(batch, record);
    batch_keep_event(batch, event);
}

/* Takes an event that is to be compared, as it was received. A value of a chunk that the index
 * cannot hold is null on both sides, and no dead letter. */
static void
batch_accept_compared(struct batch *batch, const struct kafka_record *record, struct event *event)
{
    struct event_refused refused;
    CHECK(comparison_is_of(event));
    if (!event_has_effect(event))
        return;
    if (event->kind == EVENT_CHUNK)
        event_check(batch->context.engine, event, &batch->arena, &refused);
    batch_append_received(batch, record);
    batch_keep_event(batch, event);
    batch->compares = true;
}

/* A chunk that is only to be compared is not applied, and neither is a part of a load that could
 * not be read: its fields are not covered, which the sequence shows. */
static void
batch_accept_chunk(struct batch *batch, const struct kafka_record *record, struct event *event)
{
    CHECK(event->kind == EVENT_CHUNK);
    bool is_read = event->chunk->rejected.bytes == 0;
    if (event->chunk->purpose == CHUNK_REFRESH || (is_read && event->chunk->purpose == CHUNK_LOAD))
        batch_accept(batch, record, event);
    else if (is_read)
        batch_accept_compared(batch, record, event);
    else
        batch->counts.rejected++;
}

/* With `on_gap: stop`: refuses an event that proves a loss. */
static int
batch_check_gap(const struct batch *batch, const struct event *event, struct error *err)
{
    char reason[SEQUENCE_REASON_BYTES];
    if (batch->context.config->consumer.on_gap != ON_GAP_STOP ||
        !sequence_would_lose(&batch->sequence, &batch->fields, event, reason, sizeof reason))
        return 0;
    return error_set(err, ERR_DATA,
                     "%s; set consumer.on_gap to continue to read on without the missing events",
                     reason);
}

/* Why the load that has ended here does not count: the reason of the first of its fields that is
 * not complete; "" when all are, and when it was a load of a part of the entities. */
static const char *
batch_describe_load(struct batch *batch, const struct job_mark *mark)
{
    char reason[INCOMPLETE_BYTES] = "";
    bool is_whole = mark->begin == 0 && mark->end == CHUNK_NO_END;
    if (mark->kind != JOB_END || !is_whole)
        return "";
    if (mark->states_alive)
        incomplete_describe_field(&batch->sequence, &batch->fields, FIELD_ALIVE, reason,
                                  sizeof reason);
    for (uint32_t i = 0; i < mark->field_count && reason[0] == '\0'; i++) {
        uint32_t number;
        if (config_fields_find(&batch->fields, mark->fields[i], &number))
            incomplete_describe_field(&batch->sequence, &batch->fields, number, reason,
                                      sizeof reason);
    }
    return arena_strdup(&batch->arena, text_of(reason));
}

/* Keeps the mark of a load for the dump registry. */
static void
batch_add_job(struct batch *batch, const struct kafka_record *record, const struct event *event)
{
    CHECK(event->kind == EVENT_JOB);
    CHECK(event->job != NULL);
    if (batch->job_count == batch->job_capacity) {
        batch->job_capacity = batch->job_capacity == 0 ? 4 : 2 * batch->job_capacity;
        batch->jobs = memory_realloc(batch->jobs, batch->job_capacity * sizeof *batch->jobs);
    }
    CHECK(batch->job_count < batch->job_capacity);
    batch->jobs[batch->job_count++] = (struct dump_mark){
        .epoch = event->epoch,
        .offset = record->offset,
        .job = event->job,
        .incomplete = batch_describe_load(batch, event->job),
    };
}

/* A mark whose numbers are below those of the partition proves nothing (sequence.h). */
static void
batch_take_proof(struct batch *batch, enum sequence_verdict verdict, const struct event *event,
                 int64_t offset)
{
    const struct sequence *sequence = &batch->sequence;
    if (batch->proof.epoch != 0 && batch->proof.epoch != sequence->epoch) {
        proof_clear(&batch->proof);
        batch->proof_changed = true;
    }
    if (verdict != SEQUENCE_CONTROL || event->kind != EVENT_MARK ||
        event->mark.kind != MARK_WATERMARK || event->seq != sequence->seq)
        return;
    proof_take_mark(&batch->proof, event, offset);
    batch->proof_changed = true;
    batch->is_at_proof = event->mark.owed <= 0 && batch->proof.epoch != 0;
}

/* The seq rule, and what follows for the record and the proof. */
static enum sequence_verdict
batch_take_event(struct batch *batch, const struct event *event, int64_t offset)
{
    const struct record_rule rule = batch_record_rule(batch);
    const struct record_before before = record_rule_before(&batch->sequence);
    enum sequence_verdict verdict = sequence_take(&batch->sequence, &batch->fields, event);
    record_rule_take(&rule, &before, verdict, event, &batch->sequence, &batch->changes);
    batch_take_proof(batch, verdict, event, offset);
    return verdict;
}

static void
batch_judge(struct batch *batch, const struct kafka_record *record, struct event *event)
{
    switch (batch_take_event(batch, event, record->offset)) {
    case SEQUENCE_APPLY:
        if (event->kind == EVENT_REJECTED)
            batch->counts.rejected++;
        else if (event->kind == EVENT_CHUNK)
            batch_accept_chunk(batch, record, event);
        else if (event->kind != EVENT_PARENT_REFRESH)
            batch_accept(batch, record, event);
        break;
    case SEQUENCE_DUPLICATE:
        batch->counts.duplicates++;
        break;
    case SEQUENCE_FENCED:
        batch->counts.fenced++;
        break;
    case SEQUENCE_FOREIGN:
        batch->counts.foreign++;
        batch_add_dead_letter(
            batch, record,
            (struct dead_letter){.reason = "numbered by a second source", .event = event});
        break;
    case SEQUENCE_STALE:
        batch->counts.stale++;
        break;
    case SEQUENCE_CONTROL:
        if (event->kind == EVENT_JOB)
            batch_add_job(batch, record, event);
        else if (comparison_is_of(event))
            batch_accept_compared(batch, record, event);
        break;
    default:
        CHECK(false);
    }
}

static int
batch_decode(struct batch *batch, const struct kafka_record *record, struct event *event,
             struct error *err)
{
    if (record->value_bytes > BATCH_EVENT_BYTES_MAX)
        return error_set(err, ERR_DATA, "the message has %zu bytes, more than %d",
                         record->value_bytes, BATCH_EVENT_BYTES_MAX);
    int rc = event_decode(batch->context.codec, record->value, record->value_bytes, &batch->arena,
                          event, err);
    if (rc == 0 && event->kind == EVENT_CHUNK)
        rc = engine_check_chunk(batch->context.engine, event->chunk, err);
    return rc;
}

/* The broker's time tells messages with the same content apart. */
uint64_t
batch_hash(const struct kafka_record *record)
{
    uint64_t crc = crc32c(0, record->value, record->value_bytes);
    uint64_t hash = crc << 32 | (uint32_t)record->timestamp_ms;
    return hash != 0 ? hash : 1;
}

int
batch_change_topic(struct batch *batch, struct error *err)
{
    CHECK(batch->counts.records == 0);
    if (batch->context.config->consumer.on_gap == ON_GAP_STOP)
        return error_set(err, ERR_DATA,
                         "the topic is not the one that was read: another message is at offset"
                         " %" PRId64 "; set consumer.on_gap to continue to read on without what"
                         " is missing",
                         batch->sequence.coverage.next_offset - 1);
    sequence_change_topic(&batch->sequence);
    unanswered_clear(&batch->changes);
    return 0;
}

int
batch_add(struct batch *batch, const struct kafka_record *record, struct error *err)
{
    CHECK(!batch->is_closed);
    CHECK(record->offset >= 0);
    CHECK(record->offset >= batch->next_offset);
    struct event *event = batch_next_event(batch);
    batch->is_at_proof = false;
    int rc = batch_decode(batch, record, event, err);
    if (rc != 0 && rc != ERR_DATA)
        return rc;
    if (rc == ERR_DATA) {
        batch_add_dead_letter(batch, record, (struct dead_letter){.reason = err->message});
    } else {
        rc = batch_check_gap(batch, event, err);
        if (rc != 0)
            return rc;
        batch_judge(batch, record, event);
    }
    batch->counts.records++;
    batch->counts.bytes += record->value_bytes;
    if (batch->first_offset < 0)
        batch->first_offset = record->offset;
    batch->next_offset = record->offset + 1;
    batch->last = *record;
    sequence_take_offset(&batch->sequence, record->offset);
    return 0;
}

bool
batch_at_proof(const struct batch *batch)
{
    CHECK(!batch->is_at_proof || batch->proof.epoch == batch->sequence.epoch);
    return batch->is_at_proof;
}

bool
batch_full(const struct batch *batch)
{
    const struct config_consumer *limits = &batch->context.config->consumer;
    CHECK(!batch->is_closed);
    return batch->compares || batch->counts.records >= (uint64_t)limits->batch_rows ||
           batch->payload.bytes >= (size_t)limits->batch_bytes ||
           batch->counts.ops >= BATCH_OPS_MAX ||
           batch->dead_letters.bytes.bytes >= (size_t)limits->batch_bytes;
}

/* The ops that are left of each event; NULL: all of them. Nothing moves across a chunk or a pass,
 * and nothing before it is overridden by what is after it: it states fields of many slots at once.
 */
static const struct ops *
batch_compact(struct batch *batch)
{
    struct ops *all = arena_alloc(&batch->arena, batch->event_count * sizeof *all);
    bool changed = false;
    for (uint32_t i = 0; i < batch->event_count; i++)
        all[i] = batch->events[i].ops;
    for (uint32_t first = 0, next; first < batch->event_count; first = next + 1) {
        next = first;
        while (next < batch->event_count && !event_is_barrier(&batch->events[next]))
            next++;
        const struct ops *left = NULL;
        if (next > first)
            left = compact_run(batch->compact, &batch->events[first], next - first, &batch->arena);
        if (left != NULL)
            memcpy(&all[first], left, (next - first) * sizeof *all);
        changed |= left != NULL;
    }
    return changed ? all : NULL;
}

/* Reduces the events and the payload to the ops that are `left`. */
static void
batch_rewrite(struct batch *batch, const struct ops *left)
{
    struct buffer received = batch->payload;
    batch->payload = batch->received;
    batch->received = received;
    buffer_clear(&batch->payload);
    uint32_t kept = 0;
    const uint8_t *at = received.data;
    for (uint32_t i = 0; i < batch->event_count; i++) {
        struct event *event = &batch->events[i];
        size_t bytes = LENGTH_BYTES + batch_get_length(at);
        CHECK(left[i].count <= event->ops.count);
        bool whole = left[i].items == event->ops.items;
        batch->counts.compacted += event->ops.count - left[i].count;
        event->ops = left[i];
        if (whole)
            buffer_append(&batch->payload, at, bytes);
        else if (event_has_effect(event))
            batch_append_encoded(batch, event);
        if (event_has_effect(event) && kept++ < i)
            batch->events[kept - 1] = *event;
        at += bytes;
    }
    CHECK(at == received.data + received.bytes);
    batch->event_count = kept;
}

/* What holds of a closed batch. */
static void
batch_check(const struct batch *batch)
{
    const struct batch_counts *counts = &batch->counts;
    CHECK((batch->event_count == 0) == (batch->payload.bytes == 0));
    CHECK(batch->payload.bytes <= batch_payload_bytes_max(&batch->context.config->consumer));
    CHECK((batch->first_offset < 0) == (counts->records == 0));
    CHECK(batch->next_offset - batch->first_offset >= (int64_t)counts->records);
    CHECK(batch->event_count <= counts->events);
    CHECK(counts->events <= counts->records);
    CHECK(counts->compacted <= counts->ops);
    CHECK(sequence_is_consistent(&batch->sequence));
}

void
batch_close(struct batch *batch)
{
    CHECK(!batch->is_closed);
    const struct ops *left = batch_compact(batch);
    if (left != NULL)
        batch_rewrite(batch, left);
    if (batch->counts.records > 0)
        sequence_keep_message(&batch->sequence, batch_hash(&batch->last));
    batch->is_closed = true;
    batch_check(batch);
}

size_t
batch_payload_bytes_max(const struct config_consumer *config)
{
    /* The last event may begin just below the limit, and be encoded again in a newer schema. */
    return (size_t)config->batch_bytes + 2 * (size_t)BATCH_EVENT_BYTES_MAX;
}

static void
batch_apply_chunk(struct engine *engine, const struct chunk *chunk, const struct batch_hooks *hooks)
{
    struct field_set damaged = {{0}};
    CHECK(chunk->purpose != CHUNK_CHECK);
    if (hooks->verdicts != NULL)
        verdicts_find_damaged(hooks->verdicts, chunk->begin, chunk->end, &damaged);
    engine_mend_chunk(engine, chunk, &damaged, hooks->yield);
}

/* A row. Other events need the engine in order. */
static void
batch_apply_event(struct engine *engine, const struct event *event, const struct batch_hooks *hooks)
{
    if (event->kind == EVENT_ROW) {
        engine_apply_row(engine, event->entity_id, &event->ops);
        return;
    }
    engine_end_rows(engine);
    if (event->kind == EVENT_FAN_OUT) {
        engine_apply_fan_out(engine, &event->ops);
    } else if (event->kind == EVENT_PASS) {
        engine_apply_pass(engine, event->pass, hooks->yield);
    } else if (!comparison_is_of(event)) {
        CHECK(event->kind == EVENT_CHUNK);
        batch_apply_chunk(engine, event->chunk, hooks);
    } else if (hooks->compare != NULL) {
        hooks->compare(hooks->context, event);
    }
    engine_begin_rows(engine);
}

static const struct batch_hooks no_hooks;

const struct event *
batch_compared(const struct batch *batch)
{
    CHECK(batch->is_closed);
    CHECK(!batch->compares || comparison_is_of(&batch->events[batch->event_count - 1]));
    return batch->compares ? &batch->events[batch->event_count - 1] : NULL;
}

void
batch_apply(const struct batch *batch, struct engine *engine, const struct batch_hooks *hooks)
{
    struct batch_hooks applied = hooks != NULL ? *hooks : no_hooks;
    applied.compare = NULL;
    engine_begin_rows(engine);
    for (uint32_t i = 0; i < batch->event_count; i++) {
        uint32_t ahead = i + APPLY_AHEAD;
        if (ahead < batch->event_count && batch->events[ahead].kind == EVENT_ROW)
            engine_prefetch_row(engine, &batch->events[ahead].ops);
        batch_apply_event(engine, &batch->events[i], &applied);
    }
    engine_end_rows(engine);
}

/* Is the event of a kind that is logged, and of this shard? */
static int
batch_check_logged(const struct batch_context *context, const struct event *event,
                   struct error *err)
{
    switch (event->kind) {
    case EVENT_ROW:
        return batch_check_entity(context, event->entity_id, err);
    case EVENT_FAN_OUT:
    case EVENT_PASS:
    case EVENT_SUM:
        return 0;
    case EVENT_CHUNK:
        if (event->chunk->rejected.bytes > 0)
            return error_set(err, ERR_DATA, "a chunk that could not be read");
        return context->engine == NULL ? 0 : engine_check_chunk(context->engine, event->chunk, err);
    default:
        return error_set(err, ERR_DATA, "an event of kind %d is never logged", (int)event->kind);
    }
}

/* Ops that were applied once cannot be now when the program has become stricter since (F113). */
static int
batch_decode_logged(const struct batch_context *context, struct text bytes, struct arena *arena,
                    struct event *event, struct error *err)
{
    arena_reset(arena);
    int rc = event_decode(context->codec, bytes.data, bytes.bytes, arena, event, err);
    if (rc != 0)
        return rc;
    rc = batch_check_logged(context, event, err);
    if (rc != 0 || context->engine == NULL)
        return rc;
    return event_check_again(context->engine, event, arena, err);
}

int
batch_read(const struct batch_context *context, struct text payload, struct arena *arena,
           batch_visit visit, void *visit_context, struct error *err)
{
    size_t at = 0;
    while (at < payload.bytes) {
        size_t left = payload.bytes - at - LENGTH_BYTES;
        if (payload.bytes - at < LENGTH_BYTES)
            return error_set(err, ERR_FATAL, "payload byte %zu: the length of an event is cut off",
                             at);
        size_t length = batch_get_length((const uint8_t *)payload.data + at);
        if (length > left)
            return error_set(err, ERR_FATAL,
                             "payload byte %zu: an event of %zu bytes, and %zu bytes are left", at,
                             length, left);
        struct text bytes = {payload.data + at + LENGTH_BYTES, length};
        struct event event;
        struct error reason; /* filled by a failure only, like that of batch_accept() */
        if (batch_decode_logged(context, bytes, arena, &event, &reason) != 0)
            return error_set(err, ERR_FATAL, "payload byte %zu: %s", at, reason.message);
        visit(visit_context, &event);
        at += LENGTH_BYTES + length;
    }
    CHECK(at == payload.bytes);
    return 0;
}

/* Where the events of a payload are applied. */
struct batch_target {
    struct engine *engine;
    const struct batch_hooks *hooks;
};

static void
batch_apply_read(void *context, const struct event *event)
{
    const struct batch_target *target = context;
    batch_apply_event(target->engine, event, target->hooks);
}

int
batch_replay(const struct batch_context *context, struct engine *engine, struct text payload,
             struct arena *arena, const struct batch_hooks *hooks, struct error *err)
{
    struct batch_context checked = *context;
    struct batch_target target = {engine, hooks != NULL ? hooks : &no_hooks};
    checked.engine = engine;
    engine_begin_rows(engine);
    int rc = batch_read(&checked, payload, arena, batch_apply_read, &target, err);
    engine_end_rows(engine);
    return rc;
}
