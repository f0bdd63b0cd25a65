/* Which fields triggers cover: those in place, however old, and only as a whole. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "producer/triggers/covered.h"
#include "tests/unit/random_input.h"

#define TABLE "\"public\".\"Image\""
#define CHILD "\"public\".\"Post\""
#define WRITES(field) "x '[{\"op\": \"set\", \"field\": \"" field "\", \"value\": ' || y"
#define MARK(fields) "bitdex-producer triggers, outbox \"public\", covers [" fields "] sha256 00"
#define ALL MARK("\"url\",\"type\",\"\"")
#define VALUES MARK("\"url\",\"type\"")
#define TRIGGER(table, function, on_events)                                                       \
    {                                                                                             \
        .kind = OBJECT_TRIGGER, .on = table, .identity = "TRIGGER \"old\" ON " table, .mark = "", \
        .body = function, .events = on_events                                                     \
    }
#define ALIVE "x '[{\"op\": \"alive\"}]'"

enum { ROWS = TRIGGER_ON_INSERT | TRIGGER_ON_DELETE, UPDATE = TRIGGER_ON_UPDATE };

/* An entry of two fields that sets alive; with `child`, also objects on a child table. */
struct fixture {
    struct arena arena;
    struct config_trigger trigger;
    struct entry entry;
    struct entry_value values[2];
    struct trigger_object objects[4];
    struct reconcile_plan plan;
};

static void
fixture_begin(struct fixture *fixture, bool has_child)
{
    *fixture = (struct fixture){0};
    arena_init(&fixture->arena);
    fixture->trigger.sets_alive = true;
    fixture->values[0].target = "url";
    fixture->values[1].target = "type";
    fixture->entry =
        (struct entry){.trigger = &fixture->trigger, .values = fixture->values, .value_count = 2};
    const struct trigger_object objects[] = {
        {.kind = OBJECT_TRIGGER, .on = TABLE, .identity = "new 0", .mark = ALL, .events = ROWS},
        {.kind = OBJECT_TRIGGER, .on = TABLE, .identity = "new 1", .mark = ALL, .events = UPDATE},
        {.kind = OBJECT_TRIGGER,
         .on = TABLE,
         .identity = "new 2",
         .mark = "",
         .events = TRIGGER_ON_TRUNCATE},
        {.kind = OBJECT_TRIGGER,
         .on = CHILD,
         .identity = "new 3",
         .mark = VALUES,
         .events = TRIGGER_ON_INSERT},
    };
    memcpy(fixture->objects, objects, sizeof objects);
    uint32_t count = has_child ? 4 : 3;
    for (uint32_t i = 0; i + 1 < count; i++)
        fixture->objects[i].next = &fixture->objects[i + 1];
    fixture->plan = (struct reconcile_plan){.entries = &fixture->entry, .entry_count = 1};
    fixture->plan.objects.first = fixture->objects;
    fixture->plan.objects.count = count;
}

/* `wanted`: the names with a comma after each. */
static void
check_covered(bool has_child, const struct in_place_object *triggers, uint32_t count,
              const char *wanted)
{
    struct fixture fixture;
    struct covered_fields fields;
    struct buffer names = {0};
    fixture_begin(&fixture, has_child);
    covered_fields_find(&fixture.plan, &(struct in_place){triggers, count}, &fixture.arena,
                        &fields);
    for (uint32_t i = 0; i < fields.count; i++)
        buffer_append_format(&names, "%.*s,", TEXT_ARGS(fields.names[i]));
    assert_string_equal(buffer_string(&names), wanted);
    buffer_free(&names);
    arena_free(&fixture.arena);
}

static void
check_missing(const struct text *names, uint32_t count, uint32_t wanted, const char *wanted_first)
{
    static const struct config_tracked_field fields[] = {{.target = "url"}, {.target = "type"}};
    static const struct config_trigger triggers[] = {
        {.sets_alive = true, .track_fields = fields, .track_field_count = 2},
        {.kind = TRIGGER_JOIN, .field = "tags"},
        {.kind = TRIGGER_JOIN, .field = "tags"}, /* in another way, and counted once */
    };
    static const struct config config = {.triggers = triggers, .trigger_count = 3};
    const struct covered_fields covered = {names, count};
    struct text first = TEXT("not set");
    assert_int_equal(covered_fields_missing(&covered, &config, &first), wanted);
    assert_true(text_is(first, wanted_first));
}

static void
test_F115_the_missing_fields_are_counted(void **state)
{
    (void)state;
    const struct text names[] = {TEXT("type"), TEXT("tags"), TEXT("url"), TEXT("")};
    check_missing(NULL, 0, 4, "url");
    check_missing(names, 1, 3, "url");
    check_missing(names + 2, 2, 2, "type");
    check_missing(names, 3, 1, "");
    check_missing(names, 4, 0, "not set");
}

