/* From the answers of members to what a verify has found: what is equal, differs, cannot be
 * compared, and is not known. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "common/event/chunk.h"
#include "producer/verify/comparison.h"
#include "producer/verify/group_comparison.h"

enum { REPORTS_MAX = 8, TICK = 50, SINCE = 40, END = 60 };

#define ALL "[\"\",\"price\",\"tags\"]"

static struct arena arena;
static struct member_report reports[REPORTS_MAX];
static uint32_t report_count;
static struct verify_request request;
static struct shard_list list;
static struct comparison comparison;

static const struct text fields[] = {TEXT(""), TEXT("price"), TEXT("tags")};
static const char *const groups[] = {"a", "b"};
static const struct job_range everything = {0, CHUNK_NO_END};

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena);
    report_count = 0;
    request = (struct verify_request){
        .index = "shop",
        .partitions = 2,
        .epoch = 3,
        .since_tick = SINCE,
        .end_tick = END,
        .ranges = {&everything, 1},
        .fields = fields,
        .field_count = 3,
        .groups = groups,
        .group_count = 1,
    };
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* A verdict; `more` has further members. */
static const char *
range(int64_t begin, const char *end, int64_t job, int64_t tick, const char *equal,
      const char *differing, const char *not_comparable, const char *more)
{
    struct buffer out = {0};
    buffer_append_format(&out,
                         "{\"begin\":%lld,\"end\":%s,\"job\":%lld,\"tick\":%lld,\"equal\":%s,"
                         "\"differing\":%s,\"not_comparable\":%s%s%s}",
                         (long long)begin, end, (long long)job, (long long)tick, equal, differing,
                         not_comparable, more[0] != '\0' ? "," : "", more);
    const char *copy = arena_strdup(&arena, text_of(buffer_string(&out)));
    buffer_free(&out);
    return copy;
}

#define NO_DIFFERENCES "\"differences\":[]"

