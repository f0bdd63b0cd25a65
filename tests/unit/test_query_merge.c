#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/base/memory.h"
#include "consumer/query/query_reply.h"

/* Three shards by value descending, nulls last; the second one is empty. */
static struct engine_hit first_hits[] = {{3, true, 9}, {0, true, 5}, {6, false, 0}};
static struct engine_hit third_hits[] = {{5, true, 9}, {2, true, -1}, {8, false, 0}};
static const struct engine_result results[] = {
    {first_hits, 3, 10}, {NULL, 0, 0}, {third_hits, 3, 7}};

static const struct engine_query by_value = {
    .sort_field = {"s", 1}, .direction = ENGINE_DESCENDING, .limit = 100};

/* A page of the three shards as JSON. */
static void
assert_reply(const struct engine_query *query, const char *wanted)
{
    struct query_page page;
    struct buffer out;
    static const int32_t missing[] = {4, 7};
    buffer_init(&out);
    query_merge(query, results, 3, &page);
    struct query_reply reply = {.page = &page,
                                .elapsed_us = 12,
                                .complete = query->offset == 0,
                                .missing_partitions = missing,
                                .missing_count = query->offset == 0 ? 0 : 2,
                                .snapshot = query->offset == 0 ? "745:750:745" : NULL,
                                .tick = 9,
                                .lag_s = query->offset == 0 ? 0.25 : -1};
    query_reply_write(&reply, &out);
    assert_string_equal(buffer_string(&out), wanted);
    query_page_free(&page);
    buffer_free(&out);
}

static void
test_shards_merge_in_order_and_totals_add_up(void **state)
{
    (void)state;
    assert_reply(&by_value, "{\"ids\":[5,3,0,2,8,6],\"total_matched\":17,\"elapsed_us\":12,"
                            "\"cursor\":null,\"complete\":true,\"missing_partitions\":[],"
                            "\"snapshot\":\"745:750:745\",\"tick\":9,\"lag_seconds\":0.25}");
}

static void
test_offset_is_skipped_after_the_merge(void **state)
{
    (void)state;
    struct engine_query query = by_value;
    query.offset = 2;
    query.limit = 2;
    assert_reply(&query, "{\"ids\":[0,2],\"total_matched\":17,\"elapsed_us\":12,"
                         "\"cursor\":{\"sort_value\":-1,\"slot_id\":2},"
                         "\"complete\":false,\"missing_partitions\":[4,7],\"snapshot\":null,"
                         "\"tick\":null,\"lag_seconds\":null}");
    query.offset = 6;
    assert_reply(&query, "{\"ids\":[],\"total_matched\":17,\"elapsed_us\":12,\"cursor\":null,"
                         "\"complete\":false,\"missing_partitions\":[4,7],\"snapshot\":null,"
                         "\"tick\":null,\"lag_seconds\":null}");
}

static void
test_the_cursor_at_a_null_has_a_null_value(void **state)
{
    (void)state;
    struct engine_query query = by_value;
    query.limit = 5;
    assert_reply(&query, "{\"ids\":[5,3,0,2,8],\"total_matched\":17,\"elapsed_us\":12,"
                         "\"cursor\":{\"sort_value\":null,\"slot_id\":8},"
                         "\"complete\":true,\"missing_partitions\":[],\"snapshot\":\"745:750:745\","
                         "\"tick\":9,\"lag_seconds\":0.25}");
}

static void
test_limit_0_returns_the_count_alone(void **state)
{
    (void)state;
    struct engine_query query = by_value;
    query.limit = 0;
    assert_reply(&query, "{\"ids\":[],\"total_matched\":17,\"elapsed_us\":12,\"cursor\":null,"
                         "\"complete\":true,\"missing_partitions\":[],\"snapshot\":\"745:750:745\","
                         "\"tick\":9,\"lag_seconds\":0.25}");
}

static void
test_no_shards_give_an_empty_page(void **state)
{
    (void)state;
    struct query_page page;
    query_merge(&by_value, NULL, 0, &page);
    assert_int_equal(page.count, 0);
    assert_int_equal(page.total_matched, 0);
    assert_false(page.full);
    query_page_free(&page);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_merge_in_order_and_totals_add_up),
        cmocka_unit_test(test_offset_is_skipped_after_the_merge),
        cmocka_unit_test(test_the_cursor_at_a_null_has_a_null_value),
        cmocka_unit_test(test_limit_0_returns_the_count_alone),
        cmocka_unit_test(test_no_shards_give_an_empty_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
