/* What `load --changed` concludes from the answers of members. */
#include "tests/unit/unit_test.h"

#include "producer/commands/load_changed.h"

static void
test_a_dump_is_complete_when_every_member_says_so(void **state)
{
    (void)state;
    struct error err = {0};
    struct load_dump dumps[] = {{.name = "Image-1", .is_complete = true},
                                {.name = "Post-2", .is_complete = true},
                                {.name = "Tag-3", .is_complete = true},
                                {.name = "Tool-4", .is_complete = true},
                                {.name = "User-5", .is_complete = true}};
    static const char first[] =
        "{\"dumps\":{\"Image-1\":{\"status\":\"Complete\"},\"Post-2\":{\"status\":\"Loading\"},"
        "\"Tag-3\":{\"status\":{\"Failed\":\"Complete\"}},\"Tool-4\":{\"status\":\"Complete\"},"
        "\"User-5\":{}},\"all_complete\":false}";
    static const char second[] = "{\"dumps\":{\"Image-1\":{\"status\":\"Complete\"},"
                                 "\"Post-2\":{\"status\":\"Complete\"}},\"all_complete\":true}";
    assert_int_equal(load_changed_take(text_of(first), dumps, 5, &err), 0);
    assert_int_equal(load_changed_take(text_of(second), dumps, 5, &err), 0);
    assert_true(dumps[0].is_complete);
    for (int i = 1; i < 5; i++)
        assert_false(dumps[i].is_complete);
}

/* A loss after the load. */
static void
test_a_dump_with_a_field_that_is_not_complete_is_loaded_again(void **state)
{
    (void)state;
    static const struct text tags[] = {TEXT("tagIds")}, image[] = {TEXT("type"), TEXT("flags")};
    static const char fields[] = "{\"incomplete_fields\":[{\"field\":\"flags\",\"reason\":\"\"},"
                                 "{\"field\":\"other\"},{}]}";
    static const char alive[] = "{\"incomplete_fields\":[{\"field\":\"alive\"}]}";
    struct error err = {0};
    struct load_dump dumps[] = {
        {.name = "Image-1", .fields = image, .field_count = 2, .is_complete = true},
        {.name = "Tag-2", .fields = tags, .field_count = 1, .is_complete = true},
        {.name = "Entity-3", .sets_alive = true, .is_complete = true},
    };
    assert_int_equal(load_changed_take_fields(TEXT("{\"incomplete_fields\":[]}"), dumps, 3, &err),
                     0);
    assert_true(dumps[0].is_complete && dumps[1].is_complete && dumps[2].is_complete);
    assert_int_equal(load_changed_take_fields(text_of(fields), dumps, 3, &err), 0);
    assert_false(dumps[0].is_complete);
    assert_true(dumps[1].is_complete && dumps[2].is_complete);
    assert_int_equal(load_changed_take_fields(text_of(alive), dumps, 3, &err), 0);
    assert_true(dumps[1].is_complete);
    assert_false(dumps[2].is_complete);
}

static void
test_an_answer_that_is_not_understood_leaves_nothing_out(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "[]", "{}", "{\"dumps\":[]}", "not JSON"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct error err = {0};
        struct load_dump dump = {.name = "Image-1", .is_complete = true};
        assert_int_equal(load_changed_take(text_of(answers[i]), &dump, 1, &err), ERR_DATA);
        assert_false(dump.is_complete);
        dump.is_complete = true;
        assert_int_equal(load_changed_take_fields(text_of(answers[i]), &dump, 1, &err), ERR_DATA);
        assert_false(dump.is_complete);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dump_is_complete_when_every_member_says_so),
        cmocka_unit_test(test_a_dump_with_a_field_that_is_not_complete_is_loaded_again),
        cmocka_unit_test(test_an_answer_that_is_not_understood_leaves_nothing_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
