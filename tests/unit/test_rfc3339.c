/* Moments as text, and random moments formatted and read back. */
#include "tests/unit/unit_test.h"

#include "common/base/clock.h"
#include "common/base/rfc3339.h"
#include "tests/unit/random_input.h"

static void
test_moments(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } moments[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-30T14:00:00Z", INT64_C(1796047200000000)},
        {"2026-11-30t14:00:00z", INT64_C(1796047200000000)},
        {"2026-11-30 16:00:00+02:00", INT64_C(1796047200000000)},
        {"2026-11-30T08:30:00-05:30", INT64_C(1796047200000000)},
        {"2026-11-30T14:00:00.25Z", INT64_C(1796047200250000)},
        {"2026-11-30T14:00:00.123456789Z", INT64_C(1796047200123456)},
        {"2028-02-29T00:00:00Z", INT64_C(1835395200000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228799000000)},
    };
    for (size_t i = 0; i < COUNT_OF(moments); i++) {
        int64_t us = -1;
        if (!rfc3339_parse(moments[i].text, &us) || us != moments[i].us)
            fail_msg("%s: %lld", moments[i].text, (long long)us);
    }
}

static void
test_what_is_not_a_moment(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "now",
        "2026-11-30",
        "2026-11-30T14:00Z",
        "2026-11-30T14:00:00", /* which zone? */
        "2026-11-30T14:00:00.Z",
        "2026-11-30T14:00:00+0200",
        "2026-11-30T14:00:00Z ",
        "2026-11-31T14:00:00Z",
        "2026-02-29T14:00:00Z",
        "2026-13-01T14:00:00Z",
        "2026-11-30T24:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "26-11-30T14:00:00Z",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int64_t us;
        if (rfc3339_parse(texts[i], &us))
            fail_msg("%s", texts[i]);
    }
}

static void
test_what_the_clock_formats_is_read_back(void **state)
{
    (void)state;
    random_seed();
    for (int i = 0; i < 1000; i++) {
        char text[CLOCK_TEXT_BYTES];
        int64_t us, ms = (int64_t)random_below(INT64_C(4102444800000));
        clock_format_utc(ms * US_PER_MS, text, sizeof text);
        assert_true(rfc3339_parse(text, &us));
        assert_int_equal(us, ms * US_PER_MS);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_what_is_not_a_moment),
        cmocka_unit_test(test_what_the_clock_formats_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
