/* An engine whose index configuration changes, beside an engine that was given the values of the
 * kept fields as ops. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumer/engine/engine.h"
#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

enum { SLOTS = 40, OPS = 300, INDEXES = 5 };

static const char *const sources[] = {"at", "seen"};
#define COMPUTED(name_, bits_, op_)                                                 \
    {                                                                               \
        .name = name_, .bits = bits_, .computed_op = op_, .source_fields = sources, \
        .source_field_count = 2                                                     \
    }

static const struct config_filter_field filters_0[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE},
    {.name = "tags", .type = FIELD_MULTI_VALUE},
    {.name = "kind", .type = FIELD_STRING},
    {.name = "flag", .type = FIELD_BOOLEAN}};
static const struct config_sort_field sorts_0[] = {
    {.name = "at", .bits = 8}, {.name = "seen", .bits = 8}, COMPUTED("best", 8, COMPUTED_GREATEST)};
/* kind is gone, level sorts too, and best is another value of the same sources. */
static const struct config_filter_field filters_1[] = {
    {.name = "flag", .type = FIELD_BOOLEAN},
    {.name = "tags", .type = FIELD_MULTI_VALUE},
    {.name = "level", .type = FIELD_SINGLE_VALUE}};
static const struct config_sort_field sorts_1[] = {{.name = "level", .bits = 20},
                                                   {.name = "seen", .bits = 8},
                                                   COMPUTED("best", 8, COMPUTED_LEAST),
                                                   {.name = "at", .bits = 8}};
/* best narrows its sources, so that they are other fields. */
static const struct config_sort_field sorts_2[] = {
    COMPUTED("best", 7, COMPUTED_GREATEST), {.name = "at", .bits = 8}, {.name = "seen", .bits = 8}};
/* at is wider. */
static const struct config_sort_field sorts_3[] = {
    {.name = "at", .bits = 9}, {.name = "seen", .bits = 8}, COMPUTED("best", 9, COMPUTED_GREATEST)};

/* The first with other settings of queries. */
static const struct config_filter_field filters_4[] = {
    {.name = "level", .type = FIELD_SINGLE_VALUE, .is_nullable = true},
    {.name = "tags", .type = FIELD_MULTI_VALUE, .is_nullable = true},
    {.name = "kind", .type = FIELD_STRING, .ignores_case = true},
    {.name = "flag", .type = FIELD_BOOLEAN, .is_nullable = true}};

static const struct config_index indexes[INDEXES] = {
    {.filter_fields = filters_0,
     .filter_field_count = 4,
     .sort_fields = sorts_0,
     .sort_field_count = 3,
     .visible_from = "at"},
    {.filter_fields = filters_1,
     .filter_field_count = 3,
     .sort_fields = sorts_1,
     .sort_field_count = 4,
     .visible_from = NULL},
    {.filter_fields = filters_0,
     .filter_field_count = 4,
     .sort_fields = sorts_2,
     .sort_field_count = 3,
     .visible_from = "seen"},
    {.filter_fields = filters_0,
     .filter_field_count = 3,
     .sort_fields = sorts_3,
     .sort_field_count = 3,
     .visible_from = NULL},
    {.filter_fields = filters_4,
     .filter_field_count = 4,
     .sort_fields = sorts_0,
     .sort_field_count = 3,
     .visible_from = "at"},
};

static struct engine *
make_engine(int index)
{
    struct engine *engine = NULL;
    struct error err;
    const struct engine_options options = {&indexes[index], FIXTURE_PARTITION, FIXTURE_PARTITIONS,
                                           1 << 20};
    assert_int_equal(engine_create(&options, &engine, &err), 0);
    engine_advance(engine, 50);
    return engine;
}

