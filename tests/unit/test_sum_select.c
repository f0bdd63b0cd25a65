#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "producer/triggers/sum_select.h"

#define ANY .min = INT64_MIN, .max = INT64_MAX

static struct arena arena;
static struct config config;
static struct config_trigger triggers[2];
static struct entry entries[2];

static const struct select_range hundred = {
    .has_begin = true, .begin = 100, .has_end = true, .end = 200};
static const struct config_tracked_field fields[] = {
    {.column = "order", .target = "order"},
    {.expression = "{x} + 1", .target = "more"},
};

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena);
    config = (struct config){.path = "a.yaml", .triggers = triggers, .trigger_count = 2};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* An entry as the catalogue would complete it. */
static struct entry *
make_entry(uint32_t number, const char *quoted, struct config_trigger made)
{
    struct entry *entry = &entries[number];
    triggers[number] = made;
    triggers[number].table = "T";
    entry_create(&config, number, &arena, entry);
    entry->outbox_schema = "public";
    entry->table = (struct entry_table){.schema = "public", .name = "T", .quoted = quoted};
    if (entry->link_count > 0) {
        entry->links[0].table =
            (struct entry_table){.schema = "public", .name = "C", .quoted = "\"C\""};
        entry->links[0].parent_key = "key";
    }
    entry->slot_is_unique = true;
    return entry;
}

static struct entry *
make_image(void)
{
    return make_entry(0, "\"I\"",
                      (struct config_trigger){
                          .slot_field = "id",
                          .sets_alive = true,
                          .filter = "{x} > 0",
                          .track_fields = fields,
                          .track_field_count = 2,
                      });
}

static struct entry *
make_join(void)
{
    struct entry *entry = make_entry(
        1, "\"J\"",
        (struct config_trigger){
            .kind = TRIGGER_JOIN, .slot_field = "image", .field = "tags", .value_field = "tag"});
    entry->slot_is_unique = false;
    return entry;
}

static const char *
sql_of(const struct sum_query *query)
{
    struct buffer out = {0};
    sum_select_append(&out, query, 4, &hundred);
    const char *text = arena_strdup(&arena, text_of(buffer_string(&out)));
    buffer_free(&out);
    return text;
}

/* The SQL of the sums of the first value of an image, between "SELECT partition" and FROM. */
static const char *
sums_of(const struct sum_target *target)
{
    const struct sum_value value = {&entries[0], 0};
    const struct sum_query query = {
        .values = &value, .value_count = 1, .targets = target, .target_count = 1};
    const char *sql = sql_of(&query) + strlen("SELECT _id % 4, ");
    return arena_strdup(&arena, (struct text){sql, (size_t)(strstr(sql, " FROM (") - sql)});
}

static void
test_values_of_a_direct_table_are_summed_together(void **state)
{
    (void)state;
    const struct entry *image = make_image();
    entries[0].values[0].integer_bytes = 8;
    const struct sum_value values[] = {{image, 0}, {image, 1}};
    const struct sum_target targets[] = {{FIELD_SINGLE_VALUE, ANY}, {FIELD_SINGLE_VALUE, -7, 7}};
    const struct sum_query query = {.has_existence = true,
                                    .values = values,
                                    .value_count = 2,
                                    .targets = targets,
                                    .target_count = 2};
    assert_string_equal(
        sql_of(&query),
        "SELECT _id % 4, count(*), sum(hashint8extended(_id, 1)), count(_v0::bigint),"
        " sum(hashint8extended(_id, _v0::bigint)),"
        " count(CASE WHEN _v1 BETWEEN -7 AND 7 THEN _v1::bigint END),"
        " sum(hashint8extended(_id, CASE WHEN _v1 BETWEEN -7 AND 7 THEN _v1::bigint END))"
        " FROM (SELECT _row.\"id\"::bigint AS _id, _row.\"order\" AS _v0, (_row.\"x\" + 1) AS _v1"
        " FROM ONLY \"I\" AS _row WHERE _row.\"id\" IS NOT NULL AND (_row.\"x\" > 0) IS TRUE"
        " AND _row.\"id\" >= 100 AND _row.\"id\" < 200 OFFSET 0) AS _rows GROUP BY 1");
}

static void
test_a_join_is_of_entities_that_are_alive(void **state)
{
    (void)state;
    const struct entry *image = make_image();
    const struct entry *join = make_join();
    entries[1].value_is_unique = true;
    const struct sum_value value = {join, 0};
    const struct sum_target target = {FIELD_MULTI_VALUE, ANY};
    const struct sum_query query = {.values = &value,
                                    .value_count = 1,
                                    .targets = &target,
                                    .target_count = 1,
                                    .alive = &image,
                                    .alive_count = 1};
    assert_true(sum_value_is_single(&value, FIELD_MULTI_VALUE));
    assert_string_equal(
        sql_of(&query),
        "SELECT _id % 4, count(_v0::bigint), sum(hashint8extended(_id, _v0::bigint))"
        " FROM (SELECT _row.\"image\"::bigint AS _id, _row.\"tag\" AS _v0 FROM ONLY \"J\" AS _row"
        " WHERE _row.\"image\" IS NOT NULL AND _row.\"image\" >= 100 AND _row.\"image\" < 200"
        " AND EXISTS (SELECT FROM ONLY \"I\" AS _alive WHERE _alive.\"id\" = _row.\"image\""
        " AND _alive.\"id\" >= 100 AND _alive.\"id\" < 200 AND (_alive.\"x\" > 0) IS TRUE)"
        ") AS _rows GROUP BY 1");
}

