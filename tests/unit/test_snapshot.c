#include "tests/unit/unit_test.h"

#include "common/event/snapshot.h"

static void
check_text_survives(const char *text)
{
    struct snapshot snapshot = {0};
    struct buffer printed = {0};
    struct error err = {0};
    assert_int_equal(snapshot_parse(&snapshot, text, &err), 0);
    snapshot_print(&snapshot, &printed);
    assert_string_equal(buffer_string(&printed), text);
    buffer_free(&printed);
    snapshot_free(&snapshot);
}

static void
test_a_snapshot_survives_printing_and_parsing(void **state)
{
    (void)state;
    check_text_survives(SNAPSHOT_EMPTY);
    check_text_survives("10:20:");
    check_text_survives("10:20:10");
    check_text_survives("10:20:10,14,19");
    check_text_survives("18446744073709551614:18446744073709551615:18446744073709551614");
}

static void
test_text_that_is_not_a_snapshot_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          "10",          "10:20",       "10:20:x",
        "a:20:",     "10:20:9",     "10:20:20",    "10:20:,",
        "10:20:11,", "10:20:12,11", "10:20:11,11", "20:10:",
        "0:10:",     "10:20:11 ",   " 10:20:",     "-1:20:",
        "10:20:-11", "10::11",      ":20:",        "10:18446744073709551616:",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct snapshot snapshot = {0};
        struct error err = {0};
        if (snapshot_parse(&snapshot, texts[i], &err) != ERR_FATAL)
            fail_msg("\"%s\" was accepted as a snapshot", texts[i]);
        assert_null(snapshot.xip);
    }
}

static void
test_a_refused_text_leaves_the_snapshot_unchanged(void **state)
{
    (void)state;
    struct snapshot snapshot = {0};
    assert_int_equal(snapshot_parse(&snapshot, "10:20:11", NULL), 0);
    assert_int_equal(snapshot_parse(&snapshot, "30:40:50", NULL), ERR_FATAL);
    assert_int_equal(snapshot.xmin, 10);
    assert_int_equal(snapshot.xip_count, 1);
    assert_int_equal(snapshot.xip[0], 11);
    snapshot_free(&snapshot);
}

static void
test_a_snapshot_sees_transactions_below_xmax_that_were_not_running(void **state)
{
    (void)state;
    struct snapshot snapshot = {0};
    assert_int_equal(snapshot_parse(&snapshot, "10:20:10,13,19", NULL), 0);
    for (uint64_t xid = 1; xid < 30; xid++) {
        bool running = xid == 10 || xid == 13 || xid == 19;
        assert_int_equal(snapshot_sees(&snapshot, xid), xid < 20 && !running);
    }
    snapshot_free(&snapshot);
}

static void
test_a_copy_is_independent(void **state)
{
    (void)state;
    struct snapshot one = {0};
    struct snapshot other = {0};
    assert_int_equal(snapshot_parse(&one, "10:20:11,12", NULL), 0);
    snapshot_copy(&other, &one);
    snapshot_copy(&other, &other); /* to itself as well */
    snapshot_free(&one);
    assert_int_equal(other.xip_count, 2);
    assert_int_equal(other.xip[1], 12);
    snapshot_free(&other);
}

static void
check_narrowed(const char *one, const char *other)
{
    struct snapshot a = {0};
    struct snapshot b = {0};
    struct snapshot both = {0};
    assert_int_equal(snapshot_parse(&a, one, NULL), 0);
    assert_int_equal(snapshot_parse(&b, other, NULL), 0);
    snapshot_copy(&both, &a);
    snapshot_narrow(&both, &b);
    for (uint64_t xid = 1; xid < 40; xid++)
        if (snapshot_sees(&both, xid) != (snapshot_sees(&a, xid) && snapshot_sees(&b, xid)))
            fail_msg("%s and %s: transaction %d", one, other, (int)xid);
    struct buffer text = {0};
    snapshot_print(&both, &text);
    assert_int_equal(snapshot_parse(&both, buffer_string(&text), NULL), 0);
    buffer_free(&text);
    snapshot_free(&both);
    snapshot_free(&a);
    snapshot_free(&b);
}

static void
test_a_narrowed_snapshot_sees_what_both_have_seen(void **state)
{
    (void)state;
    static const char *const texts[] = {
        SNAPSHOT_EMPTY, "10:20:",      "10:20:10,14,19",  "15:30:15,16,25",
        "20:20:",       "30:35:30,31", "5:38:5,10,20,37",
    };
    enum { COUNT = sizeof texts / sizeof texts[0] };
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            check_narrowed(texts[i], texts[j]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot_survives_printing_and_parsing),
        cmocka_unit_test(test_text_that_is_not_a_snapshot_is_refused),
        cmocka_unit_test(test_a_refused_text_leaves_the_snapshot_unchanged),
        cmocka_unit_test(test_a_snapshot_sees_transactions_below_xmax_that_were_not_running),
        cmocka_unit_test(test_a_copy_is_independent),
        cmocka_unit_test(test_a_narrowed_snapshot_sees_what_both_have_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