/* Ops on fields that the index does not have change nothing. `#` in a form stands for a number. */
static void
apply_random(struct engine **engines, int count)
{
    static const char *const forms[] = {
        "[{'op':'alive'}]",
        "[{'op':'delete'}]",
        "[{'op':'set','field':'level','value':#}]",
        "[{'op':'alive'},{'op':'add','field':'tags','value':#}]",
        "[{'op':'remove','field':'tags','value':#}]",
        "[{'op':'set','field':'kind','value':'k#'}]",
        "[{'op':'set','field':'flag','value':true}]",
        "[{'op':'alive'},{'op':'set','field':'at','value':#}]",
        "[{'op':'set','field':'seen','value':#}]",
        "[{'op':'set','field':'at','value':null}]",
        "[{'op':'queryOpSet','query':'level eq 3','ops':[{'op':'set','field':'seen','value':#}]}]",
    };
    struct buffer json = {0};
    int64_t slot = (int64_t)random_below(SLOTS);
    for (const char *at = forms[random_below(COUNT_OF(forms))]; *at != '\0'; at++) {
        if (*at == '#')
            buffer_append_format(&json, "%d", (int)random_below(100));
        else
            buffer_append(&json, at, 1);
    }
    for (int i = 0; i < count; i++)
        fixture_apply(engines[i], fixture_entity(slot), buffer_string(&json));
    buffer_free(&json);
}

/* The member of that name in the text of an entity; empty: it has none. */
static struct text
member_of(const char *text, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(text, key);
    if (at == NULL)
        return (struct text){NULL, 0};
    at += strlen(key);
    bool in_array = *at == '[';
    const char *end = at + strcspn(at, in_array ? "]" : ",");
    return (struct text){at, (size_t)(end - at) + in_array};
}

static bool
is_kept(const struct field_set *kept, const struct config_fields *fields, uint32_t field)
{
    return field_set_has(kept, field) && !field_set_has(&fields->computed, field);
}

/* Gives `to` what `from` has in the kept fields. */
static void
copy_by_ops(const struct engine *from, struct engine *to, const struct config_fields *fields,
            const struct field_set *kept)
{
    struct buffer text = {0}, json = {0};
    for (int64_t slot = 0; slot < SLOTS; slot++) {
        const char *entity = fixture_entity_text(from, fixture_entity(slot), &text);
        buffer_clear(&json);
        buffer_append_text(&json, entity[0] == '!' ? "[" : "[{'op':'alive'},");
        for (uint32_t i = 0; i < fields->count; i++) {
            struct text value = member_of(entity, fields->names[i]);
            if (is_kept(kept, fields, i) && value.bytes > 0)
                buffer_append_format(&json, "{'op':'set','field':'%s','value':%.*s},",
                                     fields->names[i], TEXT_ARGS(value));
        }
        json.bytes--;
        buffer_append_text(&json, "]");
        if (json.bytes > 2)
            fixture_apply(to, fixture_entity(slot), buffer_string(&json));
    }
    buffer_free(&text);
    buffer_free(&json);
}

static void
assert_same(const struct engine *a, const struct engine *b)
{
    struct buffer left = {0}, right = {0};
    for (int64_t slot = 0; slot < SLOTS; slot++) {
        int64_t id = fixture_entity(slot);
        assert_string_equal(fixture_entity_text(a, id, &left), fixture_entity_text(b, id, &right));
        assert_int_equal(engine_is_visible(a, id), engine_is_visible(b, id));
    }
    static const char *const queries[] = {
        "{'sort':{'field':'best'},'limit':100}",
        "{'filters':[{'Gte':['seen',30]}],'sort':{'field':'at','direction':'Asc'},'limit':100}",
        "{'filters':[{'IsNotNull':'tags'},{'Not':{'In':['tags',[1,2,3,4,5,6,7,8,9]]}}]}",
    };
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        assert_string_equal(fixture_query(a, queries[i], &left),
                            fixture_query(b, queries[i], &right));
    buffer_free(&left);
    buffer_free(&right);
}

