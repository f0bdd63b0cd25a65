/* What a reload finds changed. */
#include "tests/unit/config_fixture.h"

#include "common/base/memory.h"
#include "common/config/config_difference.h"
#include "common/config/config_load.h"
#include "tests/unit/unit_test.h"

/* Between INDEXED with `a` and with `b` after it. */
static void
check_difference(const char *a, const char *b, const char *reloaded, const char *fixed)
{
    struct config *configs[2];
    struct buffer lists[2] = {{0}};
    const char *const ends[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct buffer yaml = {0};
        buffer_append_format(&yaml, "%s%s", INDEXED, ends[i]);
        configs[i] = config_load_valid(buffer_string(&yaml), CONFIG_PRODUCER);
        buffer_free(&yaml);
    }
    config_difference(configs[0], configs[1], &lists[0], &lists[1]);
    assert_string_equal(buffer_string(&lists[0]), reloaded);
    assert_string_equal(buffer_string(&lists[1]), fixed);
    for (int i = 0; i < 2; i++) {
        buffer_free(&lists[i]);
        config_destroy(configs[i]);
    }
}

#define TRIGGER(column)                                                                          \
    "triggers:\n  - { table: t, slot_field: id, sets_alive: true, track_fields: [" column " as " \
    "level] }\n"

static void
test_F114_changed_settings_are_named(void **state)
{
    (void)state;
    check_difference("", "", "", "");
    check_difference("", "log: { level: info }\n", "", ""); /* the default */
    check_difference("", "log: { level: debug }\n", "log.level", "");
    check_difference("log: { level: warn }\nproducer: { chunk_rows: 7, load: { share: 0.5 } }\n",
                     "", "log.level", "producer.chunk_rows, producer.load.share");
    check_difference(TRIGGER("a"), TRIGGER("a"), "", "");
    check_difference(TRIGGER("a"), TRIGGER("b"), "", "triggers");
    check_difference(TRIGGER("a"), "", "", "triggers");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_F114_changed_settings_are_named)};
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
