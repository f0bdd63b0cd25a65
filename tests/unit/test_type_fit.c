/* How types of Postgres fit the fields of the index. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "producer/triggers/type_fit.h"

static const struct config_filter_field filter_fields[] = {
    {.name = "number", .type = FIELD_SINGLE_VALUE},
    {.name = "list", .type = FIELD_MULTI_VALUE},
    {.name = "flag", .type = FIELD_BOOLEAN},
    {.name = "text", .type = FIELD_STRING},
};
static const struct config_sort_field sort_fields[] = {{.name = "order", .bits = 32}};
static const struct config_index config_index = {
    .filter_fields = filter_fields,
    .filter_field_count = sizeof filter_fields / sizeof filter_fields[0],
    .sort_fields = sort_fields,
    .sort_field_count = 1,
};

/* A type as the catalogue describes it, and its fits of number, list, flag, text and order. */
static const struct {
    const char *name;
    enum entry_form form;
    enum entry_wire wire;
    const char *fits; /* a: all, s: some, n: none */
} types[] = {
    {"integer", FORM_PLAIN, WIRE_INTEGER, "aanna"},
    {"bigint", FORM_PLAIN, WIRE_INTEGER, "aanna"},
    {"timestamp with time zone", FORM_SECONDS, WIRE_INTEGER, "aanna"},
    {"numeric", FORM_PLAIN, WIRE_JSON, "ssnns"},
    {"real", FORM_PLAIN, WIRE_JSON, "ssnns"},
    {"double precision", FORM_PLAIN, WIRE_JSON, "ssnns"},
    {"boolean", FORM_PLAIN, WIRE_BOOLEAN, "nnann"},
    {"text", FORM_PLAIN, WIRE_TEXT, "nanan"},
    {"uuid", FORM_PLAIN, WIRE_JSON, "nanan"},
    {"interval", FORM_TEXT, WIRE_TEXT, "nanan"},
    {"jsonb", FORM_JSON, WIRE_JSON, "sssss"},
    {"bigint[]", FORM_ARRAY, WIRE_JSON, "nannn"},
    {"text[]", FORM_ARRAY, WIRE_JSON, "nannn"},
    {"numeric[]", FORM_ARRAY, WIRE_JSON, "nsnnn"},
    {"boolean[]", FORM_ARRAY, WIRE_JSON, "nnnnn"},
    {"interval[]", FORM_TEXT_ARRAY, WIRE_JSON, "nannn"},
};

static void
test_F109_each_type_fits_the_fields_that_can_hold_it(void **state)
{
    static const char *const targets[] = {"number", "list", "flag", "text", "order"};
    static const char letters[] = {[FIT_ALL] = 'a', [FIT_SOME] = 's', [FIT_NONE] = 'n'};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char fits[6] = "";
        for (size_t j = 0; j < 5; j++) {
            struct entry_value value = {
                .target = targets[j], .form = types[i].form, .wire = types[i].wire};
            snprintf(value.type_name, sizeof value.type_name, "%s", types[i].name);
            fits[j] = letters[type_fit_of(&config_index, &value)];
        }
        if (strcmp(fits, types[i].fits) != 0)
            fail_msg("%s: %s, not %s", types[i].name, fits, types[i].fits);
    }
}

static void
test_a_field_that_the_index_does_not_have_takes_anything(void **state)
{
    (void)state;
    struct entry_value value = {.target = "other", .form = FORM_PLAIN, .wire = WIRE_JSON};
    assert_int_equal(type_fit_of(&config_index, &value), FIT_ALL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F109_each_type_fits_the_fields_that_can_hold_it),
        cmocka_unit_test(test_a_field_that_the_index_does_not_have_takes_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
