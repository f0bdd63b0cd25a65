#include "consumer/partition/record_rule.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"

struct record_before
record_rule_before(const struct sequence *sequence)
{
    return (struct record_before){sequence->epoch, sequence->losses, sequence->coverage.job};
}

/* --- requests --------------------------------------------------------------------------------- */

/* Has this partition a slot for the entity? */
static bool
rule_find_slot(const struct record_rule *rule, int64_t entity_id, uint32_t *slot)
{
    const struct config_topic *topic = &rule->config->topic;
    if (entity_id < 0 || entity_id % topic->partitions != rule->partition ||
        entity_id / topic->partitions >= topic->max_slots)
        return false;
    *slot = (uint32_t)(entity_id / topic->partitions);
    return true;
}

/* A child's request holds its slot when the answer may change visible_from. A plain one does not:
 * the entity still has its older values. */
static bool
rule_holds(const struct record_rule *rule, const struct op *op)
{
    const char *visible_from = rule->config->index_config.visible_from;
    if (visible_from == NULL || op->field.bytes == 0)
        return false;
    int32_t entry = config_entry_find(rule->config, op->field);
    return entry < 0 || config_entry_owns(rule->config, (uint32_t)entry, text_of(visible_from));
}

static uint64_t
rule_entry_hash(const struct record_rule *rule, int32_t entry)
{
    struct buffer name;
    CHECK(entry >= 0);
    buffer_init(&name);
    config_entry_append_name(rule->config, (uint32_t)entry, &name);
    uint64_t hash = unanswered_hash((struct text){(const char *)name.data, name.bytes});
    buffer_free(&name);
    return hash;
}

/* The key is only kept to close the letters of the parent's fan-outs. */
static struct unanswered_request
rule_parent_request(const struct record_rule *rule, const struct event *event)
{
    struct unanswered_request request = {.row_id = event->row_id};
    const struct op *op = event->ops.items;
    if (event->ops.count != 1 || op->kind != OP_REFRESH || op->value.kind != VALUE_INTEGER)
        return request;
    uint32_t level;
    int32_t entry = config_entry_find_level(rule->config, op->field, &level);
    if (entry < 0 || level > 0)
        return request;
    request.has_key = true;
    request.entry = rule_entry_hash(rule, entry);
    request.key = op->value.integer;
    return request;
}

/* False: the row asks for nothing. */
static bool
rule_row_request(const struct record_rule *rule, const struct event *event,
                 struct unanswered_request *request)
{
    bool asks = false;
    *request = (struct unanswered_request){.row_id = event->row_id};
    for (uint32_t i = 0; i < event->ops.count; i++) {
        const struct op *op = &event->ops.items[i];
        if (op->kind != OP_REFRESH)
            continue;
        asks = true;
        request->holds = request->holds || rule_holds(rule, op);
    }
    if (!asks)
        return false;
    request->has_slot = rule_find_slot(rule, event->entity_id, &request->slot);
    request->holds = request->holds && request->has_slot;
    return true;
}

static void
rule_take_request(const struct record_rule *rule, const struct event *event,
                  struct sequence *sequence, struct unanswered_changes *changes)
{
    struct unanswered_request request;
    CHECK(event->seq > 0);
    if (event->kind == EVENT_PARENT_REFRESH)
        request = rule_parent_request(rule, event);
    else if (!rule_row_request(rule, event, &request))
        return;
    sequence_add_request(sequence, rule->config->consumer.requests_max);
    if (sequence->unanswered > 0)
        unanswered_add(changes, &request);
    else
        unanswered_clear(changes);
}

/* --- letters that are closed ------------------------------------------------------------------ */

/* The fields that an event states, and of what. */
struct stated {
    const struct record_rule *rule;
    uint64_t *fields; /* unanswered_hash() of their names */
    uint32_t field_count;
    bool is_fan_out;
    const struct chunk *chunk; /* of slots: those of the chunk */
    int64_t id;                /* of a fan-out; -1: of all */
    int64_t job;               /* of all fan-outs before this load; 0: also of this one */
};

