/* What changes between the objects that should exist and those in place: order, groups, reasons. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "producer/triggers/mark.h"
#include "producer/triggers/reconcile.h"

#define TABLE "\"public\".\"Image\""
#define OTHER "\"public\".\"Post\""
#define PARTITION "\"public\".\"Image_1\""
#define MARK "bitdex-producer triggers, outbox \"public\", sha256 0a"

enum { VIEW, SLOT, CHANGES, FUNCTION, TRIGGER, GUARD, OBJECTS };

/* The objects of one table that has a partition, and what is in place of them. */
struct fixture {
    struct arena arena;
    struct trigger_object objects[OBJECTS];
    struct in_place_object found[OBJECTS + 1];
    uint32_t found_count;
    struct trigger_objects wanted;
    struct reconcile_changes changes;
};

static const struct trigger_object planned[OBJECTS] = {
    [VIEW] = {.kind = OBJECT_VIEW,
              .name = "bitdex_v",
              .identity = "VIEW \"public\".\"bitdex_v\"",
              .sql = "CREATE VIEW \"public\".\"bitdex_v\""},
    [SLOT] = {.kind = OBJECT_ROW_FUNCTION,
              .name = "bitdex_slot",
              .identity = "FUNCTION \"public\".\"bitdex_slot\"(" TABLE ")",
              .sql = "CREATE FUNCTION \"public\".\"bitdex_slot\"(" TABLE ")"},
    [CHANGES] = {.kind = OBJECT_ROW_FUNCTION,
                 .name = "bitdex_changes",
                 .identity = "FUNCTION \"public\".\"bitdex_changes\"(" TABLE ", " TABLE ")",
                 .sql = "CREATE FUNCTION \"public\".\"bitdex_changes\"(" TABLE ", " TABLE ")"},
    [FUNCTION] = {.kind = OBJECT_FUNCTION,
                  .name = "bitdex_f",
                  .identity = "FUNCTION \"public\".\"bitdex_f\"()",
                  .body = "calls bitdex_slot and bitdex_changes, reads bitdex_v",
                  .sql = "CREATE FUNCTION \"public\".\"bitdex_f\"()"},
    [TRIGGER] = {.kind = OBJECT_TRIGGER,
                 .on = TABLE,
                 .name = "bitdex_t",
                 .identity = "TRIGGER \"bitdex_t\" ON " TABLE,
                 .events = TRIGGER_ON_UPDATE,
                 .sql = "CREATE TRIGGER \"bitdex_t\" ON " TABLE
                        " EXECUTE FUNCTION \"public\".\"bitdex_f\"()"},
    [GUARD] = {.kind = OBJECT_TRIGGER,
               .on = PARTITION,
               .name = "bitdex_g",
               .identity = "TRIGGER \"bitdex_g\" ON " PARTITION,
               .events = TRIGGER_ON_TRUNCATE,
               .sql = "CREATE TRIGGER \"bitdex_g\" ON " PARTITION
                      " EXECUTE FUNCTION \"public\".\"bitdex_f\"()"},
};

/* Everything is in place, in the order in which it can be dropped. */
static void
fixture_begin(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    arena_init(&fixture->arena);
    memcpy(fixture->objects, planned, sizeof planned);
    for (int i = 0; i < OBJECTS; i++) {
        struct trigger_object *object = &fixture->objects[i];
        object->table = TABLE;
        object->mark = MARK;
        object->why = "why";
        trigger_objects_add(&fixture->wanted, object);
        fixture->found[OBJECTS - 1 - i] = (struct in_place_object){
            .kind = object->kind,
            .table = TABLE,
            .name = object->name,
            .identity = object->identity,
            .mark = MARK,
            .body = object->body != NULL ? object->body : "",
            .is_set = true,
            .on = object->on != NULL ? object->on : "",
            .function = object->on != NULL ? "\"public\".\"bitdex_f\"()" : "",
            .events = object->events,
            .disabled = "",
        };
    }
    fixture->found_count = OBJECTS;
}

static struct in_place_object *
found(struct fixture *fixture, int object)
{
    return &fixture->found[OBJECTS - 1 - object];
}

