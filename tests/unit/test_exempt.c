/* The fields for which the law of the committed row does not hold. */
#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/config/config.h"
#include "common/config/config_exempt.h"
#include "producer/triggers/exempt.h"

enum { ENTRIES = 3 };

static const struct config_link image = {.table = "Image", .foreign_key = "post", .slot = "id"};
static const struct config_tracked_field rank = {.column = "rank", .target = "rank"};
static const struct config_tracked_field poi = {.column = "poi", .target = "poi"};
static const struct config_tracked_field level = {.column = "level", .target = "level"};

static struct arena arena;
static struct config_trigger triggers[ENTRIES] = {
    {.kind = TRIGGER_DIRECT, .slot_field = "id", .track_fields = &level},
    {.kind = TRIGGER_FAN_OUT, .query = "tag eq {id}", .track_fields = &poi},
    {.kind = TRIGGER_FAN_OUT,
     .query = "post eq {id}",
     .links = &image,
     .link_count = 1,
     .track_fields = &rank},
};
static const struct config config = {
    .path = "a.yaml", .triggers = triggers, .trigger_count = ENTRIES};
static const char *const keys[] = {"id"};
static struct entry entries[ENTRIES];

/* As the catalogue would complete them. */
static int
setup(void **state)
{
    const struct entry_table table = {
        .schema = "public", .name = "T", .quoted = "\"public\".\"T\""};
    (void)state;
    arena_init(&arena);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        triggers[i].table = "T";
        triggers[i].track_field_count = 1;
        triggers[i].place = (struct config_place){i + 1, 1};
        entry_create(&config, i, &arena, &entries[i]);
        entries[i].outbox_schema = "public";
        entries[i].table = table;
        entries[i].slot_is_unique = true;
        entries[i].key_columns = entries[i].link_count == 0 ? keys : NULL;
        entries[i].key_column_count = entries[i].link_count == 0;
    }
    entries[2].links[0].table = table;
    entries[2].links[0].parent_key = "id";
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void
test_L11_a_fan_out_that_only_the_index_resolves_is_exempt(void **state)
{
    struct exempt_fields fields;
    (void)state;
    exempt_fields_find(entries, ENTRIES, &arena, &fields);
    assert_int_equal(fields.count, 1);
    assert_string_equal(fields.items[0].name, "poi");
    assert_non_null(strstr(exempt_fields_reason(&fields, "poi"), "`children`"));
    assert_null(exempt_fields_reason(&fields, "rank"));
}

static void
test_L11_what_apply_would_refuse_is_exempt_where_it_is_in_place(void **state)
{
    struct exempt_fields fields;
    (void)state;
    entries[2].slot_is_unique = false;
    exempt_fields_find(entries, ENTRIES, &arena, &fields);
    assert_int_equal(fields.count, 2);
    assert_non_null(strstr(exempt_fields_reason(&fields, "rank"), "rows_from"));
    assert_null(exempt_fields_reason(&fields, "level"));
}

static void
test_L11_what_an_expression_reads_beside_its_row_exempts_its_field(void **state)
{
    struct exempt_fields fields;
    (void)state;
    entries[0].values[0].dependence.reads = "tag";
    exempt_fields_find(entries, ENTRIES, &arena, &fields);
    assert_int_equal(fields.count, 2);
    assert_non_null(strstr(exempt_fields_reason(&fields, "level"), "(tag)"));
    entries[0].values[0].dependence.reads = NULL;
    entries[0].filter_dependence.reads = "tag";
    triggers[0].sets_alive = true;
    exempt_fields_find(entries, ENTRIES, &arena, &fields);
    triggers[0].sets_alive = false;
    assert_int_equal(fields.count, 3);
    assert_non_null(strstr(exempt_fields_reason(&fields, "alive"), "filter"));
    assert_non_null(strstr(exempt_fields_reason(&fields, "level"), "filter"));
}

static void
test_L11_the_configuration_alone_names_its_part(void **state)
{
    const char *field;
    const char *reason;
    uint32_t cursor = 0;
    (void)state;
    assert_true(config_next_exempt(&config, &cursor, &field, &reason));
    assert_string_equal(field, "poi");
    assert_non_null(strstr(reason, "`children`"));
    assert_false(config_next_exempt(&config, &cursor, &field, &reason));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_L11_a_fan_out_that_only_the_index_resolves_is_exempt,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_L11_what_apply_would_refuse_is_exempt_where_it_is_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_L11_what_an_expression_reads_beside_its_row_exempts_its_field, setup, teardown),
        cmocka_unit_test_setup_teardown(test_L11_the_configuration_alone_names_its_part, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
