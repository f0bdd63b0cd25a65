/* The numbers of the fields of an index, and sets of them, beside arrays of flags. */
#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_fields.h"
#include "common/config/config_identity.h"
#include "common/config/config_load.h"
#include "common/config/config_print.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/random_input.h"

static const struct config_filter_field filters[] = {{.name = "level", .type = FIELD_SINGLE_VALUE},
                                                     {.name = "tags", .type = FIELD_MULTI_VALUE},
                                                     {.name = "at", .type = FIELD_SINGLE_VALUE}};
static const char *const sources[] = {"at", "seen"};
static const struct config_sort_field sorts[] = {
    {"seen", 32, COMPUTED_NONE, NULL, 0},
    {"at", 32, COMPUTED_NONE, NULL, 0},
    {"best", 32, COMPUTED_GREATEST, sources, 2},
};
static const struct config_index index_config = {.filter_fields = filters,
                                                 .filter_field_count = 3,
                                                 .sort_fields = sorts,
                                                 .sort_field_count = 3,
                                                 .visible_from = NULL};

static void
test_fields_are_numbered_filters_first_and_each_name_once(void **state)
{
    static const char *const names[] = {"level", "tags", "at", "seen", "best"};
    (void)state;
    struct config_fields fields;
    config_fields_init(&fields, &index_config);
    assert_int_equal(fields.count, 5);
    assert_int_equal(config_fields_count(&index_config), 5);
    for (uint32_t i = 0; i < fields.count; i++) {
        uint32_t number = FIELD_NUMBERS;
        assert_string_equal(config_fields_name(&fields, i), names[i]);
        assert_true(config_fields_find(&fields, text_of(names[i]), &number));
        assert_int_equal(number, i);
    }
    config_fields_free(&fields);
}

static void
test_existence_has_a_number_of_its_own_and_the_empty_name(void **state)
{
    (void)state;
    struct config_fields fields;
    uint32_t number = 0;
    config_fields_init(&fields, &index_config);
    assert_true(config_fields_find(&fields, TEXT(""), &number));
    assert_int_equal(number, FIELD_ALIVE);
    assert_string_equal(config_fields_name(&fields, FIELD_ALIVE), "alive");
    assert_false(config_fields_find(&fields, TEXT("alive"), &number));
    assert_false(config_fields_find(&fields, TEXT("tag"), &number));
    config_fields_free(&fields);
}

static void
test_names_become_a_set_without_those_that_the_index_lacks(void **state)
{
    (void)state;
    const struct text names[] = {TEXT("seen"), TEXT("nothing"), TEXT(""), TEXT("level")};
    struct config_fields fields;
    struct field_set set = {{0}}, wanted = {{0}};
    config_fields_init(&fields, &index_config);
    config_fields_add(&fields, names, 4, &set);
    field_set_add(&wanted, 0);
    field_set_add(&wanted, 3);
    field_set_add(&wanted, FIELD_ALIVE);
    assert_true(field_set_equal(&set, &wanted));
    config_fields_free(&fields);
}

static void
test_a_computed_field_is_not_written_and_has_the_sources_of_its_configuration(void **state)
{
    (void)state;
    struct config_fields fields;
    config_fields_init(&fields, &index_config);
    struct field_set written = config_fields_written(&fields);
    assert_false(field_set_has(&written, 4));
    assert_true(field_set_has(&written, 3));
    assert_true(field_set_has(&written, FIELD_ALIVE));
    assert_false(field_set_has(&written, 5));
    struct field_set wanted = {{0}}, of_best = config_fields_sources(&fields, 4);
    field_set_add(&wanted, 2);
    field_set_add(&wanted, 3);
    assert_true(field_set_equal(&of_best, &wanted));
    struct field_set of_tags = config_fields_sources(&fields, 1);
    wanted = (struct field_set){{0}};
    field_set_add(&wanted, 1);
    assert_true(field_set_equal(&of_tags, &wanted));
    config_fields_free(&fields);
}

static void
assert_set(const struct field_set *set, const bool *naive)
{
    bool any = false;
    for (uint32_t i = 0; i < FIELD_NUMBERS; i++) {
        assert_int_equal(field_set_has(set, i), naive[i]);
        any = any || naive[i];
    }
    assert_int_equal(field_set_is_empty(set), !any);
    uint32_t next = FIELD_NUMBERS;
    for (uint32_t i = FIELD_NUMBERS; i-- > 0;) {
        next = naive[i] ? i : next;
        assert_int_equal(field_set_next(set, i), next);
    }
    assert_int_equal(field_set_next(set, FIELD_NUMBERS), FIELD_NUMBERS);
}

static void
fill_randomly(struct field_set *set, bool *naive)
{
    uint32_t count = (uint32_t)random_below(FIELD_NUMBERS);
    *set = (struct field_set){{0}};
    memset(naive, 0, FIELD_NUMBERS);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)random_below(FIELD_NUMBERS);
        bool add = random_below(4) > 0;
        (add ? field_set_add : field_set_remove)(set, number);
        naive[number] = add;
    }
}

