#include "tests/unit/unit_test.h"

#include <stdio.h>

#include "consumer/ingest/http_sources.h"

static void
note(struct http_sources *sources, const char *source, int64_t cursor, int64_t max_id)
{
    const struct ops_meta meta = {
        .source = text_of(source), .cursor = cursor, .max_id = max_id, .lag_rows = -1};
    http_sources_record(sources, &meta, 2);
}

static void
test_the_last_report_of_each_source_is_kept(void **state)
{
    (void)state;
    struct http_source out[HTTP_SOURCES_MAX];
    struct http_sources *sources = http_sources_create();
    note(sources, "", 1, 1);
    assert_int_equal(http_sources_read(sources, out), 0);
    note(sources, "a", 1, 9);
    note(sources, "b", 5, -1);
    note(sources, "a", 3, -1);
    assert_int_equal(http_sources_read(sources, out), 2);
    assert_string_equal(out[0].source, "a");
    assert_int_equal(out[0].cursor, 3);
    assert_int_equal(out[0].max_id, 9); /* not reported again */
    assert_int_equal(out[0].lag_rows, -1);
    assert_int_equal(out[0].ops, 4);
    assert_string_equal(out[1].source, "b");
    assert_int_equal(out[1].cursor, 5);
    http_sources_destroy(sources);
}

static void
test_L10_a_new_source_replaces_the_one_with_the_oldest_report(void **state)
{
    (void)state;
    struct http_source out[HTTP_SOURCES_MAX];
    struct http_sources *sources = http_sources_create();
    for (int i = 0; i < HTTP_SOURCES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        note(sources, name, i, i);
    }
    note(sources, "s0", 70, 70);
    note(sources, "new", 80, 80);
    assert_int_equal(http_sources_read(sources, out), HTTP_SOURCES_MAX);
    assert_string_equal(out[0].source, "s0");
    assert_string_equal(out[1].source, "new");
    assert_int_equal(out[1].ops, 2);
    assert_string_equal(out[2].source, "s2");
    http_sources_destroy(sources);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_report_of_each_source_is_kept),
        cmocka_unit_test(test_L10_a_new_source_replaces_the_one_with_the_oldest_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
