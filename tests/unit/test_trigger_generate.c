#include "tests/unit/unit_test.h"

#include <stdio.h>
#include <string.h>

#include "producer/triggers/body.h"
#include "producer/triggers/generate.h"

/* An entry of table public.NAME, as the catalogue would complete it. */
static struct entry
make_entry(struct arena *arena, struct config *config, struct config_trigger *trigger)
{
    struct entry entry;
    config->path = "a.yaml";
    config->triggers = trigger;
    config->trigger_count = 1;
    entry_create(config, 0, arena, &entry);
    entry.outbox_schema = "public";
    entry.table = (struct entry_table){"public", trigger->table, "\"public\".\"T\"", 0, NULL, 0};
    entry.value_is_unique = trigger->kind == TRIGGER_JOIN;
    entry.id_column = trigger->kind == TRIGGER_FAN_OUT ? "id" : NULL;
    return entry;
}

/* clang-format off */
#define MATCHES \
    "\n#variable_conflict use_column\n" \
    "DECLARE\n" \
    "    _old_matches boolean := OLD.\"id\" IS NOT NULL AND (OLD.\"x\" > 0) IS TRUE;\n" \
    "    _new_matches boolean := NEW.\"id\" IS NOT NULL AND (NEW.\"x\" > 0) IS TRUE;\n"
#define SECONDS(row) \
    "to_json(CASE " row ".\"at\" WHEN 'infinity' THEN 9e15 WHEN '-infinity' THEN -9e15 ELSE" \
    " floor(extract(epoch FROM " row ".\"at\")) END::bigint)::text"
#define DELETED \
    " THEN\n" \
    "        INSERT INTO \"public\".\"BitdexOps\" (entity_id, ops)\n" \
    "        VALUES (OLD.\"id\", '[{\"op\": \"delete\"}]');\n" \
    "    END IF;\n"
#define ENTERS \
    "    IF _new_matches THEN\n" \
    "        INSERT INTO \"public\".\"BitdexOps\" (entity_id, ops)\n" \
    "        VALUES (NEW.\"id\", (\n" \
    "            '[{\"op\": \"alive\"},{\"op\": \"set\", \"field\": \"order\", \"value\": '\n" \
    "            || coalesce(to_json(NEW.\"order\")::text, 'null')\n" \
    "            || '},{\"op\": \"set\", \"field\": \"at\", \"value\": '\n" \
    "            || coalesce(" SECONDS("NEW") ", 'null')\n" \
    "            || '}]')::jsonb);\n" \
    "    END IF;\n" \
    "    RETURN NULL;\n" \
    "END\n"

static const char golden_insert_or_delete[] = MATCHES "BEGIN\n    IF _old_matches" DELETED ENTERS;

static const char golden_update[] = MATCHES
    "    _old_value text;\n"
    "    _new_value text;\n"
    "    _ops text := '';\n"
    "BEGIN\n"
    "    IF _old_matches AND _new_matches AND NEW.\"id\" = OLD.\"id\" THEN\n"
    "        IF NEW.\"order\" IS DISTINCT FROM OLD.\"order\" THEN\n"
    "            _ops := _ops || coalesce(',{\"op\": \"remove\", \"field\": \"order\", \"value\":"
                 " ' || to_json(OLD.\"order\")::text || '}', '')\n"
    "                || ',{\"op\": \"set\", \"field\": \"order\", \"value\": ' ||"
                 " coalesce(to_json(NEW.\"order\")::text, 'null') || '}';\n"
    "        END IF;\n"
    "        IF NEW.\"at\" IS DISTINCT FROM OLD.\"at\" THEN\n"
    "            _old_value := " SECONDS("OLD") ";\n"
    "            _new_value := " SECONDS("NEW") ";\n"
    "            IF _new_value IS DISTINCT FROM _old_value THEN\n"
    "                _ops := _ops || coalesce(',{\"op\": \"remove\", \"field\": \"at\","
                     " \"value\": ' || _old_value || '}', '')\n"
    "                    || ',{\"op\": \"set\", \"field\": \"at\", \"value\": ' ||"
                     " coalesce(_new_value, 'null') || '}';\n"
    "            END IF;\n"
    "        END IF;\n"
    "        IF _ops <> '' THEN\n"
    "            INSERT INTO \"public\".\"BitdexOps\" (entity_id, ops)\n"
    "            VALUES (NEW.\"id\", ('[' || substr(_ops, 2) || ']')::jsonb);\n"
    "        END IF;\n"
    "        RETURN NULL;\n"
    "    END IF;\n"
    "    IF _old_matches AND NOT EXISTS (\n"
    "        SELECT FROM \"public\".\"T\" AS _other WHERE _other.\"id\" = OLD.\"id\" AND"
             " (_other.\"x\" > 0) IS TRUE)" DELETED ENTERS;
