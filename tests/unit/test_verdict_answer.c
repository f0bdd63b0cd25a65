/* What the producer reads of a member's answer about its verdicts. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event/chunk.h"
#include "producer/verify/verdict_answer.h"

static const char whole[] =
    "{\"index\":\"shop\",\"group\":\"shop-a\",\"member\":\"127.0.0.1:8080\",\"partitions\":["
    "{\"partition\":1,\"state\":\"serving\",\"epoch\":2,\"tick\":77,\"ranges\":["
    "{\"begin\":0,\"end\":262144,\"job\":5,\"check_job\":6,\"tick\":70,\"clock\":1,"
    "\"equal\":[\"\",\"price\"],\"differing\":[\"tags\"],\"not_comparable\":[\"name\"],"
    "\"differences\":[{\"field\":\"tags\",\"id\":17,\"source\":[1,2],\"index\":null}],"
    "\"differences_total\":9,\"sums\":{\"\":\"3:00ff\",\"price\":\"3:0101\"}},"
    "{\"begin\":262144,\"end\":null,\"job\":0,\"check_job\":null,\"tick\":71,\"equal\":[],"
    "\"differing\":[],\"not_comparable\":[],\"differences\":[],\"sums\":null}]}],"
    "\"not_comparable\":[{\"field\":\"name\",\"reason\":\"it is not loaded\"}],"
    "\"ranges\":2,\"differing\":1,\"oldest_s\":3}";

static void
test_every_part_of_an_answer_is_read(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct verdict_answer answer;
    struct error err = {0};
    assert_int_equal(verdict_answer_parse(text_of(whole), &arena, &answer, &err), 0);
    assert_true(text_is(answer.index, "shop") && text_is(answer.group, "shop-a"));
    assert_int_equal(answer.partition_count, 1);
    const struct verdict_partition *partition = &answer.partitions[0];
    assert_int_equal(partition->partition, 1);
    assert_int_equal(partition->epoch, 2);
    assert_int_equal(partition->tick, 77);
    assert_int_equal(partition->range_count, 2);
    const struct verdict_range *range = &partition->ranges[0];
    assert_int_equal(range->end, 262144);
    assert_int_equal(range->job, 5);
    assert_int_equal(range->check_job, 6);
    assert_int_equal(range->tick, 70);
    assert_int_equal(range->equal.count, 2);
    assert_true(text_is(range->equal.items[0], "") && text_is(range->equal.items[1], "price"));
    assert_true(text_is(range->differing.items[0], "tags"));
    assert_true(text_is(range->not_comparable.items[0], "name"));
    assert_int_equal(range->difference_count, 1);
    assert_int_equal(range->differences_total, 9);
    assert_int_equal(range->differences[0].entity_id, 17);
    assert_int_equal(range->differences[0].source->array.count, 2);
    assert_int_equal(range->differences[0].index->kind, JSON_NULL);
    assert_int_equal(range->sum_count, 2);
    assert_true(text_is(range->sums[1].sum, "3:0101"));
    assert_int_equal(partition->ranges[1].end, CHUNK_NO_END);
    assert_int_equal(partition->ranges[1].check_job, 0);
    assert_int_equal(partition->ranges[1].sum_count, 0);
    assert_true(text_is(answer.reasons[0].reason, "it is not loaded"));
    assert_int_equal(answer.ranges, 2);
    assert_int_equal(answer.differing, 1);
    assert_true(answer.oldest_s == 3);
    arena_free(&arena);
}

/* What is not understood must not pass for a verdict: any member of the answer may be missing. */
static void
test_an_answer_that_lacks_a_member_is_refused(void **state)
{
    (void)state;
    static const char *const members[] = {
        "index", "group",  "partitions", "partition",   "epoch",         "ranges",
        "begin", "tick",   "job",        "equal",       "differing",     "field",
        "id",    "source", "reason",     "differences", "not_comparable"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        struct arena arena = {0};
        struct verdict_answer answer;
        struct error err = {0};
        char key[32];
        snprintf(key, sizeof key, "\"%s\":", members[i]);
        char *json = strdup(whole);
        char *found = strstr(json, key);
        assert_non_null(found);
        found[1] = '?';
        if (verdict_answer_parse(text_of(json), &arena, &answer, &err) != ERR_DATA)
            fail_msg("accepted without %s", key);
        free(json);
        arena_free(&arena);
    }
}

static void
test_other_answers_are_refused(void **state)
{
    (void)state;
    static const char *const answers[] = {"",
                                          "[]",
                                          "{}",
                                          "not JSON",
                                          "{\"error\":\"no\"}",
                                          "{\"index\":1,\"group\":\"g\",\"partitions\":[]}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct arena arena = {0};
        struct verdict_answer answer;
        struct error err = {0};
        assert_int_equal(verdict_answer_parse(text_of(answers[i]), &arena, &answer, &err),
                         ERR_DATA);
        assert_true(err.message[0] != '\0');
        arena_free(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_of_an_answer_is_read),
        cmocka_unit_test(test_an_answer_that_lacks_a_member_is_refused),
        cmocka_unit_test(test_other_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