/* Compares, and checks the labels, a line each, up to the reason; every change is of TABLE. */
static void
check_labels(struct fixture *fixture, const char *wanted)
{
    struct buffer labels = {0};
    const struct in_place in_place = {fixture->found, fixture->found_count};
    reconcile_compare_objects(&fixture->wanted, &in_place, &fixture->arena, &fixture->changes);
    for (const struct reconcile_change *change = fixture->changes.first; change != NULL;
         change = change->next) {
        buffer_append_format(&labels, "%.*s\n", (int)strcspn(change->label, ":"), change->label);
        assert_string_equal(change->table, TABLE);
    }
    assert_string_equal(buffer_string(&labels), wanted);
    buffer_free(&labels);
}

static const char *
label(const struct fixture *fixture, uint32_t number)
{
    const struct reconcile_change *change = fixture->changes.first;
    for (; number > 0; number--)
        change = change->next;
    return change->label;
}

#define NAMED_VIEW "view \"public\".\"bitdex_v\"\n"
#define NAMED_SLOT "row function \"public\".\"bitdex_slot\"(" TABLE ")\n"
#define NAMED_CHANGES "row function \"public\".\"bitdex_changes\"(" TABLE ", " TABLE ")\n"
#define NAMED_FUNCTION "function \"public\".\"bitdex_f\"()\n"
#define NAMED_TRIGGER "trigger bitdex_t on " TABLE "\n"
#define NAMED_GUARD "trigger bitdex_g on " PARTITION "\n"

static void
test_F19_equal_objects_need_no_change(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    check_labels(&fixture, "");
    arena_free(&fixture.arena);
}

static void
test_F19_objects_are_created_in_their_order_and_dropped_in_reverse(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    fixture.found_count = 0;
    check_labels(&fixture, "+ " NAMED_VIEW "+ " NAMED_SLOT "+ " NAMED_CHANGES "+ " NAMED_FUNCTION
                           "+ " NAMED_TRIGGER "+ " NAMED_GUARD);
    arena_free(&fixture.arena);
    fixture_begin(&fixture);
    fixture.wanted = (struct trigger_objects){0};
    check_labels(&fixture, "- " NAMED_GUARD "- " NAMED_TRIGGER "- " NAMED_FUNCTION
                           "- " NAMED_CHANGES "- " NAMED_SLOT "- " NAMED_VIEW);
    assert_non_null(strstr(label(&fixture, 0), "not in the configuration"));
    assert_non_null(strstr(label(&fixture, 4), "nothing in the configuration needs it"));
    arena_free(&fixture.arena);
}

/* Triggers cannot stay when their function is dropped; the rest can. */
static void
test_an_edited_function_is_created_again_with_its_triggers(void **state)
{
    (void)state;
    static const char labels[] = "- " NAMED_GUARD "- " NAMED_TRIGGER "- " NAMED_FUNCTION
                                 "+ " NAMED_FUNCTION "+ " NAMED_TRIGGER "+ " NAMED_GUARD;
    for (int how = 0; how < 3; how++) {
        struct fixture fixture;
        fixture_begin(&fixture);
        struct in_place_object *function = found(&fixture, FUNCTION);
        function->body = how == 0 ? "something else" : function->body;
        function->mark = how == 1 ? "a comment" : function->mark;
        function->is_set = how != 2;
        check_labels(&fixture, labels);
        assert_non_null(strstr(label(&fixture, 1), "uses an object that was changed by hand"));
        assert_non_null(strstr(label(&fixture, 2), ": was changed by hand"));
        arena_free(&fixture.arena);
    }
}

static void
test_views_and_row_functions_with_another_mark_are_created_again_together(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    found(&fixture, SLOT)->mark = "another";
    check_labels(&fixture, "- " NAMED_CHANGES "- " NAMED_SLOT "- " NAMED_VIEW "+ " NAMED_VIEW
                           "+ " NAMED_SLOT "+ " NAMED_CHANGES);
    arena_free(&fixture.arena);
}

static void
test_F95_a_trigger_that_is_disabled_in_a_partition_says_where(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    found(&fixture, TRIGGER)->is_set = false;
    found(&fixture, TRIGGER)->events = 0;
    found(&fixture, TRIGGER)->disabled = PARTITION;
    check_labels(&fixture, "- " NAMED_TRIGGER "+ " NAMED_TRIGGER);
    assert_non_null(strstr(label(&fixture, 0), "is disabled on " PARTITION));
    arena_free(&fixture.arena);
}

