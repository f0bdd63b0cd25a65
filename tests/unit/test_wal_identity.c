#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "consumer/wal/wal_identity.h"

#define EXPECTED \
    "index: shop\npartition: 0 of 4\nfilter \"tag\": boolean\nsort \"price\": bits 32\n"

static void
check_difference(const char *found, const char *expected, const char *difference)
{
    struct error err = {0};
    assert_int_equal(wal_identity_check(text_of(expected), text_of(found), &err), ERR_FATAL);
    assert_string_equal(err.message, difference);
}

static void
test_equal_identities_have_no_difference(void **state)
{
    (void)state;
    assert_int_equal(wal_identity_check(text_of(EXPECTED), text_of(EXPECTED), NULL), 0);
    assert_int_equal(wal_identity_check(text_of(""), text_of(""), NULL), 0);
}

static void
test_F45_every_line_that_differs_is_listed(void **state)
{
    (void)state;
    static const struct {
        const char *found;
        const char *difference;
    } cases[] = {
        {"index: shop\npartition: 0 of 8\nfilter \"tag\": boolean\nsort \"price\": bits 32\n",
         "partition: 0 of 8 in the log, 0 of 4 expected"},
        {"index: shop\npartition: 0 of 4\nfilter \"tag\": string\nsort \"price\": bits 16\n",
         "filter \"tag\": string in the log, boolean expected; "
         "sort \"price\": bits 16 in the log, bits 32 expected"},
        {"index: shop\npartition: 0 of 4\nsort \"price\": bits 32\n",
         "filter \"tag\": absent in the log, boolean expected"},
        {EXPECTED "sort \"age\": bits 8", "sort \"age\": bits 8 in the log, absent expected"},
        {"", "index: absent in the log, shop expected; "
             "partition: absent in the log, 0 of 4 expected; "
             "filter \"tag\": absent in the log, boolean expected; "
             "sort \"price\": absent in the log, bits 32 expected"},
        {"partition: 0 of 4\nindex: shop\nfilter \"tag\": boolean\nsort \"price\": bits 32\n",
         "the same lines in another order or layout"},
        {"index: shop\npartition: 0 of 4\nfilter \"tag\": boolean\nsort \"price\": bits 32",
         "the same lines in another order or layout"},
        {"shop\n" EXPECTED, "shop:  in the log, absent expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_difference(cases[i].found, EXPECTED, cases[i].difference);
}

static void
test_lines_of_fields_may_differ(void **state)
{
    (void)state;
    static const char log[] = "index: shop\npartition: 0 of 4\n";
    static const char *const fields[] = {
        "",
        "filter field \"tag\": boolean\n",
        "filter field \"tag\": string\n",
        "filter field \"a\": string\nfilter field \"tag\": string\nsort field \"at\": bits 32\n",
    };
    struct buffer expected = {0}, found = {0};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        for (size_t j = 0; j < sizeof fields / sizeof fields[0]; j++) {
            struct error err = {0};
            buffer_clear(&expected);
            buffer_clear(&found);
            buffer_append_format(&expected, "%s%s", log, fields[i]);
            buffer_append_format(&found, "%s%s", log, fields[j]);
            const struct text a = text_of(buffer_string(&expected));
            assert_int_equal(wal_identity_check(a, text_of(buffer_string(&found)), &err), 0);
            found.data[7] = 'S';
            assert_int_equal(wal_identity_check(a, text_of(buffer_string(&found)), &err),
                             ERR_FATAL);
            assert_string_equal(err.message, "index: Shop in the log, shop expected");
        }
    }
    buffer_free(&expected);
    buffer_free(&found);
}

/* A large identity in which every line differs: what fits is listed, the rest is counted. */
static void
test_F45_the_difference_is_bounded(void **state)
{
    (void)state;
    struct buffer found = {0};
    struct error err = {0};
    for (int i = 0; i < 1000; i++)
        buffer_append_format(&found, "filter \"name%d\": string\n", i);
    assert_int_equal(
        wal_identity_check((struct text){NULL, 0}, text_of(buffer_string(&found)), &err),
        ERR_FATAL);
    assert_memory_equal(err.message, "filter \"name0\": string in the log, absent expected; ", 52);
    assert_non_null(strstr(err.message, "; and 99"));
    assert_in_range(strlen(err.message), 300, 420);

    buffer_clear(&found);
    uint8_t *line = buffer_reserve(&found, 3000);
    memset(line, 'a', 3000);
    line[1000] = ':';
    line[1001] = ' ';
    found.bytes = 3000;
    assert_int_equal(
        wal_identity_check((struct text){NULL, 0}, text_of(buffer_string(&found)), &err),
        ERR_FATAL);
    assert_memory_equal(err.message, "aaaa", 4);
    assert_non_null(strstr(err.message, "a: aa"));
    assert_non_null(strstr(err.message, "aa in the log, absent expected"));
    assert_in_range(strlen(err.message), 200, 300);
    buffer_free(&found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_identities_have_no_difference),
        cmocka_unit_test(test_F45_every_line_that_differs_is_listed),
        cmocka_unit_test(test_lines_of_fields_may_differ),
        cmocka_unit_test(test_F45_the_difference_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
