/* What two signatures of a table say about its rows. */
#include "tests/unit/unit_test.h"

#include "producer/source/source_signature.h"
#include "tests/unit/random_input.h"

#define SIGNATURE(oid, partitions, labels) \
    "{\"oid\": " oid ", \"partitions\": {" partitions "}, \"labels\": {" labels "}}"

static struct buffer reason;

static const char *
compare(const char *before, const char *now, const char *filled)
{
    struct error err;
    const struct source_signatures signatures = {
        .table = "item",
        .before = text_of(before),
        .now = text_of(now),
        .filled = text_of(filled),
    };
    buffer_clear(&reason);
    if (source_signature_compare(&signatures, &reason, &err) != 0)
        fail_msg("%s", err.message);
    return buffer_string(&reason);
}

static void
test_f95_partitions_come_with_rows_and_go(void **state)
{
    (void)state;
    static const char two[] =
        SIGNATURE("7", "\"10\": [\"item_a\", null], \"11\": [\"item_b\", 11]", "");
    static const char one[] = SIGNATURE("7", "\"10\": [\"item_a\", null]", "");
    static const char none[] = SIGNATURE("7", "", "");
    assert_string_equal(compare(two, two, "[]"), "");
    assert_string_equal(compare(one, two, "[\"11\"]"),
                        "partition item_b of item was attached with rows");
    assert_string_equal(compare(two, one, "[]"),
                        "partition item_b of item was detached or dropped");
    assert_string_equal(compare(two, none, "[]"),
                        "partition item_a of item was detached or dropped, and 1 more changes");
}

/* pg_partman creates partitions ahead: their triggers fire for every row that they get. */
static void
test_a_new_partition_without_rows_changes_nothing(void **state)
{
    (void)state;
    assert_string_equal(
        compare(SIGNATURE("7", "", ""), SIGNATURE("7", "\"11\": [\"item_b\", 11]", ""), "[]"), "");
    assert_string_equal(
        compare(SIGNATURE("7", "", ""), SIGNATURE("7", "\"11\": [\"item_b\", 11]", ""), "[\"12\"]"),
        "");
}

/* The file says it only while no trigger of ours guards the partition. */
static void
test_f95_a_partition_without_a_guard_was_truncated(void **state)
{
    (void)state;
#define GUARDED SIGNATURE("7", "\"11\": [\"item_b\", null]", "")
#define FILE_OF(number) SIGNATURE("7", "\"11\": [\"item_b\", " number "]", "")
    assert_string_equal(compare(FILE_OF("11"), FILE_OF("25"), "[]"),
                        "partition item_b of item, which has no trigger for TRUNCATE yet, was"
                        " truncated or rewritten");
    assert_string_equal(compare(FILE_OF("11"), FILE_OF("11"), "[]"), "");
    assert_string_equal(compare(FILE_OF("11"), GUARDED, "[]"), "");
    assert_string_equal(compare(GUARDED, FILE_OF("25"), "[]"), "");
}

static void
test_f91_labels_are_renamed_or_new(void **state)
{
    (void)state;
    static const char before[] = SIGNATURE("7", "", "\"20\": \"new\", \"22\": \"old\"");
    assert_string_equal(
        compare(before, SIGNATURE("7", "", "\"20\": \"fresh\", \"22\": \"old\""), "[]"),
        "enum label new of a column of item was renamed to fresh");
    assert_string_equal(
        compare(before, SIGNATURE("7", "", "\"20\": \"new\", \"22\": \"old\", \"24\": \"x\""),
                "[]"),
        "");
    /* a column is not read any more */
    assert_string_equal(compare(before, SIGNATURE("7", "", ""), "[]"), "");
}

static void
test_f91_a_table_is_exchanged_or_gone(void **state)
{
    (void)state;
    static const char before[] = SIGNATURE("7", "\"10\": [\"item_a\", null]", "");
    static const char gone[] = SIGNATURE("null", "", "");
    assert_string_equal(compare(before, SIGNATURE("8", "", ""), "[]"),
                        "another table has the name item: it was exchanged or created again");
    assert_string_equal(compare(before, gone, "[]"),
                        "no table has the name item any more: it was renamed or dropped");
    assert_string_equal(compare(gone, before, "[\"10\"]"), "a table has the name item again");
    assert_string_equal(compare(gone, gone, "[]"), "");
}

