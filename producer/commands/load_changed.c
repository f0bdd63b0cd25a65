/* Happy path: see load_changed.h.
 *
 * Failure modes: whenever it is not certain that a dump is complete, it is loaded: a group that is
 * rebalancing, no member that answers, or an answer that is not understood. A load that was not
 * needed costs time only. A member that does not answer is not waited for: it may be gone for good.
 */
#include "producer/commands/load_changed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/json/json_parse.h"
#include "common/kafka/kafka_admin.h"
#include "producer/verify/members.h"

enum { ANSWER_DEPTH = 8 };

/* The dumps of a plan, and who was asked about them. */
struct changed {
    const struct config *config;
    struct arena *arena;
    struct load_dump *dumps; /* of the ranges, then of the passes */
    uint32_t count;
    uint32_t asked; /* members that have answered */
};

static bool
dump_is_complete(const struct json_value *dumps, const char *name)
{
    const struct json_value *dump = json_member(dumps, name);
    const struct json_value *status = dump != NULL ? json_member(dump, "status") : NULL;
    return status != NULL && status->kind == JSON_STRING && text_is(status->string, "Complete");
}

static bool
dump_has_field(const struct load_dump *dump, struct text field)
{
    for (uint32_t i = 0; i < dump->field_count; i++)
        if (text_equal(dump->fields[i], field))
            return true;
    return dump->sets_alive && text_is(field, "alive");
}

static bool
dump_lacks_field(const struct load_dump *dump, const struct json_value *incomplete)
{
    for (uint32_t i = 0; i < incomplete->array.count; i++) {
        const struct json_value *field = json_member(&incomplete->array.items[i], "field");
        if (field != NULL && field->kind == JSON_STRING && dump_has_field(dump, field->string))
            return true;
    }
    return false;
}

/* The member `key` of the answer, of that kind; NULL: `err` is set. */
static const struct json_value *
answer_read(struct text answer, const char *key, enum json_kind kind, struct arena *arena,
            struct error *err)
{
    const struct json_value *root = NULL;
    if (json_parse(answer, ANSWER_DEPTH, arena, &root, err) != 0)
        return NULL;
    const struct json_value *member = json_member(root, key);
    if (member != NULL && member->kind == kind)
        return member;
    error_set(err, ERR_DATA, "the answer is not from a bitdex-consumer");
    return NULL;
}

int
load_changed_take(struct text answer, struct load_dump *dumps, uint32_t count, struct error *err)
{
    struct arena arena;
    arena_init(&arena);
    const struct json_value *list = answer_read(answer, "dumps", JSON_OBJECT, &arena, err);
    for (uint32_t i = 0; i < count; i++)
        dumps[i].is_complete =
            list != NULL && dumps[i].is_complete && dump_is_complete(list, dumps[i].name);
    arena_free(&arena);
    return list != NULL ? 0 : ERR_DATA;
}

int
load_changed_take_fields(struct text answer, struct load_dump *dumps, uint32_t count,
                         struct error *err)
{
    struct arena arena;
    arena_init(&arena);
    const struct json_value *list =
        answer_read(answer, "incomplete_fields", JSON_ARRAY, &arena, err);
    for (uint32_t i = 0; i < count; i++)
        dumps[i].is_complete =
            list != NULL && dumps[i].is_complete && !dump_lacks_field(&dumps[i], list);
    arena_free(&arena);
    return list != NULL ? 0 : ERR_DATA;
}

static int
changed_take(struct changed *changed, const char *address, struct error *err)
{
    struct buffer answer;
    buffer_init(&answer);
    int rc = members_ask(changed->config, address, "dumps", &answer, err);
    if (rc == 0)
        rc = load_changed_take((struct text){(const char *)answer.data, answer.bytes},
                               changed->dumps, changed->count, err);
    if (rc == 0)
        rc = members_ask(changed->config, address, "stats", &answer, err);
    if (rc == 0)
        rc = load_changed_take_fields((struct text){(const char *)answer.data, answer.bytes},
                                      changed->dumps, changed->count, err);
    buffer_free(&answer);
    return rc;
}

