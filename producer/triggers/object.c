#include "producer/triggers/object.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/check.h"

const char *
trigger_object_kind_name(enum trigger_object_kind kind)
{
    static const char *const names[] = {
        [OBJECT_VIEW] = "view",
        [OBJECT_ROW_FUNCTION] = "row function",
        [OBJECT_FUNCTION] = "function",
        [OBJECT_TRIGGER] = "trigger",
    };
    CHECK(kind <= OBJECT_TRIGGER);
    return names[kind];
}

const struct trigger_object *
trigger_objects_find(const struct trigger_objects *objects, const char *identity)
{
    const struct trigger_object *object = objects->first;
    CHECK(identity != NULL);
    while (object != NULL && strcmp(object->identity, identity) != 0)
        object = object->next;
    return object;
}

/* What the comparison with a database relies on. */
static void
check_object(const struct trigger_object *object)
{
    static const char *const keywords[] = {
        [OBJECT_VIEW] = "VIEW \"",
        [OBJECT_ROW_FUNCTION] = "FUNCTION \"",
        [OBJECT_FUNCTION] = "FUNCTION \"",
        [OBJECT_TRIGGER] = "TRIGGER \"",
    };
    const char *keyword = keywords[object->kind];
    bool is_trigger = object->kind == OBJECT_TRIGGER;
    CHECK(strncmp(object->identity, keyword, strlen(keyword)) == 0);
    CHECK(strncmp(object->name, "bitdex_", 7) == 0);
    CHECK(object->table[0] == '"');
    CHECK(object->mark != NULL && object->why != NULL);
    CHECK(strstr(object->sql, object->identity + strcspn(object->identity, "\"")) != NULL);
    CHECK((object->on != NULL) == is_trigger);
    CHECK((object->events != 0) == is_trigger);
    CHECK((object->body != NULL) == (object->kind == OBJECT_FUNCTION));
}

void
trigger_objects_add(struct trigger_objects *objects, struct trigger_object *object)
{
    check_object(object);
    CHECK(object->next == NULL);
    const struct trigger_object *equal = trigger_objects_find(objects, object->identity);
    CHECK(equal == NULL || strcmp(equal->mark, object->mark) == 0);
    if (equal != NULL)
        return;
    if (objects->end == NULL)
        objects->end = &objects->first;
    CHECK(*objects->end == NULL);
    *objects->end = object;
    objects->end = &object->next;
    objects->count++;
}