static bool
stated_has_slot(const struct stated *stated, int64_t slot)
{
    const struct chunk *chunk = stated->chunk;
    int64_t entity_id = slot * stated->rule->config->topic.partitions + stated->rule->partition;
    if (entity_id < chunk->begin || entity_id >= chunk->end)
        return false;
    uint32_t low = 0, high = chunk->slot_count;
    while (chunk->has_slots && low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (chunk->slots[middle] < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return !chunk->has_slots || (low < chunk->slot_count && chunk->slots[low] == slot);
}

static bool
stated_closes(void *context, const struct unanswered_letter *letter)
{
    const struct stated *stated = context;
    if (letter->is_fan_out != stated->is_fan_out)
        return false;
    if (stated->is_fan_out ? (stated->id >= 0 && letter->id != stated->id) ||
                                 (stated->job != 0 && letter->job == stated->job)
                           : !stated_has_slot(stated, letter->id))
        return false;
    for (uint32_t i = 0; i < stated->field_count; i++)
        if (stated->fields[i] == letter->field)
            return true;
    return false;
}

static void
rule_close(struct stated *stated, const struct text *fields, uint32_t count,
           struct unanswered_changes *changes)
{
    if (count == 0)
        return;
    stated->fields = memory_alloc(count * sizeof *stated->fields);
    stated->field_count = count;
    for (uint32_t i = 0; i < count; i++)
        stated->fields[i] = unanswered_hash(fields[i]);
    unanswered_close(changes, stated_closes, stated);
    free(stated->fields);
}

/* The letters of the fan-outs of a parent whose answer has come. */
static void
rule_close_parent(const struct record_rule *rule, const struct unanswered_request *request,
                  struct unanswered_changes *changes)
{
    struct stated stated = {.rule = rule, .is_fan_out = true, .id = request->key};
    const char *field;
    CHECK(request->has_key);
    for (uint32_t i = 0; i < rule->config->trigger_count; i++) {
        if (rule_entry_hash(rule, (int32_t)i) != request->entry)
            continue;
        for (uint32_t j = 0; (field = config_entry_field(rule->config, i, j)) != NULL; j++) {
            const struct text name = text_of(field);
            rule_close(&stated, &name, 1, changes);
        }
    }
}

static void
rule_take_answers(const struct record_rule *rule, const struct chunk *chunk,
                  struct sequence *sequence, struct unanswered_changes *changes)
{
    for (uint32_t i = 0; i < chunk->answer_count; i++) {
        struct unanswered_request request;
        if (!unanswered_remove(changes, chunk->answers[i], &request))
            continue;
        sequence_remove_request(sequence);
        if (request.has_key && unanswered_has_letters(changes))
            rule_close_parent(rule, &request, changes);
    }
}

static void
rule_take_chunk(const struct record_rule *rule, const struct chunk *chunk,
                struct sequence *sequence, struct unanswered_changes *changes)
{
    struct stated stated = {.rule = rule, .chunk = chunk};
    if (chunk->purpose == CHUNK_REFRESH)
        rule_take_answers(rule, chunk, sequence, changes);
    if (chunk->purpose != CHUNK_CHECK && chunk->rejected.bytes == 0 &&
        unanswered_has_letters(changes))
        rule_close(&stated, chunk->fields, chunk->field_count, changes);
}

/* Before its first part is applied, the fields of a pass lose their values in all slots. */
static void
rule_take_pass(const struct record_rule *rule, const struct pass *pass,
               struct unanswered_changes *changes)
{
    struct stated stated = {.rule = rule, .is_fan_out = true, .id = -1};
    if (pass->part == 0)
        rule_close(&stated, pass->fields, pass->field_count, changes);
}

/* A load of everything has ended: what it covers is as the source has it, except for fan-outs that
 * came while it ran. */
static void
rule_take_job(const struct record_rule *rule, const struct record_before *before,
              const struct job_mark *mark, const struct sequence *sequence,
              struct unanswered_changes *changes)
{
    struct stated stated = {.rule = rule, .is_fan_out = true, .id = -1, .job = mark->job};
    const struct field_set complete = coverage_complete(&sequence->coverage);
    if (mark->kind != JOB_END || mark->begin != 0 || mark->end != CHUNK_NO_END ||
        before->job != mark->job)
        return;
    for (uint32_t i = 0; i < mark->field_count; i++) {
        uint32_t number;
        if (config_fields_find(rule->fields, mark->fields[i], &number) &&
            field_set_has(&complete, number))
            rule_close(&stated, &mark->fields[i], 1, changes);
    }
}

/* A `set` says what the field is; one that cannot be applied opens the letter again. */
static void
rule_take_row(const struct record_rule *rule, const struct event *event,
              struct unanswered_changes *changes)
{
    uint32_t slot;
    if (!rule_find_slot(rule, event->entity_id, &slot))
        return;
    for (uint32_t i = 0; i < event->ops.count; i++) {
        const struct op *op = &event->ops.items[i];
        const struct unanswered_letter letter = {.id = slot, .field = unanswered_hash(op->field)};
        if (op->kind == OP_SET)
            unanswered_close_letter(changes, &letter);
    }
}

static void
rule_close_letters(const struct record_rule *rule, const struct record_before *before,
                   const struct event *event, const struct sequence *sequence,
                   struct unanswered_changes *changes)
{
    if (!unanswered_has_letters(changes))
        return;
    if (event->kind == EVENT_ROW)
        rule_take_row(rule, event, changes);
    else if (event->kind == EVENT_PASS)
        rule_take_pass(rule, event->pass, changes);
    else if (event->kind == EVENT_JOB)
        rule_take_job(rule, before, event->job, sequence, changes);
}

void
record_rule_take(const struct record_rule *rule, const struct record_before *before,
                 enum sequence_verdict verdict, const struct event *event,
                 struct sequence *sequence, struct unanswered_changes *changes)
{
    CHECK(sequence->losses >= before->losses);
    if (sequence->losses != before->losses || sequence->epoch != before->epoch)
        unanswered_clear(changes);
    if (verdict != SEQUENCE_APPLY && verdict != SEQUENCE_CONTROL)
        return;
    if (event->seq > 0 && (event->kind == EVENT_ROW || event->kind == EVENT_PARENT_REFRESH))
        rule_take_request(rule, event, sequence, changes);
    if (event->kind == EVENT_CHUNK)
        rule_take_chunk(rule, event->chunk, sequence, changes);
    rule_close_letters(rule, before, event, sequence, changes);
}

/* --- letters that are opened ------------------------------------------------------------------ */

static void
rule_open(const struct record_rule *rule, const struct sequence *sequence,
          struct unanswered_letter letter, struct text field, struct unanswered_changes *changes)
{
    uint32_t number;
    letter.field = unanswered_hash(field);
    letter.job = sequence->coverage.job;
    if (field.bytes > 0 && config_fields_find(rule->fields, field, &number))
        unanswered_open(changes, &letter);
}

void
record_rule_refuse(const struct record_rule *rule, const struct sequence *sequence,
                   const struct event *event, const struct event_refused *refused,
                   struct unanswered_changes *changes)
{
    for (uint32_t i = 0; i < refused->op_count; i++) {
        const struct op *op = &refused->ops[i];
        struct unanswered_letter letter = {.is_fan_out = event->kind == EVENT_FAN_OUT};
        uint32_t slot = 0;
        int64_t entity_id = refused->entity_ids != NULL ? refused->entity_ids[i] : event->entity_id;
        if (event->kind == EVENT_PASS ||
            (!letter.is_fan_out && !rule_find_slot(rule, entity_id, &slot)))
            continue;
        letter.id = letter.is_fan_out ? entity_id : slot;
        if (op->kind != OP_FAN_OUT)
            rule_open(rule, sequence, letter, op->field, changes);
        for (uint32_t j = 0; op->kind == OP_FAN_OUT && j < op->nested_count; j++)
            rule_open(rule, sequence, letter, op->nested[j].field, changes);
    }
}