static void
changed_ask(struct changed *changed, const struct kafka_member *member)
{
    struct error err = {0};
    int rc = changed_take(changed, member->client_id, &err);
    bool has_answered = rc == 0 || rc == ERR_DATA;
    if (has_answered)
        changed->asked++;
    for (uint32_t i = 0; rc == ERR_DATA && i < changed->count; i++)
        changed->dumps[i].is_complete = false;
    if (rc != 0)
        fprintf(stderr, "%s of group %s %s: %s\n", member->client_id, member->group,
                has_answered ? "does not say what is loaded" : "is not asked", err.message);
}

static int
changed_ask_members(struct changed *changed, struct error *err)
{
    struct kafka_members members;
    int rc = members_find(changed->config, MEMBERS_SETTLE_S, changed->arena, &members, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < members.count; i++)
        changed_ask(changed, &members.items[i]);
    if (members.rebalancing != NULL)
        fprintf(stderr, "group %s is rebalancing, so everything is loaded\n", members.rebalancing);
    else if (changed->asked == 0)
        fprintf(stderr, "no consumer could be asked, so everything is loaded\n");
    for (uint32_t i = 0; i < changed->count; i++)
        changed->dumps[i].is_complete =
            changed->dumps[i].is_complete && members.rebalancing == NULL && changed->asked > 0;
    return 0;
}

static const struct load_source *
plan_source(const struct load_plan *plan, uint32_t at)
{
    CHECK(at < plan->range_count + plan->pass_count);
    return at < plan->range_count ? &plan->ranges[at] : &plan->passes[at - plan->range_count];
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once. */
static uint32_t
fields_sort(const char **fields, uint32_t count)
{
    uint32_t kept = 0;
    qsort(fields, count, sizeof *fields, compare_names);
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(fields[kept - 1], fields[i]) != 0)
            fields[kept++] = fields[i];
    return kept;
}

/* Selects the fields of the sources that are not complete. A source without fields, which only sets
 * `alive`, is loaded with everything. */
static void
changed_fill(const struct changed *changed, const struct load_plan *plan,
             struct load_selection *selection)
{
    uint32_t capacity = 1;
    uint32_t count = 0;
    for (uint32_t i = 0; i < changed->count; i++)
        capacity += plan_source(plan, i)->value_count;
    const char **fields = arena_alloc(changed->arena, capacity * sizeof *fields);
    for (uint32_t i = 0; i < changed->count; i++) {
        const struct load_source *source = plan_source(plan, i);
        if (!changed->dumps[i].is_complete && source->value_count == 0)
            return;
        for (uint32_t j = 0; !changed->dumps[i].is_complete && j < source->value_count; j++)
            fields[count++] = arena_strdup(changed->arena, source->fields[j]);
        CHECK(count < capacity);
    }
    selection->fields = fields;
    selection->field_count = fields_sort(fields, count);
}

static struct load_dump
changed_dump(const struct load_source *source)
{
    return (struct load_dump){
        .name = source->dump_name,
        .fields = source->fields,
        .field_count = source->value_count,
        .sets_alive = source->sets_alive,
        .is_complete = true,
    };
}

int
load_changed_select(const struct config *config, const struct load_plan *plan, struct arena *arena,
                    struct load_selection *selection, bool *nothing, struct error *err)
{
    struct changed changed = {
        .config = config, .arena = arena, .count = plan->range_count + plan->pass_count};
    CHECK(selection->field_count == 0);
    CHECK(!selection->has_range && selection->ids == NULL);
    changed.dumps = arena_alloc(arena, (changed.count + 1) * sizeof *changed.dumps);
    for (uint32_t i = 0; i < changed.count; i++)
        changed.dumps[i] = changed_dump(plan_source(plan, i));
    int rc = changed_ask_members(&changed, err);
    if (rc != 0)
        return rc;
    *nothing = true;
    for (uint32_t i = 0; i < changed.count; i++) {
        *nothing = *nothing && changed.dumps[i].is_complete;
        if (changed.dumps[i].is_complete)
            fprintf(stderr, "%s is left out: it is complete in every consumer that was asked\n",
                    changed.dumps[i].name);
    }
    if (!*nothing)
        changed_fill(&changed, plan, selection);
    return 0;
}