static void
change(int old_index, int new_index)
{
    struct engine *old = make_engine(old_index), *copy = make_engine(old_index);
    struct engine *engines[2] = {old, copy};
    struct config_fields fields;
    struct field_set kept;
    for (int i = 0; i < OPS; i++)
        apply_random(engines, 2);
    struct engine *changed = make_engine(new_index), *wanted = make_engine(new_index);
    config_fields_init(&fields, &indexes[new_index]);
    engine_change(changed, old, &kept);
    engine_destroy(old);
    copy_by_ops(copy, wanted, &fields, &kept);
    engine_destroy(copy);
    assert_same(changed, wanted);
    engines[0] = changed;
    engines[1] = wanted;
    for (int i = 0; i < OPS; i++)
        apply_random(engines, 2);
    assert_same(changed, wanted);
    engine_destroy(changed);
    engine_destroy(wanted);
    config_fields_free(&fields);
}

static void
test_kept_fields_have_their_values_and_the_others_none(void **state)
{
    (void)state;
    while (random_round(5))
        for (int from = 0; from < INDEXES; from++)
            for (int to = 0; to < INDEXES; to++)
                change(from, to);
}

static void
assert_kept(int from, int to, const char *names)
{
    struct engine *old = make_engine(from), *changed = make_engine(to);
    struct config_fields fields;
    struct field_set kept;
    struct buffer list = {0};
    config_fields_init(&fields, &indexes[to]);
    engine_change(changed, old, &kept);
    for (uint32_t i = 0; i < fields.count; i++)
        if (is_kept(&kept, &fields, i))
            buffer_append_format(&list, "%s ", fields.names[i]);
    assert_string_equal(buffer_string(&list), names);
    buffer_free(&list);
    config_fields_free(&fields);
    engine_destroy(old);
    engine_destroy(changed);
}

static void
test_a_field_is_kept_if_it_is_declared_in_the_same_way(void **state)
{
    (void)state;
    assert_kept(0, 0, "level tags kind flag at seen ");
    assert_kept(0, 1, "flag tags seen at ");
    assert_kept(0, 2, "level tags kind flag ");
    assert_kept(0, 3, "level tags kind seen ");
    assert_kept(3, 0, "level tags kind seen ");
    assert_kept(0, 4, "level tags kind flag at seen ");
    assert_kept(4, 0, "level tags kind flag at seen ");
}

static void
assert_found(const struct engine *engine, const char *json, const char *wanted)
{
    struct buffer out = {0};
    assert_string_equal(fixture_query(engine, json, &out), wanted);
    buffer_free(&out);
}

/* From an engine of one index to one of another, which only says something else of queries. */
static void
test_the_settings_of_queries_keep_every_value(void **state)
{
    (void)state;
    struct engine *engine = make_engine(0);
    static const char *const kinds[] = {"'Kilo'", "'\xe2\x84\xaaILO'", "'gram'", "null"};
    for (int slot = 0; slot < 4; slot++) {
        struct buffer json = {0};
        buffer_append_format(&json, "[{'op':'alive'},{'op':'set','field':'kind','value':%s}]",
                             kinds[slot]);
        fixture_apply(engine, fixture_entity(slot), buffer_string(&json));
        buffer_free(&json);
    }
    for (int round = 0; round < 3; round++) {
        bool changed = round % 2 != 0;
        assert_found(engine, "{'filters':[{'Eq':['kind','kilo']}]}", changed ? "4,1/2" : "/0");
        assert_found(engine, "{'filters':[{'NotIn':['kind',['KILO']]}]}",
                     changed ? "10,7/2" : "10,7,4,1/4");
        assert_found(engine, "{'filters':[{'NotEq':['flag',true]}]}",
                     changed ? "/0" : "10,7,4,1/4");
        struct engine *next = make_engine(changed ? 0 : 4);
        struct field_set kept;
        engine_change(next, engine, &kept);
        engine_destroy(engine);
        engine = next;
    }
    engine_destroy(engine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_field_is_kept_if_it_is_declared_in_the_same_way),
        cmocka_unit_test(test_the_settings_of_queries_keep_every_value),
        cmocka_unit_test(test_kept_fields_have_their_values_and_the_others_none),
    };
    random_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