static void
test_triggers_for_all_events_cover_what_they_write(void **state)
{
    (void)state;
    const struct in_place_object triggers[] = {
        TRIGGER(TABLE, ALIVE WRITES("url") WRITES("type"), ROWS),
        TRIGGER(TABLE, ALIVE WRITES("url") WRITES("type"), UPDATE),
    };
    check_covered(false, triggers, 2, ",url,type,");
    check_covered(false, triggers, 1, "");
    check_covered(false, triggers + 1, 1, "");
    check_covered(false, NULL, 0, "");
}

/* An added field is not covered before `triggers apply`, and the others stay covered. */
static void
test_a_field_that_the_triggers_do_not_write_is_not_covered(void **state)
{
    (void)state;
    const struct in_place_object triggers[] = {
        TRIGGER(TABLE, ALIVE WRITES("url"), ROWS | UPDATE),
        TRIGGER(TABLE, WRITES("type"), UPDATE),
    };
    check_covered(false, triggers, 2, ",url,");
}

static void
test_a_trigger_that_is_disabled_or_on_another_table_covers_nothing(void **state)
{
    (void)state;
    const struct in_place_object triggers[] = {
        TRIGGER(TABLE, ALIVE WRITES("url") WRITES("type"), 0),
        TRIGGER(CHILD, ALIVE WRITES("url") WRITES("type"), ROWS | UPDATE),
    };
    check_covered(false, triggers, 2, "");
}

static void
test_a_child_table_needs_its_triggers_too(void **state)
{
    (void)state;
    const struct in_place_object triggers[] = {
        TRIGGER(TABLE, ALIVE WRITES("url") WRITES("type"), ROWS | UPDATE),
        TRIGGER(CHILD, WRITES("type"), TRIGGER_ON_INSERT),
    };
    check_covered(true, triggers, 1, ",");
    check_covered(true, triggers, 2, ",type,");
}

/* The original's functions build their ops. */
static void
test_other_forms_of_an_op_are_recognised(void **state)
{
    (void)state;
    const struct in_place_object triggers[] = {
        TRIGGER(TABLE, "jsonb_build_object('op', 'set', 'field', 'url', 'value', 1)",
                ROWS | UPDATE),
        TRIGGER(TABLE, "'{\"op\":\"set\",\"field\":\"type\"}'", ROWS | UPDATE),
        TRIGGER(TABLE, "jsonb_build_object('op','alive')", ROWS | UPDATE),
    };
    check_covered(false, triggers, COUNT_OF(triggers), ",url,type,");
}

/* A trigger of the configuration whose function says something else covers nothing. */
static void
test_F99_a_trigger_whose_function_was_replaced_covers_nothing(void **state)
{
    (void)state;
#define NAMED "TRIGGER \"a\" ON " TABLE
#define CALLS "\"public\".\"f\"()"
    struct fixture fixture;
    fixture_begin(&fixture, false);
    struct trigger_object function = {.kind = OBJECT_FUNCTION,
                                      .identity = "FUNCTION " CALLS,
                                      .body = "as generated",
                                      .next = &fixture.objects[0]};
    fixture.objects[0].identity = NAMED;
    fixture.objects[0].sql = "CREATE TRIGGER EXECUTE FUNCTION " CALLS;
    fixture.objects[0].events = ROWS | UPDATE;
    fixture.objects[0].next = NULL;
    fixture.plan.objects.first = &function;
    static const char *const bodies[] = {"as generated", "RETURN NULL", "as generated"};
    static const char *const calls[] = {CALLS, CALLS, "\"public\".\"g\"()"};
    static const uint32_t wanted[] = {3, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        const struct in_place_object trigger = {.kind = OBJECT_TRIGGER,
                                                .on = TABLE,
                                                .identity = NAMED,
                                                .mark = ALL,
                                                .body = bodies[i],
                                                .function = calls[i],
                                                .events = ROWS | UPDATE};
        struct covered_fields fields;
        covered_fields_find(&fixture.plan, &(struct in_place){&trigger, 1}, &fixture.arena,
                            &fields);
        assert_int_equal(fields.count, wanted[i]);
    }
    arena_free(&fixture.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F99_a_trigger_whose_function_was_replaced_covers_nothing),
        cmocka_unit_test(test_F115_the_missing_fields_are_counted),
        cmocka_unit_test(test_triggers_for_all_events_cover_what_they_write),
        cmocka_unit_test(test_a_field_that_the_triggers_do_not_write_is_not_covered),
        cmocka_unit_test(test_a_trigger_that_is_disabled_or_on_another_table_covers_nothing),
        cmocka_unit_test(test_a_child_table_needs_its_triggers_too),
        cmocka_unit_test(test_other_forms_of_an_op_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