static void
test_sets_behave_like_arrays_of_flags(void **state)
{
    (void)state;
    bool a[FIELD_NUMBERS], b[FIELD_NUMBERS];
    struct field_set x, y;
    for (int round = 0; round < 200; round++) {
        fill_randomly(&x, a);
        fill_randomly(&y, b);
        bool includes = true, equal = true;
        for (uint32_t i = 0; i < FIELD_NUMBERS; i++) {
            includes = includes && (a[i] || !b[i]);
            equal = equal && a[i] == b[i];
        }
        assert_set(&x, a);
        assert_int_equal(field_set_includes(&x, &y), includes);
        assert_int_equal(field_set_equal(&x, &y), equal);
        uint64_t kind = random_below(3);
        (kind == 0   ? field_set_add_all
         : kind == 1 ? field_set_remove_all
                     : field_set_keep_all)(&x, &y);
        for (uint32_t i = 0; i < FIELD_NUMBERS; i++)
            a[i] = kind == 0 ? a[i] || b[i] : kind == 1 ? a[i] && !b[i] : a[i] && b[i];
        assert_set(&x, a);
        assert_true(kind != 0 || field_set_includes(&x, &y));
    }
}

static void
assert_read_back(const struct config_index *index)
{
    struct error err = {0};
    struct config_index read;
    struct arena arena;
    struct buffer written = {0}, again = {0};
    arena_init(&arena);
    buffer_append_text(&written, "index: shop\npartition: 0 of 4\n");
    config_index_identity(index, &written);
    const struct text identity = {(const char *)written.data, written.bytes};
    assert_int_equal(config_identity_read(identity, &arena, &read, &err), 0);
    buffer_append_text(&again, "index: shop\npartition: 0 of 4\n");
    config_index_identity(&read, &again);
    assert_string_equal(buffer_string(&again), buffer_string(&written));
    buffer_free(&written);
    buffer_free(&again);
    arena_free(&arena);
}

static void
test_the_fields_of_an_identity_are_read_back(void **state)
{
    (void)state;
    static const struct config_filter_field all[] = {{.name = "a", .type = FIELD_SINGLE_VALUE},
                                                     {.name = "b", .type = FIELD_MULTI_VALUE},
                                                     {.name = "c", .type = FIELD_BOOLEAN},
                                                     {.name = "d", .type = FIELD_STRING}};
    static const struct config_index others[] = {{.filter_fields = all, .filter_field_count = 4},
                                                 {.sort_fields = sorts, .sort_field_count = 3},
                                                 {.filter_field_count = 0}};
    assert_read_back(&index_config);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_read_back(&others[i]);
}

static void
test_lines_of_fields_that_nobody_writes_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "filter field \"a\": text\n",
        "filter field \"a\"\n",
        "filter field \"a",
        "filter field \"\": string\n",
        "sort field \"a\": bits\n",
        "sort field \"a\": bits 3x\n",
        "sort field \"a\": bits 99999999999\n",
        "sort field \"a\": width 3\n",
        "sort field \"a\": bits 3 greatest\n",
        "sort field \"a\": bits 3 average b\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct error err = {0};
        struct config_index read;
        struct arena arena;
        arena_init(&arena);
        int rc = config_identity_read(text_of(lines[i]), &arena, &read, &err);
        if (rc != ERR_DATA)
            fail_msg("%s", lines[i]);
        arena_free(&arena);
    }
}

static void
test_the_settings_of_queries_are_no_part_of_the_identity(void **state)
{
    (void)state;
    struct config *config =
        config_load_valid(HEAD "index_config:\n  max_page_size: 100\n  filter_fields:\n"
                               "    - { name: a, field_type: string, case_insensitive: true }\n"
                               "    - { name: b, field_type: boolean, nullable: true }\n"
                               "    - { name: c, field_type: boolean, nullable: false }\n",
                          CONFIG_CONSUMER);
    const struct config_index *index = &config->index_config;
    struct buffer out;
    buffer_init(&out);
    assert_int_equal(index->max_page_size, 100);
    assert_true(index->filter_fields[0].ignores_case && !index->filter_fields[0].is_nullable);
    assert_true(index->filter_fields[1].is_nullable && !index->filter_fields[2].is_nullable);
    config_index_identity(index, &out);
    assert_string_equal(buffer_string(&out), "filter field \"a\": string\n"
                                             "filter field \"b\": boolean\n"
                                             "filter field \"c\": boolean\n");
    buffer_clear(&out);
    config_print(config, &out);
    assert_non_null(strstr(buffer_string(&out), "case_insensitive: true\n"));
    assert_non_null(strstr(buffer_string(&out), "nullable: true\n"));
    assert_null(strstr(buffer_string(&out), "nullable: false\n"));
    buffer_free(&out);
    config_destroy(config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_numbered_filters_first_and_each_name_once),
        cmocka_unit_test(test_existence_has_a_number_of_its_own_and_the_empty_name),
        cmocka_unit_test(test_names_become_a_set_without_those_that_the_index_lacks),
        cmocka_unit_test(
            test_a_computed_field_is_not_written_and_has_the_sources_of_its_configuration),
        cmocka_unit_test(test_the_fields_of_an_identity_are_read_back),
        cmocka_unit_test(test_lines_of_fields_that_nobody_writes_are_refused),
        cmocka_unit_test(test_sets_behave_like_arrays_of_flags),
        cmocka_unit_test(test_the_settings_of_queries_are_no_part_of_the_identity),
    };
    random_seed();
    return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
