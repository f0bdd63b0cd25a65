#include "tests/unit/unit_test.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "common/metrics/metrics.h"

static void
check_text(struct buffer *out, const char *wanted)
{
    assert_string_equal(buffer_string(out), wanted);
    buffer_free(out);
}

static void
test_family_names_type_and_escapes_help(void **state)
{
    (void)state;
    struct buffer out = {0};
    metrics_family(&out, "bitdex_x_total", "counter", "a \\ and a\nline, \"quoted\"");
    check_text(&out, "# HELP bitdex_x_total a \\\\ and a\\nline, \"quoted\"\n"
                     "# TYPE bitdex_x_total counter\n");
}

static void
test_samples_have_no_braces_without_labels(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    struct buffer out = {0};
    metrics_sample(&out, "up", NULL, 1);
    metrics_sample(&out, "up", none, 2);
    check_text(&out, "up 1\nup 2\n");
}

static void
test_label_values_are_escaped(void **state)
{
    (void)state;
    const char *const labels[] = {"source", "a\"b\\c\nd", "partition", "3", NULL};
    struct buffer out = {0};
    metrics_sample(&out, "lag", labels, 5);
    check_text(&out, "lag{source=\"a\\\"b\\\\c\\nd\",partition=\"3\"} 5\n");
}

static void
test_numbers_are_exact_and_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-7, "-7"},
        {9007199254740992.0, "9007199254740992"},
        {1700000000000000.0, "1700000000000000"},
        {0.1, "0.1"},
        {1e-5, "1e-05"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e300, "1e+300"},
        {NAN, "NaN"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out = {0};
        metrics_sample(&out, "n", NULL, cases[i].value);
        struct buffer wanted = {0};
        buffer_append_format(&wanted, "n %s\n", cases[i].text);
        check_text(&out, buffer_string(&wanted));
        buffer_free(&wanted);
    }
}

static bool
has_line(struct buffer *out, const char *line)
{
    const char *found = strstr(buffer_string(out), line);
    return found != NULL && (found == (const char *)out->data || found[-1] == '\n') &&
           found[strlen(line)] == '\n';
}

static void
test_histogram_buckets_are_cumulative_and_include_their_upper_bound(void **state)
{
    (void)state;
    const char *const labels[] = {"route", "query", NULL};
    struct metrics_histogram histogram = {0};
    static const int64_t observed[] = {-5, 0, 10, 11, 20, 100000000, 100000001, 250000000};
    for (size_t i = 0; i < sizeof observed / sizeof observed[0]; i++)
        metrics_observe_us(&histogram, observed[i]);
    struct buffer out = {0};
    metrics_histogram_sample(&out, "d", labels, &histogram);
    assert_true(has_line(&out, "d_bucket{route=\"query\",le=\"1e-05\"} 3"));
    assert_true(has_line(&out, "d_bucket{route=\"query\",le=\"2e-05\"} 5"));
    assert_true(has_line(&out, "d_bucket{route=\"query\",le=\"50\"} 5"));
    assert_true(has_line(&out, "d_bucket{route=\"query\",le=\"100\"} 6"));
    assert_true(has_line(&out, "d_bucket{route=\"query\",le=\"+Inf\"} 8"));
    assert_true(has_line(&out, "d_sum{route=\"query\"} 450.000042"));
    assert_true(has_line(&out, "d_count{route=\"query\"} 8"));
    buffer_free(&out);
    metrics_histogram_sample(&out, "d", NULL, &histogram);
    assert_true(has_line(&out, "d_bucket{le=\"0.001\"} 5"));
    buffer_free(&out);
}

enum { OBSERVERS = 4, OBSERVATIONS = 20000 };

static void *
observe_many(void *context)
{
    for (int i = 0; i < OBSERVATIONS; i++)
        metrics_observe_us(context, i);
    return NULL;
}

/* No observation is lost between threads. */
static void
test_histogram_is_shared_by_threads(void **state)
{
    (void)state;
    struct metrics_histogram histogram = {0};
    pthread_t threads[OBSERVERS];
    for (int i = 0; i < OBSERVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, observe_many, &histogram), 0);
    for (int i = 0; i < OBSERVERS; i++)
        pthread_join(threads[i], NULL);
    struct buffer out = {0};
    metrics_histogram_sample(&out, "d", NULL, &histogram);
    assert_true(has_line(&out, "d_count 80000"));
    assert_true(has_line(&out, "d_sum 799.96"));
    buffer_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_family_names_type_and_escapes_help),
        cmocka_unit_test(test_samples_have_no_braces_without_labels),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_numbers_are_exact_and_short),
        cmocka_unit_test(test_histogram_buckets_are_cumulative_and_include_their_upper_bound),
        cmocka_unit_test(test_histogram_is_shared_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