static void
test_what_another_version_has_saved_counts_as_changed(void **state)
{
    (void)state;
    static const char *const others[] = {
        "{}",
        "[]",
        "7",
        "null",
        "{\"oid\": 7}",
        SIGNATURE("\"7\"", "", ""),
        SIGNATURE("7", "\"10\": [\"item_a\"]", ""),
        SIGNATURE("7", "\"10\": \"item_a\"", ""),
        SIGNATURE("7", "\"10\": [null, null]", ""),
        SIGNATURE("7", "", "\"20\": 5"),
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_string_equal(compare(others[i], SIGNATURE("7", "", ""), "[]"),
                            "the saved signature of table item cannot be understood");
}

static void
test_what_is_no_signature_is_refused(void **state)
{
    (void)state;
    struct error err;
    static const char *const bad[][2] = {
        {"{}", "[]"}, {SIGNATURE("7", "", ""), "{}"}, {SIGNATURE("7", "", ""), "[7]"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct source_signatures signatures = {"item", TEXT(SIGNATURE("7", "", "")),
                                                     text_of(bad[i][0]), text_of(bad[i][1])};
        assert_int_equal(source_signature_compare(&signatures, &reason, &err), ERR_DATA);
    }
}

static int
teardown(void **state)
{
    (void)state;
    buffer_free(&reason);
    return 0;
}

#define WITH_TRIGGERS(partitions, triggers) \
    "{\"oid\": 7, \"partitions\": {" partitions "}, \"labels\": {}, \"triggers\": {" triggers "}}"
#define TRIGGER(oid, changed_by, has_comment) \
    "\"" oid "\": [\"bitdex_item_a\", \"" changed_by "\", " has_comment "]"

static void
test_f99_triggers_are_altered_or_not_ours(void **state)
{
    (void)state;
    static const char before[] = WITH_TRIGGERS("", TRIGGER("30", "700", "true"));
    assert_string_equal(compare(before, before, "[]"), "");
    assert_string_equal(
        compare(before, WITH_TRIGGERS("", TRIGGER("30", "701", "false")), "[]"),
        "trigger bitdex_item_a of item was altered, and may have been disabled for a time");
    assert_string_equal(compare(before, WITH_TRIGGERS("", TRIGGER("31", "701", "true")), "[]"), "");
    assert_string_equal(
        compare(before, WITH_TRIGGERS("", TRIGGER("31", "701", "false")), "[]"),
        "trigger bitdex_item_a of item was created by another command than triggers apply");
    assert_string_equal(compare(before, WITH_TRIGGERS("", ""), "[]"), "");
    assert_string_equal(compare(SIGNATURE("7", "", ""), before, "[]"), "");
}

static void
test_f99_triggers_of_a_partition_are_altered(void **state)
{
    (void)state;
#define PARTITION(version) "\"11\": [\"item_b\", null, " version "]"
    static const char before[] = WITH_TRIGGERS(PARTITION("700"), TRIGGER("30", "700", "true"));
    assert_string_equal(compare(before, before, "[]"), "");
    assert_string_equal(
        compare(before, WITH_TRIGGERS(PARTITION("720"), TRIGGER("30", "700", "true")), "[]"),
        "triggers of partition item_b of item were altered, and may have been disabled for a time");
    assert_string_equal(
        compare(before, WITH_TRIGGERS(PARTITION("720"), TRIGGER("31", "720", "true")), "[]"), "");
    assert_string_equal(compare(SIGNATURE("7", "\"11\": [\"item_b\", null]", ""), before, "[]"),
                        "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f99_triggers_are_altered_or_not_ours),
        cmocka_unit_test(test_f99_triggers_of_a_partition_are_altered),
        cmocka_unit_test(test_f95_partitions_come_with_rows_and_go),
        cmocka_unit_test(test_a_new_partition_without_rows_changes_nothing),
        cmocka_unit_test(test_f95_a_partition_without_a_guard_was_truncated),
        cmocka_unit_test(test_f91_labels_are_renamed_or_new),
        cmocka_unit_test(test_f91_a_table_is_exchanged_or_gone),
        cmocka_unit_test(test_what_another_version_has_saved_counts_as_changed),
        cmocka_unit_test(test_what_is_no_signature_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