/* DROP COLUMN ... CASCADE removes the view, row functions and triggers, but not the function. */
static void
test_F91_what_a_drop_with_cascade_removed_is_said(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    fixture.found[0] = *found(&fixture, FUNCTION);
    fixture.found_count = 1;
    check_labels(&fixture, "+ " NAMED_VIEW "+ " NAMED_SLOT "+ " NAMED_CHANGES "+ " NAMED_TRIGGER
                           "+ " NAMED_GUARD);
    for (uint32_t i = 0; i < 5; i++)
        assert_non_null(strstr(label(&fixture, i), "removed by hand, or by a DROP ... CASCADE"));
    arena_free(&fixture.arena);
}

/* A trigger that somebody has created again for other events, or with another function. */
static void
test_a_trigger_that_was_replaced_differs(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct fixture fixture;
        fixture_begin(&fixture);
        struct in_place_object *trigger = found(&fixture, TRIGGER);
        trigger->events = how == 0 ? TRIGGER_ON_INSERT : trigger->events;
        trigger->function = how == 1 ? "\"public\".\"mine\"()" : trigger->function;
        check_labels(&fixture, "- " NAMED_TRIGGER "+ " NAMED_TRIGGER);
        arena_free(&fixture.arena);
    }
}

/* A function whose trigger is gone is known to be of no table, unless the plan has it. */
static void
test_a_planned_object_is_dropped_with_its_table(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    fixture.found[0] = *found(&fixture, FUNCTION);
    fixture.found[0].table = "";
    fixture.found[0].body = "edited";
    fixture.found_count = 1;
    check_labels(&fixture, "- " NAMED_FUNCTION "+ " NAMED_VIEW "+ " NAMED_SLOT "+ " NAMED_CHANGES
                           "+ " NAMED_FUNCTION "+ " NAMED_TRIGGER "+ " NAMED_GUARD);
    arena_free(&fixture.arena);
}

static void
test_equal_objects_are_shared(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin(&fixture);
    struct trigger_object again = fixture.objects[VIEW];
    again.next = NULL;
    trigger_objects_add(&fixture.wanted, &again);
    assert_int_equal(fixture.wanted.count, OBJECTS);
    assert_null(again.next);
    assert_ptr_equal(trigger_objects_find(&fixture.wanted, OTHER), NULL);
    arena_free(&fixture.arena);
}

static void
check_mark(const char *schema, const char *const *fields, uint32_t count, const char *wanted)
{
    struct buffer mark = {0};
    mark_append(&mark, schema, fields, count, "0a");
    assert_string_equal(buffer_string(&mark), wanted);
    assert_int_equal(mark_has_fields(buffer_string(&mark)), fields != NULL);
    for (uint32_t i = 0; i < count; i++)
        assert_true(mark_covers(buffer_string(&mark), fields[i]));
    assert_false(mark_covers(buffer_string(&mark), "leve"));
    assert_false(mark_covers(buffer_string(&mark), "0a"));
    buffer_free(&mark);
}

static void
test_a_mark_names_the_outbox_and_the_fields(void **state)
{
    (void)state;
    static const char *const fields[] = {"level", "", "a]b, covers [c"};
    check_mark("public", NULL, 0, MARK);
    check_mark("public", fields, 0,
               "bitdex-producer triggers, outbox \"public\", covers [] sha256 0a");
    check_mark("public", fields, 2,
               "bitdex-producer triggers, outbox \"public\", covers [\"level\",\"\"] sha256 0a");
    check_mark("a\"", fields, 3,
               "bitdex-producer triggers, outbox \"a\"\"\", covers [\"level\",\"\",\"a]b, covers"
               " [c\"] sha256 0a");
    assert_false(mark_covers(MARK, ""));
    assert_false(mark_covers("", ""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F19_equal_objects_need_no_change),
        cmocka_unit_test(test_F19_objects_are_created_in_their_order_and_dropped_in_reverse),
        cmocka_unit_test(test_an_edited_function_is_created_again_with_its_triggers),
        cmocka_unit_test(test_views_and_row_functions_with_another_mark_are_created_again_together),
        cmocka_unit_test(test_F95_a_trigger_that_is_disabled_in_a_partition_says_where),
        cmocka_unit_test(test_F91_what_a_drop_with_cascade_removed_is_said),
        cmocka_unit_test(test_a_trigger_that_was_replaced_differs),
        cmocka_unit_test(test_a_planned_object_is_dropped_with_its_table),
        cmocka_unit_test(test_equal_objects_are_shared),
        cmocka_unit_test(test_a_mark_names_the_outbox_and_the_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
