#include "common/config/config_items.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/check.h"
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

/* Splits at the last " as ", because an expression may contain casts. False: there is no " as ". */
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
    CHECK(expression->bytes + target->bytes < strlen(text));
    return true;
}

const char *
config_tracked_short(struct arena *arena, const char *text, void *item)
{
    struct config_tracked_field *field = item;
    CHECK(field->column == NULL);
    CHECK(field->target == NULL);
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
    CHECK(field->expression == NULL);
    CHECK(field->target == NULL);
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
    CHECK(field->column == NULL);
    field->column = text;
    return NULL;
}

const char *
config_tracked_complete(struct arena *arena, void *item)
{
    (void)arena;
    struct config_tracked_field *field = item;
    if (field->target == NULL)
        field->target = field->column;
    if (field->target == NULL || (field->column == NULL && field->expression == NULL))
        return "must have a column, or an expression and a target";
    if (field->scale > 0 && field->column == NULL)
        return "must have a column to have a scale, which multiplies a column";
    if (field->scale > 0 && field->expression != NULL)
        return "must have either an expression or a scale: an expression can multiply itself";
    if (config_rule_field(field->target) != NULL)
        return "must have a target: the name of the column is not a valid field name";
    return NULL;
}

const char *
config_dump_computed_complete(struct arena *arena, void *item)
{
    (void)arena;
    const struct config_computed_field *field = item;
    CHECK(field->target != NULL); /* required */
    if (field->expression == NULL && (field->filter == NULL || field->value == NULL))
        return "must have an expression, or a filter and a value";
    return NULL;
}

static void
append_part(struct buffer *sql, const char *before, const char *part)
{
    CHECK(before != NULL);
    if (part != NULL)
        buffer_append_format(sql, "%s(%s)", before, part);
}

/* CASE WHEN (filter) AND (expression) THEN (value) END. */
const char *
config_computed_complete(struct arena *arena, void *item)
{
    struct config_computed_field *field = item;
    const char *demand = config_dump_computed_complete(arena, item);
    if (demand != NULL || (field->filter == NULL && field->value == NULL))
        return demand;
    const char *condition = field->value != NULL ? field->expression : NULL;
    const char *value = field->value != NULL ? field->value : field->expression;
    struct buffer sql;
    buffer_init(&sql);
    buffer_append_text(&sql, "CASE WHEN ");
    append_part(&sql, "", field->filter);
    append_part(&sql, field->filter != NULL ? " AND " : "", condition);
    append_part(&sql, " THEN ", value);
    buffer_append_text(&sql, " END");
    field->expression = arena_strdup(arena, (struct text){(const char *)sql.data, sql.bytes});
    buffer_free(&sql);
    field->filter = NULL;
    field->value = NULL;
    return NULL;
}

const char *
config_dump_field_complete(struct arena *arena, void *item)
{
    (void)arena;
    struct config_dump_field *field = item;
    CHECK(field->column != NULL); /* required */
    if (field->target == NULL)
        field->target = field->column;
    if (config_rule_field(field->target) != NULL)
        return "must have a target: the name of the column is not a valid field name";
    return NULL;
}

static enum config_trigger_kind
trigger_kind(const struct config_trigger *trigger)
{
    if (trigger->field != NULL)
        return TRIGGER_JOIN;
    if (trigger->rows_from_count > 0)
        return TRIGGER_FAN_OUT_PER_ROW;
    return trigger->query != NULL ? TRIGGER_FAN_OUT : TRIGGER_DIRECT;
}

static void
trigger_choose_links(struct config_trigger *trigger)
{
    CHECK(trigger->links == NULL);
    if (trigger->kind == TRIGGER_FAN_OUT_PER_ROW) {
        trigger->links = trigger->rows_from;
        trigger->link_count = trigger->rows_from_count;
    } else if (trigger->kind == TRIGGER_FAN_OUT) {
        trigger->links = trigger->children;
        trigger->link_count = trigger->children_count;
    }
}

const char *
config_trigger_complete(struct arena *arena, void *item)
{
    (void)arena;
    struct config_trigger *trigger = item;
    enum config_trigger_kind given = trigger->kind;
    CHECK(given != TRIGGER_JOIN); /* trigger_types */
    trigger->kind = trigger_kind(trigger);
    trigger_choose_links(trigger);
    bool is_fan_out = trigger->kind == TRIGGER_FAN_OUT || trigger->kind == TRIGGER_FAN_OUT_PER_ROW;
    if (given == TRIGGER_FAN_OUT_PER_ROW && trigger->kind != given)
        return "must have rows_from, and no field, to be of type fan_out_per_row";
    if (given == TRIGGER_FAN_OUT && trigger->kind != given)
        return "must have a query, and neither field nor rows_from, to be of type fan_out";
    if (!is_fan_out && trigger->slot_field == NULL)
        return "must have a slot_field";
    if (trigger->kind == TRIGGER_JOIN && trigger->value_field == NULL)
        return "must have a value_field, because it has a field";
    if (trigger->value_field != NULL && trigger->field == NULL)
        return "must have a field, because it has a value_field";
    if (trigger->query_source != NULL && trigger->query == NULL)
        return "must have a query, because it has a query_source";
    if (is_fan_out && trigger->track_field_count + trigger->computed_field_count == 0)
        return "must have track_fields or computed_fields";
    return NULL;
}