static const char *
equal_range(void)
{
    return range(0, "null", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
}

/* A shard with up to two verdicts. */
static const char *
shard(int partition, int64_t epoch, int64_t tick, const char *first, const char *second)
{
    struct buffer out = {0};
    buffer_append_format(
        &out,
        "{\"partition\":%d,\"state\":\"serving\",\"epoch\":%lld,\"tick\":%lld,\"ranges\":[%s%s%s]}",
        partition, (long long)epoch, (long long)tick, first, second[0] != '\0' ? "," : "", second);
    const char *copy = arena_strdup(&arena, text_of(buffer_string(&out)));
    buffer_free(&out);
    return copy;
}

/* A member that answers with up to two shards. */
static void
add_member_of(const char *index, const char *group, const char *answers_as, const char *first,
              const char *second)
{
    struct buffer out = {0};
    struct error err = {0};
    struct verdict_answer *answer = arena_alloc(&arena, sizeof *answer);
    buffer_append_format(&out,
                         "{\"index\":\"%s\",\"group\":\"%s\",\"partitions\":[%s%s%s],"
                         "\"not_comparable\":[{\"field\":\"tags\",\"reason\":\"not loaded\"}],"
                         "\"ranges\":1,\"differing\":0,\"oldest_s\":null}",
                         index, answers_as, first, first[0] != '\0' && second[0] != '\0' ? "," : "",
                         second);
    if (verdict_answer_parse(text_of(buffer_string(&out)), &arena, answer, &err) != 0)
        fail_msg("%s: %s", buffer_string(&out), err.message);
    buffer_free(&out);
    assert_true(report_count < REPORTS_MAX);
    reports[report_count++] =
        (struct member_report){.group = group, .address = "host:1", .answer = answer};
}

static void
add_member(const char *group, const char *first, const char *second)
{
    add_member_of("shop", group, group, first, second);
}

static void
compare(void)
{
    shard_list_make(&request, reports, report_count, &arena, &list);
    comparison_make(&request, &list, &arena, &comparison);
}

/* Something is unknown, and one reason contains `part`. */
static void
check_unknown(const char *part)
{
    compare();
    for (uint32_t i = 0; i < list.unknown_count; i++)
        if (strstr(list.unknown[i].reason, part) != NULL)
            return;
    fail_msg("\"%s\" is not among %u reasons, first %s", part, list.unknown_count,
             list.unknown_count > 0 ? list.unknown[0].reason : "-");
}

static void
test_shards_that_are_all_equal_are_known_to_be(void **state)
{
    (void)state;
    add_member("a", shard(0, 3, END, equal_range(), ""), "");
    add_member("a", shard(1, 3, END + 1, equal_range(), ""), "");
    add_member("other", shard(0, 1, 1, "", ""), ""); /* was not asked for */
    compare();
    assert_int_equal(list.unknown_count, 0);
    assert_int_equal(list.shard_count, 2);
    assert_int_equal(comparison.range_count, 1);
    assert_int_equal(comparison.differing_count, 0);
    assert_int_equal(comparison.field_count, 3);
}

static void
test_what_nobody_answers_for_is_unknown(void **state)
{
    (void)state;
    check_unknown("the group has no members");
    add_member("a", shard(1, 3, END, equal_range(), ""), "");
    check_unknown("nobody answers for partition 0");
    reports[report_count++] =
        (struct member_report){.group = "a", .address = "host:2", .error = "connection refused"};
    check_unknown("member host:2: connection refused");
    request.group_count = 2;
    check_unknown("the group has no members");
}

static void
test_a_member_of_another_index_or_group_is_unknown(void **state)
{
    (void)state;
    const char *both[] = {shard(0, 3, END, equal_range(), ""), shard(1, 3, END, equal_range(), "")};
    add_member_of("other", "a", "a", both[0], both[1]);
    check_unknown("holds the index \"other\"");
    check_unknown("nobody answers for partitions 0, 1");
    report_count = 0;
    add_member_of("shop", "a", "b", both[0], both[1]);
    check_unknown("a member of group \"b\" answers");
    check_unknown("nobody answers for partitions 0, 1");
}

static void
test_an_older_answer_is_unknown(void **state)
{
    (void)state;
    const char *ready = shard(0, 3, END, equal_range(), "");
    const char *old = range(0, "null", 6, SINCE, ALL, "[]", "[]", NO_DIFFERENCES);
    add_member("a", ready, shard(1, 3, END - 1, equal_range(), ""));
    check_unknown("partition 1 of host:1 lags: it is at tick 59");
    assert_int_equal(list.lagging, 1);
    report_count = 0;
    add_member("a", ready, shard(1, 2, END, equal_range(), ""));
    check_unknown("is in epoch 2, the producer in epoch 3");
    report_count = 0;
    add_member("a", ready, shard(1, 3, END, old, ""));
    check_unknown("has no verdict of this request from entity 0 on");
    assert_int_equal(list.lagging, 0);
    report_count = 0;
    add_member("a", ready, shard(1, 3, END, "", ""));
    check_unknown("has no verdict of this request from entity 0 on");
}

static void
test_ranges_that_leave_a_hole_are_unknown(void **state)
{
    (void)state;
    const struct job_range spans[] = {{10, 20}, {30, 40}};
    const char *ready = shard(0, 3, END, equal_range(), "");
    const char *low = range(0, "20", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
    const char *high = range(20, "null", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
    const char *late = range(21, "null", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
    const char *cut = range(20, "39", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
    add_member("a", ready, shard(1, 3, END, high, low));
    compare();
    assert_int_equal(list.unknown_count, 0);
    report_count = 0;
    add_member("a", ready, shard(1, 3, END, low, late));
    check_unknown("from entity 20 on");
    request.ranges = (struct job_ranges){spans, 2};
    compare();
    assert_int_equal(list.unknown_count, 0);
    report_count = 0;
    add_member("a", ready, shard(1, 3, END, low, cut));
    check_unknown("from entity 39 on");
}

/* A newer verdict about fewer fields has taken the place of the one that was asked for. */
static void
test_a_verdict_about_fewer_fields_is_unknown(void **state)
{
    (void)state;
    const char *ready = shard(0, 3, END, equal_range(), "");
    const char *fewer = range(0, "null", 8, END, "[\"\",\"tags\"]", "[]", "[]", NO_DIFFERENCES);
    const char *more =
        range(0, "null", 0, END, "[\"\",\"more\",\"price\",\"tags\"]", "[]", "[]", NO_DIFFERENCES);
    add_member("a", ready, shard(1, 3, END, fewer, ""));
    check_unknown("has no verdict of this request from entity 0 on");
    report_count = 0;
    add_member("a", ready, shard(1, 3, END, more, "")); /* of the patrol */
    compare();
    assert_int_equal(list.unknown_count, 0);
}

static void
test_differences_are_counted_by_field_and_range(void **state)
{
    (void)state;
    const char *low =
        range(0, "20", 7, TICK, "[\"\"]", "[\"price\"]", "[\"tags\"]", NO_DIFFERENCES);
    const char *high = range(20, "null", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
    const char *low_b =
        range(0, "20", 7, TICK, "[\"price\",\"tags\"]", "[\"\",\"more\"]", "[]", NO_DIFFERENCES);
    add_member("a", shard(0, 3, END, low, high), shard(1, 3, END, low_b, high));
    compare();
    assert_int_equal(list.unknown_count, 0);
    assert_int_equal(comparison.range_count, 2);
    assert_int_equal(comparison.differing_count, 1);
    const struct compared_range *differing = &comparison.differing[0];
    assert_int_equal(differing->range.begin, 0);
    assert_int_equal(differing->range.end, 20);
    assert_int_equal(differing->field_count, 2);
    assert_true(text_is(differing->fields[0], "") && text_is(differing->fields[1], "price"));
    assert_int_equal(comparison.fields[0].differing, 1);
    assert_int_equal(comparison.fields[1].differing, 1);
    assert_int_equal(comparison.fields[2].differing, 0);
    assert_int_equal(comparison.fields[2].not_comparable, 1);
    assert_true(text_is(comparison.fields[2].reason, "not loaded"));
}

static void
test_ranges_that_overlap_are_one(void **state)
{
    (void)state;
    const char *wide = range(10, "40", 7, TICK, ALL, "[]", "[]", NO_DIFFERENCES);
    const char *first =
        range(0, "20", 0, TICK, "[\"\",\"tags\"]", "[\"price\"]", "[]", NO_DIFFERENCES);
    const char *second =
        range(19, "30", 0, TICK, "[\"\",\"price\"]", "[\"tags\"]", "[]", NO_DIFFERENCES);
    const char *third =
        range(30, "null", 0, TICK, "[\"\",\"price\"]", "[\"tags\"]", "[]", NO_DIFFERENCES);
    add_member("a", shard(0, 3, END, first, wide), shard(1, 3, END, second, third));
    compare();
    assert_int_equal(comparison.range_count, 4);
    assert_int_equal(comparison.differing_count, 2);
    assert_int_equal(comparison.differing[0].range.end, 30);
    assert_int_equal(comparison.differing[0].field_count, 2);
    assert_int_equal(comparison.differing[1].range.begin, 30);
    assert_int_equal(comparison.differing[1].range.end, CHUNK_NO_END);
}

static void
test_the_entities_of_a_check_are_listed(void **state)
{
    (void)state;
    const char *checked =
        range(0, "20", 7, TICK, "[\"\",\"tags\"]", "[\"price\"]", "[]",
              "\"check_job\":9,\"differences\":[{\"field\":\"price\",\"id\":4,\"source\":5,"
              "\"index\":6},{\"field\":\"more\",\"id\":4,\"source\":5,\"index\":6}],"
              "\"differences_total\":30");
    const char *unchecked =
        range(20, "null", 7, TICK, "[\"\",\"tags\"]", "[\"price\"]", "[]",
              "\"check_job\":8,\"differences\":[{\"field\":\"price\",\"id\":24,\"source\":5,"
              "\"index\":6}]");
    struct found_differences found;
    add_member("a", shard(0, 3, END, checked, unchecked), shard(1, 3, END, equal_range(), ""));
    compare();
    comparison_find_differences(&request, &list, 9, &arena, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.items[0].difference->entity_id, 4);
    assert_string_equal(found.items[0].group, "a");
    assert_int_equal(found.total, 30);
    assert_int_equal(found.unchecked, 1);
}

/* The verdict of partition 0 with these sums, and tick. */
static const char *
summed(int64_t tick, const char *sums)
{
    char more[256];
    snprintf(more, sizeof more, "\"differences\":[],\"sums\":%s", sums);
    return shard(0, 3, END, range(0, "null", 7, tick, ALL, "[]", "[]", more), "");
}

static void
compare_groups(bool only_wanted, struct group_comparison *found)
{
    compare();
    group_comparison_make(&request, &list, only_wanted, &arena, found);
}

static void
test_groups_are_compared_by_their_own_sums(void **state)
{
    (void)state;
    struct group_comparison found;
    request.partitions = 1;
    request.group_count = 2;
    add_member("a", summed(TICK, "{\"\":\"1:1\",\"own\":\"1:2\",\"price\":\"1:3\"}"), "");
    add_member(
        "b", summed(TICK, "{\"\":\"1:1\",\"price\":\"1:4\",\"own\":\"1:9\",\"new\":\"0:0\"}"), "");
    compare_groups(false, &found);
    assert_int_equal(found.compared, 1);
    assert_int_equal(found.unknown_count, 0);
    assert_int_equal(found.differing_count, 2);
    assert_true(text_is(found.differing[0].field, "own"));
    assert_string_equal(found.differing[0].groups[1], "b");
    assert_true(text_is(found.differing[1].field, "price"));
    assert_int_equal(found.not_comparable_count, 1);
    assert_true(text_is(found.not_comparable[0], "new"));
    compare_groups(true, &found);
    assert_int_equal(found.differing_count, 1);
    assert_int_equal(found.not_comparable_count, 0);
}

static void
test_groups_that_summed_at_different_places_are_unknown(void **state)
{
    (void)state;
    struct group_comparison found;
    request.partitions = 1;
    request.group_count = 2;
    add_member("a", summed(TICK, "{\"\":\"1:1\"}"), "");
    add_member("b", summed(TICK + 1, "{\"\":\"1:1\"}"), "");
    compare_groups(false, &found);
    assert_int_equal(found.compared, 0);
    assert_int_equal(found.unknown_count, 1);
    report_count = 0;
    add_member("a", summed(TICK, "{\"\":\"1:1\"}"), "");
    add_member("b", shard(0, 3, END, equal_range(), ""), ""); /* without sums */
    compare_groups(false, &found);
    assert_int_equal(found.unknown_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shards_that_are_all_equal_are_known_to_be),
        TEST(test_what_nobody_answers_for_is_unknown),
        TEST(test_a_member_of_another_index_or_group_is_unknown),
        TEST(test_an_older_answer_is_unknown),
        TEST(test_ranges_that_leave_a_hole_are_unknown),
        TEST(test_a_verdict_about_fewer_fields_is_unknown),
        TEST(test_differences_are_counted_by_field_and_range),
        TEST(test_ranges_that_overlap_are_one),
        TEST(test_the_entities_of_a_check_are_listed),
        TEST(test_groups_are_compared_by_their_own_sums),
        TEST(test_groups_that_summed_at_different_places_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
