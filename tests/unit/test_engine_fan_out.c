#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/engine_fixture.h"
#include "tests/unit/random_input.h"

/* Half of the slots have level 0, half 1; one in 30 has 2 and one in 100 has 3, too few for whole
 * bitmaps. So many slots of a block match, or one, or none. The last slots all have level 0. */
enum { SLOTS = 3000, FAN_OUTS = 25, LEVELS = 4, TAGS_MAX = 24, WHOLE = 500 };

static int levels[SLOTS];

static struct engine *by_fan_out;
static struct engine *by_rows; /* gets the same ops row by row; both must be equal */

/* From a small range, so that some are equal, or of any size. */
static long long
random_tag(void)
{
    if (random_below(2) == 0)
        return (long long)random_below(12) - 3;
    return (long long)random_next() >> random_below(64);
}

static void
random_tags(struct buffer *json, uint64_t count)
{
    buffer_append_text(json, "[");
    for (uint64_t i = 0; i < count; i++)
        buffer_append_format(json, "%s%lld", i > 0 ? "," : "", random_tag());
    buffer_append_text(json, "]");
}

/* Times from a small range, so that some are equal, on both sides of 0. */
static void
random_time(struct buffer *json, const char *kind, const char *field)
{
    buffer_append_format(json, "{'op':'%s','field':'%s','value':", kind, field);
    if (random_below(4) == 0 && strcmp(kind, "set") == 0)
        buffer_append_text(json, "null}");
    else
        buffer_append_format(json, "%lld}", (long long)random_below(30) - 12);
}

static void
append_nested(struct buffer *json)
{
    static const char *const kinds[] = {"add", "remove", "remove", "set"};
    static const char *const times[] = {"existedAt", "publishedAt", "score"};
    uint64_t choice = random_below(8);
    if (choice == 0) {
        buffer_append_text(json, "{'op':'set','field':'tagIds','value':null}");
    } else if (choice < 5) {
        buffer_append_format(json, "{'op':'%s','field':'tagIds','value':", kinds[random_below(4)]);
        if (random_below(2) == 0)
            random_tags(json, random_below(6));
        else
            buffer_append_format(json, "%lld", random_tag());
        buffer_append_text(json, "}");
    } else {
        random_time(json, random_below(3) > 0 ? "set" : "remove", times[random_below(3)]);
    }
}

static void
load_slot(int slot)
{
    struct buffer json = {0};
    levels[slot] = random_below(30) == 0 ? 2 : random_below(100) == 0 ? 3 : (int)random_below(2);
    if (slot >= SLOTS - WHOLE)
        levels[slot] = 0;
    buffer_append_format(&json, "[{'op':'alive'},{'op':'set','field':'nsfwLevel','value':%d},",
                         levels[slot]);
    buffer_append_text(&json, "{'op':'set','field':'tagIds','value':");
    random_tags(&json, random_below(random_below(2) == 0 ? 3 : TAGS_MAX));
    buffer_append_text(&json, "},");
    random_time(&json, "set", "existedAt");
    buffer_append_text(&json, ",");
    random_time(&json, "set", "publishedAt");
    buffer_append_text(&json, ",");
    random_time(&json, "set", "score");
    buffer_append_text(&json, "]");
    fixture_apply(by_fan_out, fixture_entity(slot), buffer_string(&json));
    fixture_apply(by_rows, fixture_entity(slot), buffer_string(&json));
    buffer_free(&json);
}

static void
apply_random_fan_out(struct buffer *json)
{
    struct buffer whole = {0};
    int level = (int)random_below(LEVELS + 1); /* or of all */
    buffer_clear(json);
    buffer_append_text(json, "[");
    for (uint64_t left = 1 + random_below(2); left > 0; left--) {
        append_nested(json);
        buffer_append_text(json, left > 1 ? "," : "]");
    }
    buffer_append_format(&whole, "[{'op':'queryOpSet','query':'nsfwLevel IN [%d%s]','ops':%s}]",
                         level % LEVELS, level == LEVELS ? ", 1, 2, 3" : "", buffer_string(json));
    fixture_apply(by_fan_out, 0, buffer_string(&whole));
    for (int slot = 0; slot < SLOTS; slot++) {
        if (level == LEVELS || levels[slot] == level)
            fixture_apply(by_rows, fixture_entity(slot), buffer_string(json));
    }
    buffer_free(&whole);
}

static void
check_query(const char *query, const char *ops)
{
    struct buffer found = {0}, wanted = {0};
    fixture_query(by_fan_out, query, &found);
    fixture_query(by_rows, query, &wanted);
    if (strcmp(buffer_string(&found), buffer_string(&wanted)) != 0)
        fail_msg("%s after %s", query, ops);
    buffer_free(&found);
    buffer_free(&wanted);
}

static void
check_entities(const char *ops)
{
    struct buffer found = {0}, wanted = {0};
    for (int slot = 0; slot < SLOTS; slot++) {
        fixture_entity_text(by_fan_out, fixture_entity(slot), &found);
        fixture_entity_text(by_rows, fixture_entity(slot), &wanted);
        if (strcmp(buffer_string(&found), buffer_string(&wanted)) != 0)
            fail_msg("%s is not %s after %s", buffer_string(&found), buffer_string(&wanted), ops);
    }
    buffer_free(&found);
    buffer_free(&wanted);
}

/* The values of the sets and columns, the slices, the bitmaps of tags, who has any, who is seen. */
static void
check_engines(const char *ops)
{
    struct engine_field_stats found, wanted;
    char query[100];
    check_entities(ops);
    check_query("{'sort':{'field':'sortAt'},'limit':100}", ops);
    check_query("{'sort':{'field':'firstAt','direction':'Asc'},'limit':100}", ops);
    check_query("{'filters':[{'Gt':['sortAt',-2]}],'limit':10000}", ops);
    check_query("{'filters':[{'Lt':['firstAt',-2]}],'limit':10000}", ops);
    check_query("{'filters':[{'IsNull':'tagIds'}],'limit':10000}", ops);
    for (int tag = -3; tag < 9; tag++) {
        snprintf(query, sizeof query, "{'filters':[{'Eq':['tagIds',%d]}],'limit':10000}", tag);
        check_query(query, ops);
    }
    for (uint32_t field = 0; engine_read_field_stats(by_rows, field, &wanted); field++) {
        assert_true(engine_read_field_stats(by_fan_out, field, &found));
        assert_int_equal(found.slots, wanted.slots);
        assert_int_equal(found.values, wanted.values);
    }
}

static void
test_a_fan_out_does_what_its_ops_do_to_each_row(void **state)
{
    struct buffer ops = {0};
    (void)state;
    while (random_round(2)) {
        by_fan_out = fixture_engine();
        by_rows = fixture_engine();
        engine_advance(by_fan_out, 5);
        engine_advance(by_rows, 5);
        for (int slot = 0; slot < SLOTS; slot++)
            load_slot(slot);
        for (int i = 0; i < FAN_OUTS; i++) {
            for (int slot = 0; slot < SLOTS; slot += 1 + (int)random_below(4))
                load_slot(slot);
            apply_random_fan_out(&ops);
            check_engines(buffer_string(&ops));
        }
        engine_destroy(by_fan_out);
        engine_destroy(by_rows);
    }
    buffer_free(&ops);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fan_out_does_what_its_ops_do_to_each_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
