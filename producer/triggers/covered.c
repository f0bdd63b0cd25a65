#include "producer/triggers/covered.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"
#include "common/config/config_fields.h"
#include "producer/triggers/mark.h"

enum { OP_TEXT_BYTES = 512 };

/* Is `key` followed by `value` in the function? Our generator has always written ops as JSON text;
 * the original one may build them. */
static bool
body_has(const char *body, const char *key, const char *value)
{
    static const char *const separators[] = {"\": \"", "\":\"", "', '", "','"};
    bool has = false;
    for (size_t i = 0; i < sizeof separators / sizeof separators[0]; i++) {
        char text[OP_TEXT_BYTES];
        char quote = separators[i][0];
        CHECK(strlen(value) < OP_TEXT_BYTES / 2);
        snprintf(text, sizeof text, "%c%s%s%s%c", quote, key, separators[i], value, quote);
        has = has || strstr(body, text) != NULL;
    }
    return has;
}

/* Does the function write an op on the field, or with "" the op `alive`? */
static bool
body_writes(const char *body, const char *field)
{
    return *field == '\0' ? body_has(body, "op", "alive") : body_has(body, "field", field);
}

static bool
covers(const struct in_place_object *trigger, const char *field)
{
    CHECK(trigger->kind == OBJECT_TRIGGER);
    return mark_has_fields(trigger->mark) ? mark_covers(trigger->mark, field)
                                          : body_writes(trigger->body, field);
}

/* Does a trigger of the plan call another function than in the plan, or one with another body? Of
 * a trigger that an earlier version has made, only its mark is known. */
static bool
is_replaced(const struct trigger_objects *objects, const struct in_place_object *found)
{
    const struct trigger_object *trigger = trigger_objects_find(objects, found->identity);
    if (trigger == NULL || strcmp(trigger->mark, found->mark) != 0)
        return false;
    if (strstr(trigger->sql, found->function) == NULL)
        return true;
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next)
        if (object->kind == OBJECT_FUNCTION &&
            strcmp(object->identity + strlen("FUNCTION "), found->function) == 0)
            return strcmp(object->body, found->body) != 0;
    return false;
}

/* Do triggers in place do for the field what the object is for? */
static bool
is_done(const struct reconcile_plan *plan, const struct trigger_object *object, const char *field,
        const struct in_place *in_place)
{
    int events = 0;
    CHECK(object->events != 0);
    for (uint32_t i = 0; i < in_place->count; i++) {
        const struct in_place_object *found = &in_place->objects[i];
        if (found->kind == OBJECT_TRIGGER && strcmp(found->on, object->on) == 0 &&
            covers(found, field) && !is_replaced(&plan->objects, found))
            events |= found->events;
    }
    return (object->events & ~events) == 0;
}

/* A field that no trigger of the plan covers is not covered. */
static bool
is_covered(const struct reconcile_plan *plan, const char *field, const struct in_place *in_place)
{
    bool is_needed = false;
    for (const struct trigger_object *object = plan->objects.first; object != NULL;
         object = object->next) {
        if (object->kind != OBJECT_TRIGGER || !mark_covers(object->mark, field))
            continue;
        is_needed = true;
        if (!is_done(plan, object, field, in_place))
            return false;
    }
    return is_needed;
}

static void
add_field(struct text *names, uint32_t *count, const char *name)
{
    CHECK(name != NULL);
    for (uint32_t i = 0; i < *count; i++)
        if (text_is(names[i], name))
            return;
    names[(*count)++] = text_of(name);
}

void
covered_fields_find(const struct reconcile_plan *plan, const struct in_place *in_place,
                    struct arena *arena, struct covered_fields *fields)
{
    uint32_t capacity = 1; /* existence */
    for (uint32_t i = 0; i < plan->entry_count; i++)
        capacity += plan->entries[i].value_count;
    struct text *names = arena_alloc(arena, capacity * sizeof *names);
    *fields = (struct covered_fields){.names = names};
    for (uint32_t i = 0; i < plan->entry_count; i++) {
        const struct entry *entry = &plan->entries[i];
        if (entry->trigger->sets_alive && is_covered(plan, "", in_place))
            add_field(names, &fields->count, "");
        for (uint32_t j = 0; j < entry->value_count; j++)
            if (is_covered(plan, entry->values[j].target, in_place))
                add_field(names, &fields->count, entry->values[j].target);
    }
    CHECK(fields->count <= capacity);
}

bool
covered_fields_has(const struct covered_fields *fields, struct text name)
{
    CHECK(fields->names != NULL || fields->count == 0);
    for (uint32_t i = 0; i < fields->count; i++)
        if (text_equal(fields->names[i], name))
            return true;
    return false;
}

/* Counts a field once, with its owner. */
static void
count_missing(const struct covered_fields *fields, const char *name, uint32_t *missing,
              struct text *first)
{
    CHECK(name != NULL);
    if (covered_fields_has(fields, text_of(name)))
        return;
    if (*missing == 0)
        *first = text_of(name);
    ++*missing;
}

uint32_t
covered_fields_missing(const struct covered_fields *fields, const struct config *config,
                       struct text *first)
{
    uint32_t missing = 0;
    bool sets_alive = false;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const char *name;
        sets_alive = sets_alive || config->triggers[i].sets_alive;
        for (uint32_t j = 0; (name = config_entry_field(config, i, j)) != NULL; j++)
            if (config_entry_owner(config, text_of(name)) == (int32_t)i)
                count_missing(fields, name, &missing, first);
    }
    if (sets_alive)
        count_missing(fields, "", &missing, first);
    return missing;
}

int
covered_fields_read_plan(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                         struct covered_fields *fields, struct error *err)
{
    struct in_place in_place;
    *fields = (struct covered_fields){0};
    int rc = in_place_read(pg, plan->outbox_schema, &plan->objects, arena, &in_place, err);
    if (rc != 0)
        return rc;
    covered_fields_find(plan, &in_place, arena, fields);
    if (fields->count > CONFIG_FIELDS_MAX + 1)
        return error_set(err, ERR_USAGE, "triggers set %u fields, more than an index may have (%d)",
                         fields->count, CONFIG_FIELDS_MAX);
    return 0;
}

int
covered_fields_read(struct pg *pg, const struct config *config, struct arena *arena,
                    struct covered_fields *fields, struct error *err)
{
    struct reconcile_plan plan;
    *fields = (struct covered_fields){0};
    int rc = reconcile_plan(pg, config, arena, &plan, err);
    return rc == 0 ? covered_fields_read_plan(pg, &plan, arena, fields, err) : rc;
}