static void
test_pairs_that_may_repeat_are_summed_once(void **state)
{
    (void)state;
    const struct entry *join = make_join();
    const struct sum_value values[] = {{join, 0}, {join, 0}};
    const struct sum_target target = {FIELD_MULTI_VALUE, ANY};
    const struct sum_query query = {.is_united = true,
                                    .values = values,
                                    .value_count = 2,
                                    .targets = &target,
                                    .target_count = 1};
    assert_false(sum_value_is_single(&values[0], FIELD_MULTI_VALUE));
#define PAIRS                                                                           \
    "SELECT _id, _v0::bigint AS _value FROM (SELECT _row.\"image\"::bigint AS _id,"     \
    " _row.\"tag\" AS _v0 FROM ONLY \"J\" AS _row WHERE _row.\"image\" IS NOT NULL AND" \
    " _row.\"image\" >= 100 AND _row.\"image\" < 200) AS _rows"
    assert_string_equal(sql_of(&query),
                        "SELECT _id % 4, count(_value), sum(hashint8extended(_id, _value)) FROM"
                        " (SELECT DISTINCT _id, _value FROM (" PAIRS " UNION ALL " PAIRS
                        ") AS _all WHERE _value IS NOT NULL) AS _pairs GROUP BY 1");
}

static void
test_existence_is_that_of_all_tables_that_set_alive(void **state)
{
    (void)state;
    const struct entry *alive[] = {make_image(), make_join()};
    const struct sum_query query = {.has_existence = true, .alive = alive, .alive_count = 2};
    assert_string_equal(
        sql_of(&query),
        "SELECT _id % 4, count(*), sum(hashint8extended(_id, 1)) FROM (SELECT"
        " _row.\"id\"::bigint AS _id FROM ONLY \"I\" AS _row WHERE _row.\"id\" IS NOT NULL"
        " AND (_row.\"x\" > 0) IS TRUE AND _row.\"id\" >= 100 AND _row.\"id\" < 200 UNION SELECT"
        " _row.\"image\"::bigint AS _id FROM ONLY \"J\" AS _row WHERE _row.\"image\" IS NOT NULL"
        " AND _row.\"image\" >= 100 AND _row.\"image\" < 200) AS _rows GROUP BY 1");
}

static void
test_what_a_field_cannot_hold_is_null(void **state)
{
    (void)state;
    static const struct {
        enum entry_wire wire;
        struct sum_target target;
        uint8_t integer_bytes;
        const char *held;
    } cases[] = {
        {WIRE_INTEGER, {FIELD_SINGLE_VALUE, -4294967295, 4294967295}, 4, "_v0::bigint"},
        {WIRE_INTEGER,
         {FIELD_SINGLE_VALUE, -2147483647, 2147483647},
         4,
         "CASE WHEN _v0 BETWEEN -2147483647 AND 2147483647 THEN _v0::bigint END"},
        {WIRE_INTEGER,
         {FIELD_SINGLE_VALUE, -4294967295, 4294967295},
         8,
         "CASE WHEN _v0 BETWEEN -4294967295 AND 4294967295 THEN _v0::bigint END"},
        {WIRE_INTEGER, {FIELD_BOOLEAN, ANY}, 4, "NULL::bigint"},
        {WIRE_BOOLEAN, {FIELD_SINGLE_VALUE, ANY}, 0, "NULL::bigint"},
        {WIRE_TEXT, {FIELD_SINGLE_VALUE, ANY}, 0, "NULL::bigint"},
        {WIRE_BOOLEAN, {FIELD_BOOLEAN, ANY}, 0, "_v0::integer::bigint"},
    };
    make_image();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[512];
        entries[0].values[0].wire = cases[i].wire;
        entries[0].values[0].integer_bytes = cases[i].integer_bytes;
        snprintf(expected, sizeof expected, "count(%s), sum(hashint8extended(_id, %s))",
                 cases[i].held, cases[i].held);
        assert_string_equal(sums_of(&cases[i].target), expected);
    }
}

static void
test_texts_are_as_long_as_ops_carry_them(void **state)
{
    (void)state;
    make_image();
    entries[0].values[0].wire = WIRE_TEXT;
    assert_string_equal(
        sums_of(&(struct sum_target){FIELD_STRING, ANY}),
        "count(CASE WHEN octet_length(_v0) <= 65536 THEN _v0 END), sum(hashtextextended((CASE WHEN"
        " octet_length(_v0) <= 65536 THEN _v0 END) COLLATE \"C\", _id))");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_of_a_direct_table_are_summed_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_join_is_of_entities_that_are_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pairs_that_may_repeat_are_summed_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_existence_is_that_of_all_tables_that_set_alive, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_a_field_cannot_hold_is_null, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_are_as_long_as_ops_carry_them, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
