#include "tests/unit/unit_test.h"

#include <stdio.h>

#include "common/base/memory.h"
#include "tests/unit/engine_fixture.h"

/* Some slots of a value with many, two of a value with few, and the only slot of a value are swept.
 * Slots that are written again have none of their old values. */
static void
test_F72_a_sweep_removes_its_slots_from_every_value(void **state)
{
    enum { SLOTS = 8000, EVERY = 40, TAGS = 10 };
    struct engine *engine = fixture_engine();
    struct buffer out = {0};
    struct engine_field_stats stats;
    char json[256], wanted[32];
    (void)state;
    for (int slot = 0; slot < SLOTS; slot++) {
        snprintf(json, sizeof json,
                 "[{'op':'alive'},{'op':'set','field':'tagIds','value':[%d,%d]},"
                 "{'op':'set','field':'postId','value':%d}]",
                 slot % TAGS, TAGS + slot, slot / EVERY);
        fixture_apply(engine, fixture_entity(slot), json);
    }
    for (int slot = 0; slot < SLOTS; slot += EVERY / 2)
        fixture_apply(engine, fixture_entity(slot), "[{'op':'delete'}]");
    engine_sweep(engine);
    for (int slot = 0; slot < SLOTS; slot += EVERY / 2)
        fixture_apply(engine, fixture_entity(slot), "[{'op':'alive'}]");
    for (int tag = 0; tag < TAGS; tag++) {
        snprintf(json, sizeof json, "{'filters':[{'Eq':['tagIds',%d]}],'limit':0}", tag);
        snprintf(wanted, sizeof wanted, "/%d", SLOTS / TAGS - (tag == 0 ? 2 * SLOTS / EVERY : 0));
        assert_string_equal(fixture_query(engine, json, &out), wanted);
    }
    assert_string_equal(fixture_query(engine, "{'filters':[{'Eq':['postId',7]}],'limit':0}", &out),
                        "/38");
    engine_read_field_stats(engine, 2, &stats);
    assert_int_equal(stats.values, TAGS + SLOTS - 2 * SLOTS / EVERY);
    assert_int_equal(stats.slots, SLOTS - 2 * SLOTS / EVERY);
    buffer_free(&out);
    engine_destroy(engine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F72_a_sweep_removes_its_slots_from_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
