#include "tests/unit/unit_test.h"

#include <string.h>

#include "common/config/config.h"
#include "producer/triggers/select.h"

static const struct config_link child = {.table = "C", .foreign_key = "fk", .slot = "slot"};
static const struct config_link by_parent = {.table = "C", .foreign_key = "parent", .slot = "slot"};
static struct arena arena;
static struct config config;
static struct config_trigger trigger;
static struct entry entry;

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena);
    config = (struct config){.path = "a.yaml", .triggers = &trigger, .trigger_count = 1};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* The entry of table public.T, as the catalogue would complete it. */
static void
make_entry(struct config_trigger made)
{
    trigger = made;
    trigger.table = "T";
    entry_create(&config, 0, &arena, &entry);
    entry.outbox_schema = "public";
    entry.table =
        (struct entry_table){.schema = "public", .name = "T", .quoted = "\"public\".\"T\""};
    if (entry.link_count > 0) {
        entry.links[0].table =
            (struct entry_table){.schema = "public", .name = "C", .quoted = "\"public\".\"C\""};
        entry.links[0].parent_key = "key";
        entry.links[0].key_is_unique = true;
    }
    entry.slot_is_unique = true;
}

static const char *
take(struct buffer *out)
{
    const char *text = arena_strdup(&arena, text_of(buffer_string(out)));
    buffer_free(out);
    return text;
}

static const char *
range_of(const struct select_range *range)
{
    uint32_t values[8];
    struct buffer out = {0};
    for (uint32_t i = 0; i < entry.value_count; i++)
        values[i] = i;
    select_append_range(&out, &entry, values, entry.value_count, range);
    return take(&out);
}

static void
assert_begins(const char *text, const char *beginning)
{
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        fail_msg("%s\ndoes not begin with\n%s", text, beginning);
}

static const struct select_range hundred = {
    .has_begin = true, .begin = 100, .has_end = true, .end = 200};
static const struct select_range everything;

static const struct config_tracked_field fields[] = {
    {.column = "order", .target = "order"},
    {.expression = "{x} + 1", .target = "more"},
};

static struct config_trigger
direct(void)
{
    return (struct config_trigger){
        .slot_field = "id",
        .sets_alive = true,
        .filter = "{x} > 0",
        .track_fields = fields,
        .track_field_count = 2,
    };
}

static void
test_F84_a_direct_table_is_read_by_key(void **state)
{
    (void)state;
    make_entry(direct());
    assert_string_equal(
        range_of(&hundred),
        "SELECT _row.\"id\", _row.\"order\", (_row.\"x\" + 1)"
        " FROM ONLY \"public\".\"T\" AS _row WHERE _row.\"id\" IS NOT NULL"
        " AND (_row.\"x\" > 0) IS TRUE AND _row.\"id\" >= 100 AND _row.\"id\" < 200");
}

static void
test_F109_a_scaled_column_is_an_exact_number(void **state)
{
    (void)state;
    static const struct config_tracked_field scaled = {
        .column = "price", .target = "order", .scale = 18};
    make_entry((struct config_trigger){
        .slot_field = "id", .track_fields = &scaled, .track_field_count = 1});
    entry.values[0].wire = WIRE_JSON;
    assert_begins(
        range_of(&everything),
        "SELECT _row.\"id\", pg_catalog.to_jsonb(((_row.\"price\")::numeric * 1e18))::text FROM");
}

#define IF_SHORT                                           \
    "CASE WHEN cardinality(_row.\"order\") > 1000000 THEN" \
    " '{\"invalid\": \"a list of more than 1000000 items\"}'::jsonb ELSE "