/* clang-format on */

static const char golden_when[] = "AFTER UPDATE ON \"public\".\"T\"\n"
                                  "    FOR EACH ROW WHEN (NEW.\"id\" IS DISTINCT FROM OLD.\"id\"\n"
                                  "        OR NEW.\"order\" IS DISTINCT FROM OLD.\"order\"\n"
                                  "        OR NEW.\"at\" IS DISTINCT FROM OLD.\"at\"\n"
                                  "        OR NEW.\"x\"::text IS DISTINCT FROM OLD.\"x\"::text)\n";

static void
test_golden_sql_of_a_direct_table(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    const struct config_tracked_field fields[] = {
        {.column = "order", .target = "order"},
        {.column = "at", .target = "at"},
    };
    struct config_trigger trigger = {
        .table = "T",
        .slot_field = "id",
        .sets_alive = true,
        .on_delete = ON_DELETE_SLOT,
        .filter = "{x} > 0",
        .track_fields = fields,
        .track_field_count = 2,
    };
    struct entry entry = make_entry(&arena, &config, &trigger);
    entry.values[1].form = FORM_SECONDS;
    for (struct entry_column *column = entry.columns; column != NULL; column = column->next)
        column->is_comparable = strcmp(column->name, "x") != 0;
    struct trigger_objects objects = {0};
    generate_objects(&entry, 1, &arena, &objects);
    assert_int_equal(objects.count, 6);
    assert_string_equal(objects.first->body, golden_insert_or_delete);
    const struct trigger_object *update = objects.first->next->next;
    assert_string_equal(update->body, golden_update);
    assert_non_null(strstr(update->next->sql, golden_when));
    for (const struct trigger_object *object = objects.first; object != NULL; object = object->next)
        assert_null(strstr(object->sql, "--")); /* a comment would be a part of the name */
    arena_free(&arena);
}

/* Names do not depend on the build or the machine, so existing triggers stay as they are. */
static void
test_F19_golden_names(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct config_trigger trigger = {
        .kind = TRIGGER_JOIN,
        .table = "T",
        .slot_field = "i",
        .field = "tags",
        .value_field = "t",
    };
    struct entry entry = make_entry(&arena, &config, &trigger);
    struct trigger_objects objects = {0};
    generate_objects(&entry, 1, &arena, &objects);
    const struct trigger_object *trigger_object = objects.first->next;
    assert_string_equal(trigger_object->name, "bitdex_T_b81ef6a2");
    assert_string_equal(objects.first->identity, "FUNCTION \"public\".\"bitdex_T_ops_b81ef6a2\"()");
    assert_string_equal(trigger_object->next->next->next->next->name, "bitdex_T_dc7796ac_t");
    arena_free(&arena);
}

/* The name of the row trigger that is generated from `trigger` for a table in `schema`. */
static const char *
name_of(struct arena *arena, struct config_trigger trigger, const char *schema)
{
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct config_trigger *copy = arena_alloc(arena, sizeof *copy);
    struct entry *entry = arena_alloc(arena, sizeof *entry);
    *copy = trigger;
    *entry = make_entry(arena, &config, copy);
    entry->table.schema = schema;
    generate_objects(entry, 1, arena, &objects);
    return objects.first->name;
}

static void
test_F19_a_changed_definition_has_another_name(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config_trigger trigger = {
        .kind = TRIGGER_JOIN,
        .table = "T",
        .slot_field = "i",
        .field = "tags",
        .value_field = "t",
    };
    const char *name = name_of(&arena, trigger, "public");
    assert_string_equal(name_of(&arena, trigger, "public"), name);
    assert_string_not_equal(name_of(&arena, trigger, "other"), name);
    trigger.filter = "true";
    assert_string_not_equal(name_of(&arena, trigger, "public"), name);
    arena_free(&arena);
}

static void
test_F19_two_entries_of_a_table_refuse_truncate_once(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct config_trigger first = {.table = "T", .slot_field = "i", .sets_alive = true};
    struct config_trigger second = {.table = "T", .slot_field = "j", .sets_alive = true};
    struct entry one = make_entry(&arena, &config, &first);
    struct entry two = make_entry(&arena, &config, &second);
    generate_objects(&one, 1, &arena, &objects);
    assert_int_equal(objects.count, 6);
    generate_objects(&two, 1, &arena, &objects);
    assert_int_equal(objects.count, 10);
    arena_free(&arena);
}

