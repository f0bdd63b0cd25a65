/* What readiness and the list of incomplete fields say of partitions. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "consumer/api/field_status.h"
#include "consumer/api/health.h"

static const struct config_filter_field filter_fields[] = {
    {.name = "colour", .type = FIELD_STRING}, {.name = "price", .type = FIELD_SINGLE_VALUE}};
static const struct config_index config_index = {.filter_fields = filter_fields,
                                                 .filter_field_count = 2};

enum { COLOUR, PRICE };

struct fixture {
    struct config_fields fields;
    struct partition_status items[2];
    struct partition_status_list list;
};

/* Two running partitions in which everything is complete. */
static struct fixture
fixture_make(void)
{
    struct fixture fixture = {0};
    config_fields_init(&fixture.fields, &config_index);
    for (int32_t i = 0; i < 2; i++) {
        struct partition_status *status = &fixture.items[i];
        struct coverage *coverage = &status->shard.sequence.coverage;
        status->partition = i;
        status->lag_s = 1;
        status->shard.state = SHARD_RUNNING;
        sequence_init(&status->shard.sequence, &fixture.fields);
        status->shard.sequence.epoch = 1;
        memset(coverage->reasons, COVERAGE_COMPLETE, sizeof coverage->reasons);
    }
    return fixture;
}

static void
fixture_judge(struct fixture *fixture)
{
    for (int32_t i = 0; i < 2; i++)
        partition_status_judge(&fixture->items[i], &fixture->fields);
    fixture->list = (struct partition_status_list){.items = fixture->items, .count = 2};
}

static void
void_field(struct fixture *fixture, int32_t partition, uint32_t number, enum coverage_reason reason)
{
    fixture->items[partition].shard.sequence.coverage.reasons[number] = (uint8_t)reason;
    fixture_judge(fixture);
}

static void
check_list(const struct fixture *fixture, const char *wanted)
{
    struct json_writer json;
    struct buffer out;
    buffer_init(&out);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    field_status_write(&fixture->list, &fixture->fields, &json);
    json_object_end(&json);
    assert_string_equal(buffer_string(&out), wanted);
    buffer_free(&out);
}

static void
check_ready(const struct fixture *fixture, int32_t partition, const char *part)
{
    char reason[2 * ERROR_MESSAGE_BYTES];
    health_describe_ready(&fixture->items[partition], true, reason, sizeof reason);
    if (part[0] == '\0' ? reason[0] != '\0' : strstr(reason, part) == NULL)
        fail_msg("%s", reason);
}

static void
test_complete_partitions_are_ready_and_list_nothing(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    fixture_judge(&fixture);
    check_list(&fixture, "{\"incomplete_fields\":[]}");
    check_ready(&fixture, 0, "");
    assert_true(field_status_is_complete(&fixture.list, FIELD_ALIVE));
    assert_true(field_status_is_complete(&fixture.list, COLOUR));
    fixture.list.count = 0;
    assert_false(field_status_is_complete(&fixture.list, COLOUR));
    config_fields_free(&fixture.fields);
}

static void
test_L9_a_field_that_is_added_is_listed_with_its_command_and_does_not_end_readiness(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    void_field(&fixture, 0, PRICE, COVERAGE_FIELD_ADDED);
    void_field(&fixture, 1, PRICE, COVERAGE_FIELD_ADDED);
    check_list(&fixture,
               "{\"incomplete_fields\":[{\"field\":\"price\",\"reason\":\"field price was added to "
               "index_config: bitdex-producer load --fields price\",\"partitions\":[0,1]}]}");
    check_ready(&fixture, 0, "");
    assert_false(field_status_is_complete(&fixture.list, PRICE));
    assert_true(field_status_is_complete(&fixture.list, COLOUR));
    config_fields_free(&fixture.fields);
}

static void
test_L9_a_partition_without_existence_or_without_any_field_is_not_ready(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    void_field(&fixture, 1, FIELD_ALIVE, COVERAGE_GAP);
    check_ready(&fixture, 0, "");
    check_ready(&fixture, 1, "bitdex-producer load");
    assert_false(field_status_is_complete(&fixture.list, FIELD_ALIVE));
    config_fields_free(&fixture.fields);
    fixture = fixture_make();
    void_field(&fixture, 1, COLOUR, COVERAGE_FIELD_ADDED);
    check_ready(&fixture, 1, "");
    void_field(&fixture, 1, PRICE, COVERAGE_FIELD_ADDED);
    check_ready(&fixture, 1, "field colour was added");
    config_fields_free(&fixture.fields);
}

/* Its reason is that of the partition, and the same for all fields. */
static void
test_a_partition_that_recovers_or_is_stalled_is_not_ready_and_lists_no_field(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    fixture.items[0].shard.state = SHARD_RECOVERING;
    fixture.items[1].shard.state = SHARD_STALLED;
    snprintf(fixture.items[1].shard.error, sizeof fixture.items[1].shard.error,
             "the offset is gone");
    fixture_judge(&fixture);
    check_ready(&fixture, 0, "recovering");
    check_ready(&fixture, 1, "the offset is gone");
    check_list(&fixture, "{\"incomplete_fields\":[]}");
    assert_false(field_status_is_complete(&fixture.list, COLOUR));
    config_fields_free(&fixture.fields);
}

static void
test_a_partition_that_lags_is_not_ready(void **state)
{
    (void)state;
    struct fixture fixture = fixture_make();
    fixture.items[0].lag_s = 31;
    fixture.items[1].lag_s = -1;
    fixture_judge(&fixture);
    check_ready(&fixture, 0, "the last watermark is 31 s old");
    check_ready(&fixture, 1, "no watermark was read yet");
    config_fields_free(&fixture.fields);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_partitions_are_ready_and_list_nothing),
        cmocka_unit_test(
            test_L9_a_field_that_is_added_is_listed_with_its_command_and_does_not_end_readiness),
        cmocka_unit_test(test_L9_a_partition_without_existence_or_without_any_field_is_not_ready),
        cmocka_unit_test(
            test_a_partition_that_recovers_or_is_stalled_is_not_ready_and_lists_no_field),
        cmocka_unit_test(test_a_partition_that_lags_is_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