static void
test_F84_values_have_the_forms_of_the_trigger_functions(void **state)
{
    (void)state;
    make_entry((struct config_trigger){
        .slot_field = "id", .track_fields = fields, .track_field_count = 1});
    static const struct {
        enum entry_form form;
        enum entry_wire wire;
        const char *sql;
    } cases[] = {
        {FORM_PLAIN, WIRE_INTEGER, "_row.\"order\""},
        {FORM_PLAIN, WIRE_JSON, "pg_catalog.to_jsonb(_row.\"order\")::text"},
        {FORM_SECONDS, WIRE_INTEGER,
         "CASE _row.\"order\" WHEN 'infinity' THEN -9223372036854775808"
         " WHEN '-infinity' THEN -9223372036854775808 ELSE"
         " floor(extract(epoch FROM _row.\"order\")) END::bigint"},
        {FORM_JSON, WIRE_JSON,
         "pg_catalog.to_jsonb(CASE pg_catalog.jsonb_typeof(_row.\"order\"::jsonb) WHEN 'null' THEN "
         "NULL WHEN 'object'"
         " THEN pg_catalog.to_jsonb(_row.\"order\"::text) ELSE _row.\"order\"::jsonb END)::text"},
        {FORM_ARRAY, WIRE_JSON,
         "pg_catalog.to_jsonb(" IF_SHORT
         "pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(_row.\"order\")"
         ", '$[*] ? (@ != null)') END)::text"},
        {FORM_TEXT_ARRAY, WIRE_JSON,
         "pg_catalog.to_jsonb(" IF_SHORT
         "pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(_row.\"order\":"
         ":text[]),"
         " '$[*] ? (@ != null)') END)::text"},
        {FORM_TEXT, WIRE_TEXT, "_row.\"order\"::text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        entry.values[0].form = cases[i].form;
        entry.values[0].wire = cases[i].wire;
        const char *sql = range_of(&everything) + strlen("SELECT _row.\"id\", ");
        assert_begins(sql, cases[i].sql);
        assert_begins(sql + strlen(cases[i].sql), " FROM");
    }
}

static void
test_only_the_wanted_values_are_read(void **state)
{
    (void)state;
    const uint32_t second = 1;
    struct buffer out = {0};
    make_entry(direct());
    select_append_range(&out, &entry, &second, 1, &everything);
    const char *sql = take(&out);
    assert_begins(sql, "SELECT _row.\"id\", (_row.\"x\" + 1) FROM");
    select_append_range(&out, &entry, NULL, 0, &everything);
    sql = take(&out);
    assert_begins(sql, "SELECT _row.\"id\" FROM");
}

/* The partitions of a partitioned table are its rows; the children of another table are not. */
static void
test_only_a_partitioned_table_is_read_with_its_descendants(void **state)
{
    (void)state;
    make_entry(direct());
    entry.table.is_partitioned = true;
    assert_non_null(strstr(range_of(&everything), " FROM \"public\".\"T\" AS _row"));
}

/* Else the entity has a value of one row and another one of another row. */
static void
test_a_direct_table_whose_slot_is_not_unique_gives_one_row_for_each_entity(void **state)
{
    (void)state;
    make_entry(direct());
    entry.slot_is_unique = false;
    const char *sql = range_of(&hundred);
    assert_begins(sql, "SELECT DISTINCT ON (_row.\"id\") _row.\"id\", ");
    assert_non_null(strstr(sql, " < 200 ORDER BY _row.\"id\", _row.tableoid DESC, _row.ctid DESC"));
}

static void
test_a_join_is_read_by_slot(void **state)
{
    (void)state;
    const int64_t ids[] = {3, 5};
    const struct select_range some = {.ids = ids, .id_count = 2};
    make_entry((struct config_trigger){
        .kind = TRIGGER_JOIN, .slot_field = "image", .field = "tags", .value_field = "tag"});
    entry.slot_is_unique = false;
    assert_string_equal(range_of(&some),
                        "SELECT _row.\"image\", _row.\"tag\" FROM ONLY \"public\".\"T\" AS _row"
                        " WHERE _row.\"image\" IS NOT NULL"
                        " AND _row.\"image\" = ANY ('{3,5}'::bigint[])");
}

#define CHILD_ROWS                                                                           \
    "_child.\"slot\", _row.\"order\" FROM ONLY \"public\".\"C\" AS _child JOIN ONLY"         \
    " \"public\".\"T\" AS _row ON _row.\"key\" = _child.\"fk\" WHERE _child.\"slot\" IS NOT" \
    " NULL AND (_row.\"x\" > 0) IS TRUE AND _child.\"slot\" >= 100 AND _child.\"slot\" < 200"

static void
test_parents_are_read_by_the_join_of_child_and_parent(void **state)
{
    (void)state;
    struct config_trigger made = {
        .kind = TRIGGER_FAN_OUT_PER_ROW,
        .links = &child,
        .link_count = 1,
        .filter = "{x} > 0",
        .track_fields = fields,
        .track_field_count = 1,
    };
    make_entry(made);
    assert_string_equal(range_of(&hundred), "SELECT " CHILD_ROWS);
    made.kind = TRIGGER_FAN_OUT;
    made.query = "f eq {id}";
    make_entry(made);
    assert_false(select_is_pass(&entry));
    assert_string_equal(range_of(&hundred), "SELECT " CHILD_ROWS);
}

static void
test_of_several_parents_the_one_with_the_greatest_key_counts(void **state)
{
    (void)state;
    make_entry((struct config_trigger){
        .kind = TRIGGER_FAN_OUT_PER_ROW,
        .links = &child,
        .link_count = 1,
        .filter = "{x} > 0",
        .track_fields = fields,
        .track_field_count = 1,
    });
    entry.slot_is_unique = false;
    assert_string_equal(range_of(&hundred), "SELECT DISTINCT ON (_child.\"slot\") " CHILD_ROWS
                                            " ORDER BY _child.\"slot\", _row.\"key\" DESC");
}

static void
test_the_next_slot_is_that_of_the_table_that_has_the_slots(void **state)
{
    (void)state;
    struct buffer out = {0};
    make_entry(direct());
    select_append_next_slot(&out, &entry, 7);
    assert_string_equal(take(&out), "SELECT min(_row.\"id\") FROM ONLY \"public\".\"T\" AS _row"
                                    " WHERE _row.\"id\" >= 7");
    make_entry((struct config_trigger){
        .kind = TRIGGER_FAN_OUT_PER_ROW,
        .links = &child,
        .link_count = 1,
        .track_fields = fields,
        .track_field_count = 1,
    });
    select_append_next_slot(&out, &entry, 7);
    assert_string_equal(take(&out),
                        "SELECT min(_child.\"slot\") FROM ONLY \"public\".\"C\" AS _child"
                        " WHERE _child.\"slot\" >= 7");
}

static void
make_pass(void)
{
    static const char *const keys[] = {"a", "b"};
    make_entry((struct config_trigger){
        .kind = TRIGGER_FAN_OUT,
        .query = "f in {ids}",
        .query_source = "SELECT ids FROM x WHERE y = {a}",
        .filter = "{x} > 0",
        .track_fields = fields,
        .track_field_count = 1,
    });
    entry.placeholders[0].form = FORM_ARRAY;
    entry.key_columns = keys;
    entry.key_column_count = 2;
}

#define QUERY                                                                                \
    "(SELECT 'f in ' || "                                                                    \
    "nullif(pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(_source.\"ids\"), '$[*] ?" \
    " (@ != null)'), '[]')::text FROM (SELECT ids FROM x WHERE y = _row.\"a\") AS _source"   \
    " LIMIT 1)"
#define PARENTS                                                                      \
    "SELECT _row.\"a\"::text, _row.\"b\"::text, " QUERY ", _row.\"order\" FROM ONLY" \
    " \"public\".\"T\" AS _row WHERE true AND (_row.\"x\" > 0) IS TRUE"

static void
test_a_pass_reads_parents_in_the_order_of_their_key(void **state)
{
    (void)state;
    const uint32_t first = 0;
    const char *const after[] = {"7", "it's"};
    struct buffer out = {0};
    make_pass();
    assert_true(select_is_pass(&entry));
    select_append_pass(&out, &entry, &first, 1, NULL, 100);
    assert_string_equal(take(&out), PARENTS " ORDER BY _row.\"a\", _row.\"b\" LIMIT 100");
    select_append_pass(&out, &entry, &first, 1, after, 100);
    assert_string_equal(take(&out), PARENTS " AND (_row.\"a\", _row.\"b\") > ('7', 'it''s')"
                                            " ORDER BY _row.\"a\", _row.\"b\" LIMIT 100");
}

static const struct text odd_keys[] = {TEXT("7"), TEXT("it's \"a\\b\"")};
static const char *const key_a[] = {"a", "b"};
static const char *const key_types[] = {"text", "int4"};
static const struct select_keys two_keys = {key_a, key_types, 1, odd_keys, 2};
#define KEY_ROWS                                                                                 \
    "pg_catalog.unnest(E'{\"7\",\"it''s \\\\\"a\\\\\\\\b\\\\\"\"}'::text[]) WITH ORDINALITY AS " \
    "_keys(_key, "                                                                               \
    "_number)"

static void
test_parents_of_a_pass_are_found_by_their_keys(void **state)
{
    (void)state;
    const uint32_t first = 0;
    struct buffer out = {0};
    make_pass();
    select_append_parents(&out, &entry, &first, 1, &two_keys);
    assert_string_equal(take(&out), "SELECT _number::text, " QUERY ", _row.\"order\" FROM " KEY_ROWS
                                    " JOIN ONLY \"public\".\"T\" AS _row ON _row.\"a\" = _key"
                                    " WHERE true AND (_row.\"x\" > 0) IS TRUE ORDER BY _number,"
                                    " _row.\"a\", _row.\"b\"");
    assert_true(select_query_is_key(&entry, &two_keys));
}

/* A key of several columns is a JSON array; those columns that make the query find the parents. */
static void
test_keys_of_several_columns_are_found(void **state)
{
    (void)state;
    const uint32_t first = 0;
    static const struct text keys[] = {TEXT("[\"m1\", 1]")};
    static const struct select_keys pair = {key_a, key_types, 2, keys, 1};
    struct buffer out = {0};
#define PAIR_ROWS                                                                                 \
    "(SELECT (_json ->> 0)::text AS _key0, (_json ->> 1)::int4 AS _key1, _number FROM"            \
    " pg_catalog.unnest(E'{\"[\\\\\"m1\\\\\", 1]\"}'::jsonb[]) WITH ORDINALITY AS _texts(_json, " \
    "_number))"                                                                                   \
    " AS _keys"
    make_pass();
    select_append_parents(&out, &entry, &first, 1, &pair);
    assert_string_equal(take(&out),
                        "SELECT _number::text, " QUERY ", _row.\"order\" FROM " PAIR_ROWS
                        " JOIN ONLY \"public\".\"T\" AS _row ON _row.\"a\" = _key0 WHERE true"
                        " AND (_row.\"x\" > 0) IS TRUE ORDER BY _number, _row.\"a\", _row.\"b\"");
    trigger.query_source = "SELECT ids FROM x WHERE y = {z}";
    assert_false(select_query_is_key(&entry, &pair));
    select_append_parents(&out, &entry, &first, 0, &pair);
    assert_non_null(strstr(take(&out), " ON _row.\"a\" = _key0 AND _row.\"b\" = _key1 WHERE"));
}

static void
test_a_parent_that_is_gone_is_known_by_its_key_alone(void **state)
{
    (void)state;
    const uint32_t first = 0;
    struct buffer out = {0};
    make_entry((struct config_trigger){
        .kind = TRIGGER_FAN_OUT,
        .query = "f eq {a}",
        .track_fields = fields,
        .track_field_count = 1,
    });
    static const struct select_keys by_b = {key_a + 1, key_types + 1, 1, odd_keys, 2};
    assert_true(select_query_is_key(&entry, &two_keys));
    assert_false(select_query_is_key(&entry, &by_b));
    select_append_gone(&out, &entry, &first, 1, &two_keys);
    assert_string_equal(take(&out),
                        "SELECT _number::text, 'f eq ' || pg_catalog.to_jsonb(_row.\"a\")::text,"
                        " NULL FROM (SELECT _number, _key AS \"a\" FROM " KEY_ROWS ") AS _row");
}

static void
test_children_are_found_by_their_parents_keys(void **state)
{
    (void)state;
    struct buffer out = {0};
    make_entry((struct config_trigger){
        .kind = TRIGGER_FAN_OUT_PER_ROW,
        .links = &by_parent,
        .link_count = 1,
        .track_fields = fields,
        .track_field_count = 1,
    });
    entry.links[0].has_index = true;
    select_append_children(&out, &entry, 0, &two_keys, 5, 100);
    assert_string_equal(take(&out),
                        "SELECT _number, _slot FROM " KEY_ROWS
                        " CROSS JOIN LATERAL (SELECT _child.\"slot\" AS _slot FROM ONLY"
                        " \"public\".\"C\" AS _child WHERE _child.\"slot\" >= 5 AND"
                        " _child.\"parent\" = _key ORDER BY _child.\"slot\" LIMIT 100) AS _slots");
    entry.links[0].has_index = false;
    select_append_children(&out, &entry, 0, &two_keys, 5, 100);
    assert_string_equal(
        take(&out),
        "SELECT 1, _slot FROM (SELECT _child.\"slot\" AS _slot FROM ONLY \"public\".\"C\" AS _child"
        " WHERE _child.\"slot\" >= 5 AND _child.\"parent\" = ANY"
        " (E'{\"7\",\"it''s \\\\\"a\\\\\\\\b\\\\\"\"}'::text[])"
        " ORDER BY _child.\"slot\" LIMIT 100) AS _slots");
}

static const struct config_link path[] = {
    {.table = "L", .foreign_key = "parent", .key = "id"},
    {.table = "M", .foreign_key = "link", .key = "code"},
    {.table = "C", .foreign_key = "middle", .slot = "slot"},
};

/* T <- L <- M <- C */
static void
make_path(void)
{
    static const char *const keys[] = {"key", "id", "code"};
    static const struct entry_table tables[] = {
        {.schema = "public", .name = "L", .quoted = "\"public\".\"L\""},
        {.schema = "public", .name = "M", .quoted = "\"public\".\"M\"", .is_partitioned = true},
        {.schema = "public", .name = "C", .quoted = "\"public\".\"C\""},
    };
    make_entry((struct config_trigger){
        .kind = TRIGGER_FAN_OUT_PER_ROW,
        .filter = "{x} > 0",
        .links = path,
        .link_count = 3,
        .track_fields = fields,
        .track_field_count = 1,
    });
    for (uint32_t i = 0; i < 3; i++) {
        entry.links[i].table = tables[i];
        entry.links[i].parent_key = keys[i];
        entry.links[i].has_index = true;
    }
    entry.slot_is_unique = false;
}

static void
test_a_path_leads_from_the_entities_to_their_parents(void **state)
{
    (void)state;
    make_path();
    assert_string_equal(range_of(&hundred),
                        "SELECT DISTINCT ON (_child.\"slot\") _child.\"slot\", _row.\"order\" FROM"
                        " ONLY \"public\".\"C\" AS _child JOIN \"public\".\"M\" AS _link2 ON"
                        " _link2.\"code\" = _child.\"middle\" JOIN ONLY \"public\".\"L\" AS _link1"
                        " ON _link1.\"id\" = _link2.\"link\" JOIN ONLY \"public\".\"T\" AS _row ON"
                        " _row.\"key\" = _link1.\"parent\" WHERE _child.\"slot\" IS NOT NULL AND"
                        " (_row.\"x\" > 0) IS TRUE AND _child.\"slot\" >= 100 AND"
                        " _child.\"slot\" < 200 ORDER BY _child.\"slot\", _row.\"key\" DESC");
    entry.links[0].key_is_unique = false;
    assert_non_null(strstr(range_of(&hundred), " ORDER BY _child.\"slot\", _row.\"key\" DESC,"
                                               " (_row.\"order\")::text COLLATE \"C\" DESC"));
}

static void
test_children_are_found_along_the_path_from_any_level(void **state)
{
    (void)state;
    struct buffer out = {0};
    make_path();
    select_append_children(&out, &entry, 1, &two_keys, 5, 100);
    assert_string_equal(take(&out),
                        "SELECT _number, _slot FROM " KEY_ROWS
                        " CROSS JOIN LATERAL (SELECT DISTINCT _slot FROM (SELECT _child.\"slot\" AS"
                        " _slot FROM \"public\".\"M\" AS _link2 JOIN ONLY \"public\".\"C\" AS"
                        " _child ON _link2.\"code\" = _child.\"middle\" WHERE _child.\"slot\" >= 5"
                        " AND _link2.\"link\" = _key OFFSET 0) AS _path ORDER BY _slot LIMIT 100)"
                        " AS _slots");
    entry.links[1].has_index = false; /* no scan from the last level */
    select_append_children(&out, &entry, 2, &two_keys, 5, 100);
    assert_begins(take(&out), "SELECT _number, _slot FROM ");
    select_append_children(&out, &entry, 0, &two_keys, 5, 100);
    assert_begins(take(&out),
                  "SELECT 1, _slot FROM (SELECT DISTINCT _slot FROM (SELECT _child."
                  "\"slot\" AS _slot FROM ONLY \"public\".\"L\" AS _link1 JOIN"
                  " \"public\".\"M\" AS _link2 ON _link1.\"id\" = _link2.\"link\" JOIN");
}

static const char *
definition(void)
{
    struct buffer out = {0};
    select_append_definition(&out, &entry);
    return take(&out);
}

static void
test_a_definition_names_the_fields(void **state)
{
    (void)state;
    make_entry(direct());
    assert_string_equal(definition(),
                        "SELECT _row.\"id\", true AS alive, _row.\"order\" AS \"order\","
                        " (_row.\"x\" + 1) AS \"more\" FROM ONLY \"public\".\"T\" AS _row"
                        " WHERE _row.\"id\" IS NOT NULL AND (_row.\"x\" > 0) IS TRUE");
    make_pass();
    assert_string_equal(definition(),
                        "SELECT " QUERY ", _row.\"order\" AS \"order\" FROM ONLY"
                        " \"public\".\"T\" AS _row WHERE true AND (_row.\"x\" > 0) IS TRUE");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_F84_a_direct_table_is_read_by_key),
        cmocka_unit_test(test_F109_a_scaled_column_is_an_exact_number),
        cmocka_unit_test(test_F84_values_have_the_forms_of_the_trigger_functions),
        cmocka_unit_test(test_only_the_wanted_values_are_read),
        cmocka_unit_test(test_only_a_partitioned_table_is_read_with_its_descendants),
        cmocka_unit_test(
            test_a_direct_table_whose_slot_is_not_unique_gives_one_row_for_each_entity),
        cmocka_unit_test(test_a_join_is_read_by_slot),
        cmocka_unit_test(test_parents_are_read_by_the_join_of_child_and_parent),
        cmocka_unit_test(test_of_several_parents_the_one_with_the_greatest_key_counts),
        cmocka_unit_test(test_the_next_slot_is_that_of_the_table_that_has_the_slots),
        cmocka_unit_test(test_a_pass_reads_parents_in_the_order_of_their_key),
        cmocka_unit_test(test_parents_of_a_pass_are_found_by_their_keys),
        cmocka_unit_test(test_keys_of_several_columns_are_found),
        cmocka_unit_test(test_a_parent_that_is_gone_is_known_by_its_key_alone),
        cmocka_unit_test(test_children_are_found_by_their_parents_keys),
        cmocka_unit_test(test_a_path_leads_from_the_entities_to_their_parents),
        cmocka_unit_test(test_children_are_found_along_the_path_from_any_level),
        cmocka_unit_test(test_a_definition_names_the_fields),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
