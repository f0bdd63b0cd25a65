/* Dictionaries whose texts come and go (F112): codes stay while they are held, then serve again. */
#include "tests/unit/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "consumer/engine/store/case_fold.h"
#include "consumer/engine/store/case_index.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

enum { TEXTS = 60, STEPS = 3000 };

/* Which of the texts "T0", "t1", "T2", ... are held, and their codes. */
struct model {
    struct dictionary dictionary;
    struct case_index cases;
    bool held[TEXTS];
    bool known[TEXTS];
    uint32_t codes[TEXTS];
};

static bool
model_holds(const void *context, uint32_t code)
{
    const struct model *model = context;
    for (int i = 0; i < TEXTS; i++)
        if (model->known[i] && model->codes[i] == code)
            return model->held[i];
    return false;
}

static const char *
model_text(int i)
{
    static char text[16];
    snprintf(text, sizeof text, "%c%d", i % 2 == 0 ? 'T' : 't', i / 2); /* pairs differ by case */
    return text;
}

static void
model_add(struct model *model, int i)
{
    uint32_t code = dictionary_add(&model->dictionary, text_of(model_text(i)));
    case_index_add(&model->cases, &model->dictionary, code);
    if (model->known[i])
        assert_int_equal(code, model->codes[i]); /* it never changes while it is known */
    model->codes[i] = code;
    model->known[i] = true;
    model->held[i] = true;
}

static void
model_drop(struct model *model)
{
    uint32_t held = 0;
    dictionary_drop(&model->dictionary, model_holds, model);
    for (int i = 0; i < TEXTS; i++) {
        model->known[i] = model->held[i];
        held += model->held[i];
    }
    assert_int_equal(model->dictionary.live, held);
    case_index_free(&model->cases);
    case_index_follow(&model->cases, &model->dictionary);
}

/* Among the texts that equal the text of `i` without regard to case. */
static bool
model_finds_by_case(const struct model *model, int i)
{
    uint32_t code;
    struct buffer folded = {0};
    bool found = false;
    case_fold(text_of(model_text(i)), &folded);
    if (case_index_find(&model->cases, (struct text){(char *)folded.data, folded.bytes}, &code))
        do
            found = found || (model->known[i] && code == model->codes[i]);
        while (case_index_next(&model->cases, &code));
    buffer_free(&folded);
    return found;
}

static void
model_check(const struct model *model)
{
    for (int i = 0; i < TEXTS; i++) {
        uint32_t code;
        bool found = dictionary_find(&model->dictionary, text_of(model_text(i)), &code);
        assert_int_equal(found, model->known[i]);
        assert_int_equal(model_finds_by_case(model, i), model->known[i]);
        if (!found)
            continue;
        assert_int_equal(code, model->codes[i]);
        assert_true(text_is(dictionary_text(&model->dictionary, code), model_text(i)));
    }
}

static void
test_F112_codes_stay_while_they_are_held(void **state)
{
    (void)state;
    random_seed();
    struct model model = {0};
    for (int step = 0; step < STEPS; step++) {
        int i = (int)random_below(TEXTS);
        uint64_t what = random_below(20);
        if (what == 0)
            model_drop(&model);
        else if (what < 10)
            model_add(&model, i);
        else
            model.held[i] = false;
        if (step % 16 == 0)
            model_check(&model);
    }
    assert_true(model.dictionary.count <= TEXTS);
    for (int i = 0; i < TEXTS; i++)
        model.held[i] = false;
    model_drop(&model);
    assert_int_equal(model.dictionary.count, 0);
    assert_int_equal(model.dictionary.arena.used_bytes, 0);
    case_index_free(&model.cases);
    dictionary_free(&model.dictionary);
}

/* One entity has a thousand types in turn, beside one that keeps its own. */
static void
test_F112_strings_that_nothing_holds_leave_the_index(void **state)
{
    struct world *world = *state;
    struct engine_stats stats;
    struct buffer image = {0};
    world_apply(world, 1, "[{'op':'alive'},{'op':'set','field':'type','value':'Kept'}]");
    world_apply(world, 2, "[{'op':'alive'},{'op':'set','field':'type','value':'last'}]");
    fixture_save(world->engine, &image);
    size_t wanted_bytes = image.bytes;
    engine_read_stats(world->engine, &stats);
    uint64_t memory_bytes = stats.memory_bytes;
    for (int i = 0; i < 1000; i++) {
        char ops[100];
        engine_begin_rows(world->engine);
        snprintf(ops, sizeof ops, "[{'op':'set','field':'type','value':'Type-%d-%032d'}]", i, i);
        world_apply(world, 2, ops);
        engine_end_rows(world->engine);
    }
    assert_query(world, "{'filters':[{'Eq':['type','TYPE-999-00000000000000000000000000000999']}]}",
                 "7/1");
    world_apply(world, 2, "[{'op':'set','field':'type','value':'last'}]");
    engine_read_stats(world->engine, &stats);
    assert_true(stats.memory_bytes < memory_bytes + 16384); /* a thousand texts have 40,000 bytes */
    fixture_save(world->engine, &image);
    assert_true(image.bytes < wanted_bytes + 2000); /* free codes below that of "last" */
    world_restart(world, 0);
    assert_query(world, "{'filters':[{'Eq':['type','kept']}]}", "4/1");
    assert_query(world, "{'filters':[{'Eq':['type','LAST']}]}", "7/1");
    assert_query(world, "{'filters':[{'Eq':['type','type-5-00000000000000000000000000000005']}]}",
                 "/0");
    world_apply(world, 3, "[{'op':'alive'},{'op':'set','field':'type','value':'new'}]");
    assert_query(world, "{'filters':[{'Eq':['type','NEW']}]}", "10/1");
    assert_query(world, "{'filters':[{'Eq':['type','LAST']}]}", "7/1");
    buffer_free(&image);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F112_codes_stay_while_they_are_held),
        WORLD_TEST(test_F112_strings_that_nothing_holds_leave_the_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
