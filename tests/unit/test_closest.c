/* Closest names: which ones a wrong name finds, their order, and what a message lists. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "common/base/closest.h"

static const char *const fields[] = {"id",     "nsfwLevel", "tagIds",      "toolIds",
                                     "userId", "sortAt",    "publishedAt", "hasMeta"};

enum { FIELDS = sizeof fields / sizeof fields[0] };

/* The closest fields, comma-separated, as `wanted`. */
static void
assert_closest(const char *wrong, const char *wanted)
{
    uint32_t places[CLOSEST_MAX];
    char found[256] = "";
    uint32_t count = closest_find(text_of(wrong), fields, FIELDS, places);
    for (uint32_t i = 0; i < count; i++) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", i > 0 ? "," : "", fields[places[i]]);
    }
    if (strcmp(found, wanted) != 0)
        fail_msg("\"%s\": wanted \"%s\", found \"%s\"", wrong, wanted, found);
}

static void
test_a_misspelled_name_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"nsfwLvl", "nsfwLevel"},     /* letters are missing */
        {"nsfw_level", "nsfwLevel"},  /* another convention */
        {"NSFWLEVEL", "nsfwLevel"},   /* case does not count */
        {"nfswLevel", "nsfwLevel"},   /* swapped */
        {"sortat", "sortAt"},         /* equal but for its case */
        {"userID", "userId"},         /* the same */
        {"tolIds", "toolIds,tagIds"}, /* the closest one first */
        {"published", "publishedAt"}, /* contained */
        {"meta", "hasMeta"},          /* contained, not at the beginning */
        {"userIdentity", "userId"},   /* contains the name */
        {"something", ""},            /* nothing is close */
        {"", ""},
        {"x", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_closest(cases[i][0], cases[i][1]);
}

static void
test_at_most_three_names_are_found_in_a_stable_order(void **state)
{
    (void)state;
    static const char *const names[] = {"aaaaaz", "aaaazz", "aaaaab", "aaaaac", "aaaaaa"};
    uint32_t places[CLOSEST_MAX];
    assert_int_equal(closest_find(TEXT("aaaaaa"), names, 5, places), 3);
    assert_int_equal(places[0], 4);
    assert_int_equal(places[1], 0);
    assert_int_equal(places[2], 2);
    assert_int_equal(closest_find(TEXT("aaaaaa"), names, 0, places), 0);
}

static void
test_a_long_name_is_close_to_none_and_is_shown_in_part(void **state)
{
    (void)state;
    char wrong[1000];
    uint32_t places[CLOSEST_MAX];
    memset(wrong, 'a', sizeof wrong);
    struct text whole = {wrong, sizeof wrong};
    const char *const names[] = {"aaa"};
    assert_int_equal(closest_find(whole, names, 1, places), 0);
    assert_int_equal(closest_shown(whole).bytes, CLOSEST_SHOWN_BYTES);
    assert_int_equal(closest_shown(TEXT("abc")).bytes, 3);
    memcpy(wrong + CLOSEST_SHOWN_BYTES - 1, "\xc3\xa4", 2); /* a letter of two bytes */
    assert_int_equal(closest_shown(whole).bytes, CLOSEST_SHOWN_BYTES - 1);
}

static void
test_a_message_has_the_closest_names_and_the_list(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, ERR_DATA, "no field \"tagId\"");
    assert_int_equal(closest_append(&err, TEXT("tagId"), "fields", fields, FIELDS), ERR_DATA);
    assert_string_equal(err.message,
                        "no field \"tagId\"; closest: \"tagIds\"; fields: id, "
                        "nsfwLevel, tagIds, toolIds, userId, sortAt, publishedAt, hasMeta");
    error_set(&err, ERR_DATA, "no field \"x\"");
    closest_append(&err, TEXT("x"), "fields", fields, 0);
    assert_string_equal(err.message, "no field \"x\"");
    assert_int_equal(closest_append(NULL, TEXT("x"), "fields", fields, FIELDS), ERR_DATA);
}

static void
test_a_long_list_ends_with_the_number_of_the_others(void **state)
{
    (void)state;
    const char *names[1000];
    struct error err;
    for (size_t i = 0; i < 1000; i++)
        names[i] = "aFieldOfTwentyLetter";
    error_set(&err, ERR_DATA, "no field \"x\"");
    closest_append(&err, TEXT("x"), "fields", names, 1000);
    assert_true(strlen(err.message) < CLOSEST_MESSAGE_BYTES + 32);
    assert_non_null(strstr(err.message, "aFieldOfTwentyLetter and 965 more"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_misspelled_name_is_found),
        cmocka_unit_test(test_at_most_three_names_are_found_in_a_stable_order),
        cmocka_unit_test(test_a_long_name_is_close_to_none_and_is_shown_in_part),
        cmocka_unit_test(test_a_message_has_the_closest_names_and_the_list),
        cmocka_unit_test(test_a_long_list_ends_with_the_number_of_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