static void
test_F18_names_fit_into_63_bytes_and_end_with_a_whole_character(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct config_trigger trigger = {
        .table = "xΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ", .slot_field = "i", .sets_alive = true};
    assert_int_equal(strlen(trigger.table), 63);
    struct entry entry = make_entry(&arena, &config, &trigger);
    struct trigger_objects objects = {0};
    generate_objects(&entry, 1, &arena, &objects);
    const struct trigger_object *object = objects.first->next;
    assert_memory_equal(object->name, "bitdex_xΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ_", 7 + 39 + 1);
    assert_true(strlen(object->name) <= 63);
    assert_true(strlen(objects.first->name) <= 63);
    arena_free(&arena);
}

static void
test_an_update_calls_no_function_when_the_entry_reads_no_column(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    const struct config_computed_field field = {.target = "a", .expression = "1"};
    struct config_trigger trigger = {
        .kind = TRIGGER_FAN_OUT,
        .table = "T",
        .query = "f eq 1",
        .computed_fields = &field,
        .computed_field_count = 1,
    };
    struct entry entry = make_entry(&arena, &config, &trigger);
    struct trigger_objects objects = {0};
    generate_objects(&entry, 1, &arena, &objects);
    assert_non_null(strstr(objects.first->next->next->next->sql, "WHEN (false)"));
    arena_free(&arena);
}

static void
test_truncate_of_an_entry_that_only_makes_alive_writes_nothing(void **state)
{
    (void)state;
    struct config config = {0};
    struct arena arena;
    arena_init(&arena);
    struct config_trigger trigger = {
        .table = "T", .slot_field = "i", .sets_alive = true, .on_truncate = ON_TRUNCATE_EMIT};
    struct entry entry = make_entry(&arena, &config, &trigger);
    struct buffer body = {0};
    body_append_truncate(&body, &entry, &entry.table, false);
    assert_null(strstr(buffer_string(&body), "INSERT"));
    buffer_free(&body);
    arena_free(&arena);
}

static void
check_query(struct arena *arena, const char *query, enum entry_form form, const char *expected)
{
    struct config config = {0};
    const struct config_tracked_field field = {.column = "a", .target = "a"};
    struct config_trigger trigger = {.kind = TRIGGER_FAN_OUT,
                                     .table = "T",
                                     .query = query,
                                     .track_fields = &field,
                                     .track_field_count = 1};
    struct entry entry = make_entry(arena, &config, &trigger);
    for (uint32_t i = 0; i < entry.placeholder_count; i++)
        entry.placeholders[i].form = form;
    struct buffer body = {0};
    body_append_row(&body, &entry, true);
    const char *at = strstr(buffer_string(&body), "AS id, ") + strlen("AS id, ");
    assert_memory_equal(at, expected, strlen(expected));
    assert_memory_equal(at + strlen(expected), " AS query", strlen(" AS query"));
    buffer_free(&body);
}

#define LIST(x) "nullif(jsonb_path_query_array(to_jsonb(" x "), '$[*] ? (@ != null)'), '[]')::text"

static void
test_F17_placeholders_are_written_for_their_place(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    check_query(&arena, "f eq 1", FORM_PLAIN, "'f eq 1'");
    check_query(&arena, "f eq {a} AND g eq 2", FORM_PLAIN,
                "'f eq ' || to_jsonb(NEW.\"a\")::text || ' AND g eq 2'");
    check_query(&arena, "f eq '{a}'", FORM_PLAIN, "'f eq ' || to_jsonb(NEW.\"a\")::text");
    check_query(&arena, "f in {a}", FORM_PLAIN,
                "'f in ' || '[' || to_jsonb(NEW.\"a\")::text || ']'");
    check_query(&arena, "f in {a}", FORM_ARRAY, "'f in ' || " LIST("NEW.\"a\""));
    check_query(&arena, "f IN {a}", FORM_JSON, "'f IN ' || " LIST("NEW.\"a\"::jsonb"));
    check_query(&arena, "f in [{a}]", FORM_ARRAY,
                "'f in [' || btrim(" LIST("NEW.\"a\"") ", '[]') || ']'");
    check_query(&arena, "f in [{a}, {b}]", FORM_PLAIN,
                "'f in [' || to_jsonb(NEW.\"a\")::text || ', ' || to_jsonb(NEW.\"b\")::text"
                " || ']'");
    arena_free(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_sql_of_a_direct_table),
        cmocka_unit_test(test_F19_golden_names),
        cmocka_unit_test(test_F19_a_changed_definition_has_another_name),
        cmocka_unit_test(test_F19_two_entries_of_a_table_refuse_truncate_once),
        cmocka_unit_test(test_F18_names_fit_into_63_bytes_and_end_with_a_whole_character),
        cmocka_unit_test(test_an_update_calls_no_function_when_the_entry_reads_no_column),
        cmocka_unit_test(test_truncate_of_an_entry_that_only_makes_alive_writes_nothing),
        cmocka_unit_test(test_F17_placeholders_are_written_for_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
