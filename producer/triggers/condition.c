#include "producer/triggers/condition.h"

#include "common/base/check.h"

static const char *const names[CONDITION_KINDS] = {
    [CONDITION_ENTRIES] = "entries",
    [CONDITION_SCHEMAS] = "schemas",
    [CONDITION_TABLES] = "tables",
    [CONDITION_ROW_SECURITY] = "row security",
    [CONDITION_FOREIGN_KEYS] = "foreign keys",
    [CONDITION_UNIQUE_KEYS] = "unique keys",
    [CONDITION_APPLICATION_TRIGGERS] = "application triggers",
    [CONDITION_FUNCTION_PATH] = "function path",
    [CONDITION_COLLATIONS] = "collations",
    [CONDITION_TYPES] = "types",
    [CONDITION_EXPRESSIONS] = "expressions",
    [CONDITION_GUARANTEES] = "guarantees",
    [CONDITION_LOADING] = "loading",
    [CONDITION_OWNERS] = "owners",
    [CONDITION_TRIGGERS] = "triggers",
};

const char *
condition_name(enum condition_kind kind)
{
    CHECK(kind < CONDITION_KINDS);
    CHECK(names[kind] != NULL);
    return names[kind];
}

void
condition_add(struct condition_list *list, const struct condition *condition)
{
    struct arena *arena = list->arena;
    struct condition *added = arena_alloc(arena, sizeof *added);
    CHECK(condition->kind < CONDITION_KINDS && condition->severity <= CONDITION_PROBLEM);
    CHECK(condition->object[0] != '\0' && condition->message[0] != '\0');
    *added = *condition;
    added->object = arena_strdup(arena, text_of(condition->object));
    added->message = arena_strdup(arena, text_of(condition->message));
    added->remedy = arena_strdup(arena, text_of(condition->remedy));
    added->next = NULL;
    if (list->end == NULL)
        list->end = &list->first;
    CHECK(*list->end == NULL);
    *list->end = added;
    list->end = &added->next;
}
