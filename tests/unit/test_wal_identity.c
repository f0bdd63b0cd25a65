#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "consumer/wal/wal_identity.h"

#define OURS "index: shop\npartition: 0 of 4\nfilter \"tag\": boolean\nsort \"price\": bits 32\n"

static void
check_difference(const char *theirs, const char *ours, const char *difference)
{
    struct error err = {0};
    assert_int_equal(wal_identity_check(text_of(ours), text_of(theirs), &err), ERR_FATAL);
    assert_string_equal(err.message, difference);
}

static void
test_the_same_is_no_difference(void **state)
{
    (void)state;
    assert_int_equal(wal_identity_check(text_of(OURS), text_of(OURS), NULL), 0);
    assert_int_equal(wal_identity_check(text_of(""), text_of(""), NULL), 0);
}

static void
test_F45_the_difference_is_said_line_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *theirs;
        const char *difference;
    } cases[] = {
        {"index: shop\npartition: 0 of 8\nfilter \"tag\": boolean\nsort \"price\": bits 32\n",
         "partition: 0 of 8 there, 0 of 4 here"},
        {"index: shop\npartition: 0 of 4\nfilter \"tag\": string\nsort \"price\": bits 16\n",
         "filter \"tag\": string there, boolean here; sort \"price\": bits 16 there, bits 32 here"},
        {"index: shop\npartition: 0 of 4\nsort \"price\": bits 32\n",
         "filter \"tag\": absent there, boolean here"},
        {OURS "sort \"age\": bits 8", "sort \"age\": bits 8 there, absent here"},
        {"", "index: absent there, shop here; partition: absent there, 0 of 4 here; "
             "filter \"tag\": absent there, boolean here; sort \"price\": absent there, bits 32 "
             "here"},
        {"partition: 0 of 4\nindex: shop\nfilter \"tag\": boolean\nsort \"price\": bits 32\n",
         "the same lines, written otherwise"},
        {"index: shop\npartition: 0 of 4\nfilter \"tag\": boolean\nsort \"price\": bits 32",
         "the same lines, written otherwise"},
        {"shop\n" OURS, "shop:  there, absent here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_difference(cases[i].theirs, OURS, cases[i].difference);
}

/* As large as an identity may be, and every line another: what fits is shown, the rest counted. */
static void
test_F45_the_difference_is_bounded(void **state)
{
    (void)state;
    struct buffer theirs = {0};
    struct error err = {0};
    for (int i = 0; i < 1000; i++)
        buffer_append_format(&theirs, "filter field \"name%d\": string\n", i);
    assert_int_equal(
        wal_identity_check((struct text){NULL, 0}, text_of(buffer_string(&theirs)), &err),
        ERR_FATAL);
    assert_memory_equal(err.message, "filter field \"name0\": string there, absent here; ", 49);
    assert_non_null(strstr(err.message, "; and 99"));
    assert_in_range(strlen(err.message), 300, 420);

    buffer_clear(&theirs);
    uint8_t *line = buffer_reserve(&theirs, 3000);
    memset(line, 'a', 3000);
    line[1000] = ':';
    line[1001] = ' ';
    theirs.bytes = 3000;
    assert_int_equal(
        wal_identity_check((struct text){NULL, 0}, text_of(buffer_string(&theirs)), &err),
        ERR_FATAL);
    assert_memory_equal(err.message, "aaaa", 4);
    assert_non_null(strstr(err.message, "a: aa"));
    assert_non_null(strstr(err.message, "aa there, absent here"));
    assert_in_range(strlen(err.message), 200, 300);
    buffer_free(&theirs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_is_no_difference),
        cmocka_unit_test(test_F45_the_difference_is_said_line_by_line),
        cmocka_unit_test(test_F45_the_difference_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
