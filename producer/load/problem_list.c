#include "producer/load/problem_list.h"

#include "common/base/check.h"

void
problem_list_add(struct problem_list *list, int64_t entity_id, const char *source,
                 const char *field, const char *reason)
{
    CHECK(list->arena != NULL);
    CHECK(reason[0] != '\0');
    if (list->count == LOAD_PROBLEMS_MAX)
        return;
    if (list->items == NULL)
        list->items = arena_alloc(list->arena, LOAD_PROBLEMS_MAX * sizeof *list->items);
    list->items[list->count++] = (struct load_problem){
        .entity_id = entity_id,
        .source = arena_text(list->arena, text_of(source)),
        .field = arena_text(list->arena, text_of(field)),
        .reason = arena_text(list->arena, text_of(reason)),
    };
}

void
problem_list_add_value(struct problem_list *list, int64_t entity_id, const char *source,
                       const char *field, const char *reason)
{
    CHECK(field[0] != '\0');
    list->values++;
    problem_list_add(list, entity_id, source, field, reason);
}

void
problem_list_add_id(struct problem_list *list, int64_t entity_id, const char *source)
{
    list->ids++;
    problem_list_add(list, entity_id, source, "",
                     entity_id < 0 ? "the id is negative"
                                   : "the id is not below topic.max_slots * topic.partitions");
}

struct load_problems
problem_list_take(const struct problem_list *list)
{
    CHECK(list->count <= LOAD_PROBLEMS_MAX);
    return (struct load_problems){
        .items = list->items, .count = list->count, .values = list->values, .ids = list->ids};
}
