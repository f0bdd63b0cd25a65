#include "common/config/config_items.h"

#include <stdbool.h>
#include <string.h>

#include "common/config/config_rules.h"

static struct text
text_trim(struct text text)
{
    while (text.bytes > 0 && strchr(" \t\r\n", text.data[text.bytes - 1]) != NULL)
        text.bytes--;
    while (text.bytes > 0 && strchr(" \t\r\n", text.data[0]) != NULL) {
        text.data++;
        text.bytes--;
    }
    return text;
}

/* Splits at the last " as ", so that an expression may hold casts. False: there is none. */
static bool
text_split_as(const char *text, struct text *expression, struct text *target)
{
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, " as ")) != NULL; at++)
        last = at;
    if (last == NULL)
        return false;
    *expression = text_trim((struct text){text, (size_t)(last - text)});
    *target = text_trim(text_of(last + strlen(" as ")));
    return true;
}

const char *
config_tracked_short(struct arena *arena, const char *text, void *item)
{
    struct config_tracked_field *field = item;
    struct text expression;
    struct text target;
    if (text_split_as(text, &expression, &target)) {
        field->expression = arena_strdup(arena, expression);
        field->target = arena_strdup(arena, target);
        return NULL;
    }
    field->column = text;
    return strpbrk(text, "{(") == NULL ? NULL : "must be a column, or \"expression as target\"";
}

const char *
config_computed_short(struct arena *arena, const char *text, void *item)
{
    struct config_computed_field *field = item;
    struct text expression;
    struct text target;
    if (!text_split_as(text, &expression, &target))
        return "must be \"expression as target\"";
    field->expression = arena_strdup(arena, expression);
    field->target = arena_strdup(arena, target);
    return NULL;
}

const char *
config_dump_field_short(struct arena *arena, const char *text, void *item)
{
    (void)arena;
    struct config_dump_field *field = item;
    field->column = text;
    return NULL;
}

const char *
config_tracked_complete(void *item)
{
    struct config_tracked_field *field = item;
    if (field->target == NULL)
        field->target = field->column;
    if (field->target == NULL || (field->column == NULL && field->expression == NULL))
        return "must have a column, or an expression and a target";
    if (config_rule_field(field->target) != NULL)
        return "must have a target: the column's name is not one of a field";
    return NULL;
}

const char *
config_dump_field_complete(void *item)
{
    struct config_dump_field *field = item;
    if (field->target == NULL)
        field->target = field->column;
    if (config_rule_field(field->target) != NULL)
        return "must have a target: the column's name is not one of a field";
    return NULL;
}

static enum config_trigger_kind
trigger_kind(const struct config_trigger *trigger)
{
    if (trigger->field != NULL)
        return TRIGGER_JOIN;
    if (trigger->rows_from.table != NULL)
        return TRIGGER_FAN_OUT_PER_ROW;
    return trigger->query != NULL ? TRIGGER_FAN_OUT : TRIGGER_DIRECT;
}

const char *
config_trigger_complete(void *item)
{
    struct config_trigger *trigger = item;
    enum config_trigger_kind said = trigger->kind;
    trigger->kind = trigger_kind(trigger);
    bool is_fan_out = trigger->kind == TRIGGER_FAN_OUT || trigger->kind == TRIGGER_FAN_OUT_PER_ROW;
    if (said == TRIGGER_FAN_OUT_PER_ROW && trigger->kind != said)
        return "must have rows_from, and no field, to be of type fan_out_per_row";
    if (!is_fan_out && trigger->slot_field == NULL)
        return "must have a slot_field";
    if (trigger->kind == TRIGGER_JOIN && trigger->value_field == NULL)
        return "must have a value_field, since it has a field";
    if (trigger->value_field != NULL && trigger->field == NULL)
        return "must have a field, since it has a value_field";
    if (trigger->query_source != NULL && trigger->query == NULL)
        return "must have a query, since it has a query_source";
    if (is_fan_out && trigger->track_field_count + trigger->computed_field_count == 0)
        return "must have track_fields or computed_fields";
    return NULL;
}

const char *
config_trigger_next_idle(const struct config_trigger *trigger, uint32_t *cursor)
{
    bool direct = trigger->kind == TRIGGER_DIRECT;
    bool join = trigger->kind == TRIGGER_JOIN;
    bool fan_out = trigger->kind == TRIGGER_FAN_OUT;
    const struct {
        const char *name;
        bool is_idle;
    } settings[] = {
        {"slot_field", trigger->slot_field != NULL && !direct && !join},
        {"sets_alive", trigger->sets_alive && !direct},
        {"on_delete", trigger->on_delete != ON_DELETE_NOTHING && !direct},
        {"rows_from", trigger->rows_from.table != NULL && join},
        {"query", trigger->query != NULL && !fan_out},
        {"query_source", trigger->query_source != NULL && !fan_out},
        {"children", trigger->children.table != NULL && !fan_out},
        {"track_fields", trigger->track_field_count > 0 && join},
    };
    while (*cursor < sizeof settings / sizeof settings[0]) {
        uint32_t i = (*cursor)++;
        if (settings[i].is_idle)
            return settings[i].name;
    }
    return NULL;
}

const char *
config_trigger_kind_name(enum config_trigger_kind kind)
{
    static const char *const names[] = {"direct", "join", "fan-out", "fan-out per row"};
    return names[kind];
}
