#include "tests/unit/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "producer/triggers/body.h"
#include "producer/triggers/generate.h"
#include "producer/triggers/guard.h"
#include "producer/triggers/row_ops.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/row_table.h"

static const struct entry_table_column columns[] = {
    {"id", "pg_catalog.int8", IDENTITY_EQUAL, true, false, true, true, 0},
    {"i", "pg_catalog.int4", IDENTITY_EQUAL, true, false, true, true, 0},
    {"j", "pg_catalog.int4", IDENTITY_EQUAL, true, false, true, true, 0},
    {"t", "pg_catalog.int4", IDENTITY_EQUAL, true, false, true, true, 0},
    {"order", "pg_catalog.text", IDENTITY_TEXT, false, true, true, true, 0},
    {"at", "pg_catalog.timestamp", IDENTITY_EQUAL, false, false, true, true, 0},
    {"x", "pg_catalog.numeric", IDENTITY_IMAGE, false, false, true, true, 0},
    {"a", "pg_catalog.int4", IDENTITY_EQUAL, true, false, true, true, 0},
    {"b", "pg_catalog.int4", IDENTITY_EQUAL, true, false, true, true, 0},
};

static struct entry_table
make_table(const char *name, const char *quoted)
{
    return (struct entry_table){
        .schema = "public",
        .name = name,
        .quoted = quoted,
        .columns = columns,
        .column_count = sizeof columns / sizeof columns[0],
    };
}

static const char *const id_key[] = {"id"};

/* The entries of a configuration, as the catalogue would complete them. The table of each entry is
 * public.T, that of a link public.C. */
static struct entry *
make_entries(struct arena *arena, struct config *config, const struct config_trigger *triggers,
             uint32_t count)
{
    struct entry *entries = arena_alloc(arena, count * sizeof *entries);
    config->path = "a.yaml";
    config->triggers = triggers;
    config->trigger_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        entry_create(config, i, arena, entry);
        entry->outbox_schema = "public";
        entry->table = make_table(triggers[i].table, "\"public\".\"T\"");
        entry->value_is_unique = triggers[i].kind == TRIGGER_JOIN;
        entry->slot_is_immediate = triggers[i].kind == TRIGGER_DIRECT;
        for (uint32_t j = 0; j < entry->link_count; j++) {
            entry->links[j].table = make_table("C", "\"public\".\"C\"");
            entry->links[j].parent_key = "id";
        }
        if (triggers[i].kind != TRIGGER_FAN_OUT)
            continue;
        entry->id_column = "id";
        entry->table.id_column = "id";
        entry->key_columns = entry->link_count == 0 ? id_key : NULL;
        entry->key_column_count = entry->link_count == 0 ? 1 : 0;
    }
    return entries;
}

static const struct trigger_objects *
generate(struct arena *arena, const struct config_trigger *triggers, uint32_t count)
{
    struct config config = {0};
    struct trigger_objects *objects = arena_alloc(arena, sizeof *objects);
    *objects = (struct trigger_objects){0};
    generate_objects(make_entries(arena, &config, triggers, count), count, arena, objects);
    return objects;
}

/* The `number`-th object of that kind, from 0, whose name has the part. */
static const struct trigger_object *
find(const struct trigger_objects *objects, enum trigger_object_kind kind, const char *part,
     uint32_t number)
{
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next)
        if (object->kind == kind && strstr(object->name, part) != NULL && number-- == 0)
            return object;
    fail_msg("no object %s", part);
    return NULL;
}

/* What the row function of the `number`-th group returns; "s"."bitdex_T_WHAT_HASH" is written as
 * WHAT. */
static const char *
expression_of_group(struct arena *arena, const struct trigger_objects *objects, const char *what,
                    uint32_t number)
{
    static const char prefix[] = "\"public\".\"bitdex_T_";
    char *part = memory_format("_%s_", what);
    const char *sql = find(objects, OBJECT_ROW_FUNCTION, part, number)->sql;
    struct buffer out = {0};
    free(part);
    const char *at = strstr(sql, "RETURN ") + strlen("RETURN ");
    const char *end = strstr(at, ";\nREVOKE");
    while (at < end) {
        if (strncmp(at, prefix, strlen(prefix)) != 0) {
            buffer_append(&out, at++, 1);
            continue;
        }
        at += strlen(prefix);
        buffer_append(&out, at, strcspn(at, "_"));
        at = strchr(at, '"') + 1;
    }
    const char *text = arena_strdup(arena, (struct text){(const char *)out.data, out.bytes});
    buffer_free(&out);
    return text;
}

static const char *
expression_of(struct arena *arena, const struct trigger_objects *objects, const char *what)
{
    return expression_of_group(arena, objects, what, 0);
}

static const struct config_tracked_field two_fields[] = {
    {.column = "order", .target = "order"},
    {.column = "at", .target = "at"},
};

static const struct config_trigger direct = {
    .table = "T",
    .slot_field = "id",
    .sets_alive = true,
    .on_delete = ON_DELETE_SLOT,
    .filter = "{x} > 0",
    .track_fields = two_fields,
    .track_field_count = 2,
};

static const struct config_trigger join = {
    .kind = TRIGGER_JOIN,
    .table = "T",
    .slot_field = "i",
    .field = "tags",
    .value_field = "t",
};

/* clang-format off */
#define SECONDS(row) \
    "CASE WHEN " row ".\"at\" IN ('infinity', '-infinity')" \
    " THEN '{\"invalid\": \"a time that is infinite\"}' ELSE (" \
    "CASE " row ".\"at\" WHEN 'infinity' THEN -9223372036854775808" \
    " WHEN '-infinity' THEN -9223372036854775808 ELSE" \
    " floor(extract(epoch FROM " row ".\"at\")) END::bigint)::text END"
#define VALUES(row, first, last) \
    "'" first "{\"op\": \"alive\"},{\"op\": \"set\", \"field\": \"order\", \"value\": '\n" \
    "        || coalesce(to_json(" row ".\"order\")::text, 'null')" \
    " || '},{\"op\": \"set\", \"field\": \"at\", \"value\": '\n" \
    "        || coalesce(" SECONDS(row) ", 'null') || '}" last "'"

static const char golden_enter[] =
    "CASE WHEN filter(_row) THEN " VALUES("_row", ",", "") "\n"
    "        ELSE '' END";
static const char golden_leave[] =
    "CASE WHEN filter(_row) THEN ',{\"op\": \"delete\"}'\n"
    "        ELSE '' END";
static const char golden_update[] =
    "CASE WHEN filter(_old) THEN CASE WHEN filter(_new) THEN\n"
    "        CASE WHEN _new.\"order\" COLLATE pg_catalog.\"C\" IS DISTINCT FROM _old.\"order\"\n"
    "        THEN coalesce(',{\"op\": \"remove\", \"field\": \"order\", \"value\": '\n"
    "        || to_json(_old.\"order\")::text || '}', '')"
              " || ',{\"op\": \"set\", \"field\": \"order\", \"value\": '\n"
    "        || coalesce(to_json(_new.\"order\")::text, 'null') || '}' ELSE '' END\n"
    "        || CASE WHEN (_new.\"at\" IS DISTINCT FROM _old.\"at\") AND "
                  SECONDS("_new") " COLLATE pg_catalog.\"C\"\n"
    "            IS DISTINCT FROM " SECONDS("_old") "\n"
    "        THEN coalesce(',{\"op\": \"remove\", \"field\": \"at\", \"value\": '\n"
    "        || " SECONDS("_old") " || '}', '')"
              " || ',{\"op\": \"set\", \"field\": \"at\", \"value\": '\n"
    "        || coalesce(" SECONDS("_new") ", 'null') || '}' ELSE '' END\n"
    "        ELSE ',{\"op\": \"delete\"}' END\n"
    "        WHEN filter(_new) THEN " VALUES("_new", ",", ",{\"op\": \"refresh\"}") "\n"
    "        ELSE '' END";

#define EMIT(indent, slot) \
    indent "IF _ops OPERATOR(pg_catalog.<>) '' THEN\n" \
    indent "    INSERT INTO \"public\".\"BitdexOps\" (entity_id, ops)\n" \
    indent "    VALUES (" slot ", ('[' OPERATOR(pg_catalog.||) pg_catalog.substr(_ops, 2)" \
    " OPERATOR(pg_catalog.||) ']')::pg_catalog.jsonb);\n" \
    indent "END IF;\n"
#define ASK "',{\"op\": \"refresh\", \"entry\": \"T.order\"}'"

#define HEAD \
    "\n#variable_conflict use_column\n" \
    "<<trigger>>\n" \
    "DECLARE\n" \
    "    _ops pg_catalog.text;\n" \
    "    _renamed pg_catalog.text;\n"
#define VERSION(name) \
    "    " name " row;\n" \
    "    " name "1 bigint;\n"
#define IS_ROW \
    "    _is_row boolean;\n" \
    "BEGIN\n" \
    "    SELECT names(), EXISTS (SELECT FROM row WHERE ctid OPERATOR(pg_catalog.=) NEW.ctid)" \
    " INTO _renamed, _is_row;\n"
#define READ(name, from) \
    "        " name " := ROW(NULL, NULL, " from ".\"id\", " from ".\"order\", " from ".\"at\", " \
    from ".\"x\")::row;\n"
#define READ_RENAMED(name, from) "        EXECUTE _renamed INTO " name " USING " from ";\n"
#define READ_EITHER(name, from) \
    "    IF _renamed IS NULL THEN\n" READ(name, from) "    ELSE\n" READ_RENAMED(name, from) \
    "    END IF;\n"
#define SETTING(name, value) \
    "pg_catalog.current_setting('" name "') OPERATOR(pg_catalog.=) '" value "'\n"

static const char golden_insert_body[] =
    HEAD
    VERSION("_new")
    IS_ROW
    READ_EITHER("_new", "NEW")
    "    _new1 := _new.\"id\";\n"
    "    IF _new1 IS NOT NULL THEN\n"
    "        IF _is_row THEN\n"
    "            _ops := enter(_new);\n"
    "        ELSE\n"
    "            _ops := " ASK ";\n"
    "        END IF;\n"
    EMIT("        ", "_new1")
    "    END IF;\n"
    "    RETURN NULL;\n"
    "END\n";
static const char golden_update_body[] =
    HEAD
    VERSION("_old")
    VERSION("_new")
    IS_ROW
    "    IF _renamed IS NULL THEN\n"
    READ("_old", "OLD")
    READ("_new", "NEW")
    "    ELSE\n"
    READ_RENAMED("_old", "OLD")
    READ_RENAMED("_new", "NEW")
    "    END IF;\n"
    "    _old1 := _old.\"id\";\n"
    "    _new1 := _new.\"id\";\n"
    "    IF _is_row AND _old1 OPERATOR(pg_catalog.=) _new1 THEN\n"
    "        _ops := update(_old, _new);\n"
    EMIT("        ", "_new1")
    "    ELSE\n"
    "        IF _old1 IS NOT NULL THEN\n"
    "            _ops := CASE WHEN _is_row OR filter(_old) IS NOT TRUE THEN"
             " ',{\"op\": \"refresh\"}' ELSE " ASK " END;\n"
    EMIT("            ", "_old1")
    "        END IF;\n"
    "        IF _new1 IS NOT NULL AND (_new1 OPERATOR(pg_catalog.=) _old1) IS NOT TRUE THEN\n"
    "            IF _is_row THEN\n"
    "                _ops := enter(_new);\n"
    "            ELSE\n"
    "                _ops := " ASK ";\n"
    "            END IF;\n"
    EMIT("            ", "_new1")
    "        END IF;\n"
    "    END IF;\n"
    "    RETURN NULL;\n"
    "END\n";
static const char golden_delete_body[] =
    HEAD
    VERSION("_old")
    "BEGIN\n"
    "    SELECT names() INTO _renamed WHERE NOT EXISTS (SELECT FROM row WHERE false);\n"
    READ_EITHER("_old", "OLD")
    "    _old1 := _old.\"id\";\n"
    "    IF _old1 IS NOT NULL THEN\n"
    "        IF " SETTING("transaction_isolation", "serializable")
    "            OR " SETTING("session_replication_role", "replica")
    "            OR EXISTS (SELECT FROM row WHERE \"id\" OPERATOR(pg_catalog.=) trigger._old1)"
             " THEN\n"
    "            _ops := CASE WHEN filter(_old) IS NOT TRUE THEN"
             " ',{\"op\": \"refresh\"}' ELSE " ASK " END;\n"
    "        ELSE\n"
    "            _ops := leave(_old);\n"
    "        END IF;\n"
    EMIT("        ", "_old1")
    "    END IF;\n"
    "    RETURN NULL;\n"
    "END\n";

static const char golden_update_event[] =
    " AFTER UPDATE ON \"public\".\"T\"\n"
    "    FOR EACH ROW WHEN (NEW.\"id\" IS DISTINCT FROM OLD.\"id\"\n"
    "        OR NEW.\"order\" COLLATE pg_catalog.\"C\" IS DISTINCT FROM OLD.\"order\"\n"
    "        OR NEW.\"at\" IS DISTINCT FROM OLD.\"at\"\n"
    "        OR pg_catalog.record_image_ne(ROW(NEW.\"x\"), ROW(OLD.\"x\")))\n";
static const char golden_delete_event[] =
    " AFTER DELETE ON \"public\".\"T\"\n"
    "    FOR EACH ROW WHEN ((OLD.\"id\" IS NULL AND OLD.\"order\" IS NULL AND OLD.\"at\" IS NULL"
    " AND OLD.\"x\" IS NULL) IS NOT NULL)\n";
/* clang-format on */

/* The body of the `number`-th trigger function, as expression_of(). */
static const char *
body_of(struct arena *arena, const struct trigger_objects *objects, uint32_t number)
{
    static const char prefix[] = "\"public\".\"bitdex_T_";
    struct buffer out = {0};
    const char *at = find(objects, OBJECT_FUNCTION, "_ops_", number)->body;
    while (*at != '\0') {
        if (strncmp(at, prefix, strlen(prefix)) != 0) {
            buffer_append(&out, at++, 1);
            continue;
        }
        at += strlen(prefix);
        buffer_append(&out, at, strcspn(at, "_"));
        at = strchr(at, '"') + 1;
    }
    const char *text = arena_strdup(arena, (struct text){(const char *)out.data, out.bytes});
    buffer_free(&out);
    return text;
}

static void
test_golden_sql_of_a_direct_table(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct entry *entry = make_entries(&arena, &config, &direct, 1);
    entry->values[1].form = FORM_SECONDS;
    generate_objects(entry, 1, &arena, &objects);
    assert_string_equal(expression_of(&arena, &objects, "filter"), "(_row.\"x\" > 0) IS TRUE");
    assert_string_equal(expression_of(&arena, &objects, "enter"), golden_enter);
    assert_string_equal(expression_of(&arena, &objects, "leave"), golden_leave);
    assert_string_equal(expression_of(&arena, &objects, "update"), golden_update);
    assert_string_equal(body_of(&arena, &objects, 0), golden_insert_body);
    assert_string_equal(body_of(&arena, &objects, 1), golden_update_body);
    assert_string_equal(body_of(&arena, &objects, 2), golden_delete_body);
    assert_non_null(strstr(find(&objects, OBJECT_TRIGGER, "", 1)->sql, golden_update_event));
    assert_non_null(strstr(find(&objects, OBJECT_TRIGGER, "", 2)->sql, golden_delete_event));
    for (const struct trigger_object *object = objects.first; object != NULL; object = object->next)
        if (object->body != NULL)
            assert_null(strstr(object->body, "--")); /* a comment would be a part of the name */
    arena_free(&arena);
}

/* Names do not depend on the build or the machine, so existing triggers stay as they are. */
static void
test_F19_golden_names(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct trigger_objects *objects = generate(&arena, &join, 1);
    assert_string_equal(find(objects, OBJECT_TRIGGER, "", 0)->name, "bitdex_T_ce28e962");
    assert_string_equal(find(objects, OBJECT_TRIGGER, "", 1)->name, "bitdex_T_b4f848cc");
    assert_string_equal(find(objects, OBJECT_TRIGGER, "", 2)->name, "bitdex_T_3673dd58");
    assert_string_equal(find(objects, OBJECT_TRIGGER, "", 3)->name, "bitdex_T_e9e4fe51_t");
    assert_string_equal(find(objects, OBJECT_FUNCTION, "", 0)->name, "bitdex_T_ops_03858e8d");
    assert_string_equal(find(objects, OBJECT_VIEW, "", 0)->name, "bitdex_T_row_8edae1f6");
    assert_string_equal(find(objects, OBJECT_ROW_FUNCTION, "enter", 0)->name,
                        "bitdex_T_enter_16ff16c4");
    arena_free(&arena);
}

/* The name of the first trigger that is generated from `trigger`, for an outbox in `schema`. */
static const char *
name_of(struct arena *arena, struct config_trigger trigger, const char *schema)
{
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct config_trigger *copy = arena_alloc(arena, sizeof *copy);
    *copy = trigger;
    struct entry *entry = make_entries(arena, &config, copy, 1);
    entry->outbox_schema = schema;
    generate_objects(entry, 1, arena, &objects);
    return find(&objects, OBJECT_TRIGGER, "", 0)->name;
}

static void
test_F19_a_changed_definition_has_another_name(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config_trigger trigger = join;
    const char *name = name_of(&arena, trigger, "public");
    assert_string_equal(name_of(&arena, trigger, "public"), name);
    assert_string_not_equal(name_of(&arena, trigger, "other"), name);
    trigger.filter = "true";
    assert_string_not_equal(name_of(&arena, trigger, "public"), name);
    arena_free(&arena);
}

static void
test_F18_names_fit_into_63_bytes_and_end_with_a_whole_character(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config_trigger trigger = {.table = "xΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ",
                                     .slot_field = "i",
                                     .filter = "{a} > 0",
                                     .sets_alive = true};
    assert_int_equal(strlen(trigger.table), 63);
    const struct trigger_objects *objects = generate(&arena, &trigger, 1);
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next) {
        assert_memory_equal(object->name, "bitdex_xΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ_", 7 + 39 + 1);
        assert_true(strlen(object->name) <= 63);
    }
    arena_free(&arena);
}

static uint32_t
count_objects(const struct trigger_objects *objects, enum trigger_object_kind kind,
              const char *table)
{
    uint32_t count = 0;
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next)
        count += object->kind == kind && strcmp(object->table, table) == 0;
    return count;
}

static const struct config_link link_to_t = {.table = "C", .foreign_key = "j", .slot = "i"};

static const struct config_trigger parent = {
    .kind = TRIGGER_FAN_OUT_PER_ROW,
    .table = "T",
    .links = &link_to_t,
    .link_count = 1,
    .filter = "{x} > 0",
    .track_fields = two_fields,
    .track_field_count = 2,
};

/* Two triggers for one event would fire in the order of their names, which are hashes. */
static void
test_F118_a_table_has_one_trigger_for_each_event(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config_trigger triggers[] = {direct, join, parent, parent};
    const struct trigger_objects *objects = generate(&arena, triggers, 4);
    assert_int_equal(count_objects(objects, OBJECT_TRIGGER, "\"public\".\"T\""), 4);
    assert_int_equal(count_objects(objects, OBJECT_TRIGGER, "\"public\".\"C\""), 4);
    assert_int_equal(count_objects(objects, OBJECT_VIEW, "\"public\".\"T\""), 1);
    assert_int_equal(count_objects(objects, OBJECT_VIEW, "\"public\".\"C\""), 1);
    arena_free(&arena);
}

static void
test_F123_parents_and_children_write_requests_alone(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct trigger_objects *objects = generate(&arena, &parent, 1);
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next) {
        assert_null(strstr(object->sql, "\"set\""));
        assert_null(strstr(object->sql, "FOR SHARE"));
        const char *read = object->kind == OBJECT_FUNCTION ? object->body : "";
        while ((read = strstr(read, "(SELECT")) != NULL)
            assert_non_null(strstr(read++, " WHERE false)")); /* reads no row of any table */
    }
    assert_string_equal(
        expression_of(&arena, objects, "keys"),
        "CASE WHEN filter(_row) THEN coalesce(',{\"op\": \"refresh\", \"entry\": \"T.order\","
        " \"key\": '\n        || to_json(_row.\"id\")::text || '}', '') ELSE '' END");
    const char *child = find(objects, OBJECT_ROW_FUNCTION, "bitdex_C_enter_", 0)->sql;
    assert_non_null(strstr(child, "RETURN CASE WHEN _row.\"j\" IS NULL THEN '' ELSE"
                                  " ',{\"op\": \"refresh\", \"entry\": \"T.order\"}' END;"));
    child = find(objects, OBJECT_ROW_FUNCTION, "bitdex_C_update_", 0)->sql;
    assert_non_null(strstr(child,
                           "RETURN CASE WHEN _new.\"j\" IS DISTINCT FROM _old.\"j\" THEN"
                           " ',{\"op\": \"refresh\", \"entry\": \"T.order\"}' ELSE '' END;"));
    arena_free(&arena);
}

/* A table between the parent and the rows of the entities is asked for by its own key. */
static void
test_F86_a_link_in_between_asks_by_its_own_key(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    const struct config_link links[] = {
        {.table = "M", .foreign_key = "j", .key = "a"},
        {.table = "C", .foreign_key = "t", .slot = "i"},
    };
    struct config_trigger trigger = parent;
    trigger.filter = NULL;
    trigger.links = links;
    trigger.link_count = 2;
    struct entry *entry = make_entries(&arena, &config, &trigger, 1);
    entry->links[0].table = make_table("M", "\"public\".\"M\"");
    entry->links[1].parent_key = "a";
    generate_objects(entry, 1, &arena, &objects);
    const char *keys = find(&objects, OBJECT_ROW_FUNCTION, "bitdex_M_keys_", 0)->sql;
    assert_non_null(strstr(keys, "RETURN CASE WHEN _row.\"j\" IS NOT NULL THEN coalesce(',{\"op\":"
                                 " \"refresh\", \"entry\": \"T.order/1\", \"key\": '\n        ||"
                                 " to_json(_row.\"a\")::text || '}', '') ELSE '' END;"));
    assert_string_equal(find(&objects, OBJECT_TRIGGER, "bitdex_M_", 0)->table, "\"public\".\"M\"");
    arena_free(&arena);
}

static void
test_F124_a_join_that_is_not_unique_asks_where_a_value_leaves(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct entry *entry = make_entries(&arena, &config, &join, 1);
    entry->value_is_unique = false;
    generate_objects(entry, 1, &arena, &objects);
    assert_string_equal(expression_of(&arena, &objects, "leave"),
                        "',{\"op\": \"refresh\", \"entry\": \"T.tags\"}'");
    assert_string_equal(expression_of(&arena, &objects, "update"),
                        "CASE WHEN _new.\"t\" IS DISTINCT FROM _old.\"t\"\n        THEN"
                        " ',{\"op\": \"refresh\", \"entry\": \"T.tags\"}'\n        || coalesce("
                        "',{\"op\": \"add\", \"field\": \"tags\", \"value\": '\n        ||"
                        " to_json(_new.\"t\")::text || '}', '') ELSE '' END");
    for (uint32_t i = 0; i < 3; i++)
        assert_null(strstr(find(&objects, OBJECT_FUNCTION, "_ops_", i)->body, "._old1"));
    arena_free(&arena);
}

/* The value that a row had may be another row's by now. */
static void
test_F85_a_unique_join_looks_before_it_removes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct trigger_objects *objects = generate(&arena, &join, 1);
    static const char look[] = "EXISTS (SELECT FROM row WHERE \"i\" OPERATOR(pg_catalog.=)"
                               " trigger._old1 AND \"t\" OPERATOR(pg_catalog.=) trigger._value1)";
    assert_non_null(strstr(body_of(&arena, objects, 1), look));
    assert_non_null(strstr(body_of(&arena, objects, 2), look));
    assert_non_null(strstr(expression_of(&arena, objects, "left"), "\"op\": \"remove\""));
    assert_null(strstr(expression_of(&arena, objects, "update"), "\"op\": \"remove\""));
    arena_free(&arena);
}

/* L12: a policy could raise an error, and the session of the application has row_security. */
static void
test_L12_where_policies_are_forced_nothing_is_looked_for(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct config_trigger triggers[] = {direct, join};
    struct entry *entries = make_entries(&arena, &config, triggers, 2);
    entries[0].table.has_forced_policies = true;
    entries[1].table.has_forced_policies = true;
    generate_objects(entries, 2, &arena, &objects);
    for (uint32_t i = 0; i < 3; i++)
        assert_null(strstr(body_of(&arena, &objects, i), "EXISTS"));
    assert_non_null(strstr(body_of(&arena, &objects, 0), "    _is_row := false;\n"));
    assert_non_null(strstr(find(&objects, OBJECT_FUNCTION, "_ops_", 0)->body,
                           "    EXECUTE 'SELECT \"public\".\"bitdex_T_names_"));
    assert_non_null(strstr(body_of(&arena, &objects, 2), "IF true THEN"));
    arena_free(&arena);
}

/* L11: nobody knows whether it was in the index. A function that the filter calls was dropped, for
 * example. */
static void
test_L11_a_row_is_asked_for_where_its_filter_fails_when_it_goes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct config_trigger triggers[] = {direct, join, parent};
    for (uint32_t i = 0; i < 3; i++)
        triggers[i].filter = "kept({x})";
    struct entry *entries = make_entries(&arena, &config, triggers, 3);
    for (uint32_t i = 0; i < 3; i++)
        guard_fill(&entries[i], &arena);
    generate_objects(entries, 3, &arena, &objects);
    static const char *const asks[] = {
        "CASE WHEN guard(_row) IS NULL THEN ',{\"op\": \"refresh\", \"entry\": \"T.order\"}'",
        "CASE WHEN guard(_old) IS NULL THEN ',{\"op\": \"refresh\", \"entry\": \"T.order\"}'",
        "CASE WHEN guard(_row) IS NULL THEN ',{\"op\": \"refresh\", \"entry\": \"T.tags\"}'",
        "CASE WHEN guard(_old) IS NULL THEN ',{\"op\": \"refresh\", \"entry\": \"T.tags\"}'",
        "CASE WHEN guard(_row) IS NOT FALSE THEN coalesce(',{\"op\": \"refresh\"",
    };
    static const char *const functions[] = {"leave", "update", "leave", "update", "keys"};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        struct arena text;
        arena_init(&text);
        bool is_join = i == 2 || i == 3; /* the second group, in another slot */
        const char *found = is_join ? expression_of_group(&text, &objects, functions[i], 1)
                                    : expression_of(&text, &objects, functions[i]);
        assert_non_null(strstr(found, asks[i]));
        arena_free(&text);
    }
    arena_free(&arena);
}

static const char *
looking_for_type(struct arena *arena, const char *type)
{
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct entry_table_column *own = arena_alloc(arena, sizeof columns);
    struct entry *entry = make_entries(arena, &config, &join, 1);
    memcpy(own, columns, sizeof columns);
    own[3].type = type;
    entry->table.columns = own;
    generate_objects(entry, 1, arena, &objects);
    return find(&objects, OBJECT_FUNCTION, "_ops_", 1)->body;
}

/* L12: a domain may refuse null and have another collation; a type may be renamed. */
static void
test_L12_no_variable_has_a_type_of_the_application(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const char *body = looking_for_type(&arena, "pg_catalog.text");
    assert_non_null(strstr(body, "    _value1 pg_catalog.text;\n"));
    body = looking_for_type(&arena, "public.mood");
    assert_null(strstr(body, "_value1"));
    assert_non_null(strstr(body, "\"t\" OPERATOR(pg_catalog.=) trigger._old.\"t\")"));
    arena_free(&arena);
}

static void
test_F85_a_row_of_a_partitioned_table_is_found_in_its_partition(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    static const char *const keys[] = {"a"};
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct entry *entry = make_entries(&arena, &config, &direct, 1);
    entry->table.is_partitioned = true;
    entry->table.partition_keys = keys;
    entry->table.partition_key_count = 1;
    generate_objects(entry, 1, &arena, &objects);
    assert_non_null(strstr(body_of(&arena, &objects, 0),
                           "EXISTS (SELECT FROM row WHERE ctid OPERATOR(pg_catalog.=) NEW.ctid"
                           " AND tableoid OPERATOR(pg_catalog.=) NEW.tableoid AND \"a\" "
                           "OPERATOR(pg_catalog.=) trigger._key1)"));
    const char *view = find(&objects, OBJECT_VIEW, "", 0)->sql;
    assert_non_null(strstr(view, "SELECT ctid, tableoid, \"id\", \"order\", \"at\", \"x\", \"a\"\n"
                                 "    FROM \"public\".\"T\";"));
    arena_free(&arena);
}

static void
test_F78_an_entity_that_appears_asks_for_what_outlived_it(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    static const uint32_t outliving[] = {1};
    const struct config_trigger triggers[] = {direct, join};
    struct entry *entries = make_entries(&arena, &config, triggers, 2);
    entries[0].outliving = outliving;
    entries[0].outliving_count = 1;
    entries[1].table = make_table("J", "\"public\".\"J\"");
    generate_objects(entries, 2, &arena, &objects);
    assert_non_null(strstr(expression_of(&arena, &objects, "enter"),
                           "'},{\"op\": \"refresh\", \"entry\": \"T.tags\"}'"));
    for (uint32_t i = 0; i < 2; i++) /* where it is not the row, INSERT and UPDATE ask for both */
        assert_non_null(strstr(body_of(&arena, &objects, i), "T.order\"},{\"op\": \"refresh\", "));
    arena_free(&arena);
}

/* An entity whose slot is not unique is asked for when one of its rows goes. */
static void
test_F124_a_direct_row_that_is_not_unique_asks_when_it_goes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct trigger_objects objects = {0};
    struct entry *entry = make_entries(&arena, &config, &direct, 1);
    entry->slot_is_immediate = false;
    generate_objects(entry, 1, &arena, &objects);
    assert_string_equal(expression_of(&arena, &objects, "leave"),
                        "CASE WHEN filter(_row) THEN ',{\"op\": \"refresh\", \"entry\":"
                        " \"T.order\"}'\n        ELSE '' END");
    arena_free(&arena);
}

/* A child row that is the entity takes its parents with it, unless no `delete` is written. */
static void
test_a_child_that_is_its_entity_asks_for_nothing_when_it_goes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    struct config_link link = link_to_t;
    link.slot = "id";
    struct config_trigger triggers[] = {direct, parent};
    triggers[0].filter = NULL;
    triggers[0].table = "C";
    triggers[1].links = &link;
    struct entry *entries = make_entries(&arena, &config, triggers, 2);
    entries[0].table = make_table("C", "\"public\".\"C\"");
    for (int unique = 0; unique < 2; unique++) {
        struct trigger_objects objects = {0};
        entries[0].slot_is_immediate = unique;
        generate_objects(entries, 2, &arena, &objects);
        const char *leave = find(&objects, OBJECT_ROW_FUNCTION, "bitdex_C_leave_", 0)->sql;
        assert_int_equal(strstr(leave, "\"entry\": \"T.order\"") == NULL, unique);
        assert_int_equal(strstr(leave, "\"op\": \"delete\"") != NULL, unique);
    }
    arena_free(&arena);
}

/* Equal values of a column may be different values of an expression. */
static void
test_F92_columns_are_compared_as_they_are_stored(void **state)
{
    (void)state;
    struct buffer sql = {0};
    row_ops_append_change(&sql, &columns[1], "a", "b");
    assert_string_equal(buffer_string(&sql), "a.\"i\" IS DISTINCT FROM b.\"i\"");
    buffer_clear(&sql);
    row_ops_append_change(&sql, &columns[4], "a", "b");
    assert_string_equal(buffer_string(&sql),
                        "a.\"order\" COLLATE pg_catalog.\"C\" IS DISTINCT FROM b.\"order\"");
    buffer_clear(&sql);
    row_ops_append_change(&sql, &columns[6], "a", "b");
    assert_string_equal(buffer_string(&sql),
                        "pg_catalog.record_image_ne(ROW(a.\"x\"), ROW(b.\"x\"))");
    buffer_free(&sql);
}

static void
test_F93_a_row_that_meets_its_filter_again_asks_for_all_of_its_entity(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct trigger_objects *objects = generate(&arena, &direct, 1);
    const char *update = expression_of(&arena, objects, "update");
    assert_non_null(strstr(strstr(update, "WHEN filter(_new) THEN '"), "{\"op\": \"refresh\"}"));
    assert_null(strstr(expression_of(&arena, objects, "enter"), "refresh"));
    arena_free(&arena);
}

/* Only expressions of the configuration are resolved outside of pg_catalog, each where it is
 * created. */
static void
test_F97_only_expressions_are_resolved_outside_of_pg_catalog(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct trigger_objects *objects = generate(&arena, &direct, 1);
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next) {
        bool is_expression = strstr(object->name, "_filter_") != NULL;
        if (object->kind == OBJECT_FUNCTION)
            continue;
        assert_int_equal(
            strncmp(object->sql, "SET LOCAL search_path = pg_catalog, pg_temp;\n", 45) != 0,
            is_expression);
    }
    arena_free(&arena);
}

/* The caller's search_path decides nothing in a body, so that it needs no setting of its own. */
static void
test_F97_a_body_names_the_schema_of_everything(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct config_trigger triggers[] = {direct, join, parent};
    static const char *const resolved[] = {" = ",    " <> ",   " || ",   "DISTINCT",
                                           "::text", "::json", " text;", " substr("};
    const struct trigger_objects *objects = generate(&arena, triggers, 3);
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next) {
        if (object->kind != OBJECT_FUNCTION)
            continue;
        assert_non_null(strstr(object->sql, "LANGUAGE plpgsql SECURITY DEFINER\nAS $"));
        assert_false(object->has_settings);
        if (strstr(object->body, "RAISE EXCEPTION USING MESSAGE = '") != NULL)
            continue; /* nothing else */
        for (size_t i = 0; i < sizeof resolved / sizeof resolved[0]; i++)
            assert_null(strstr(object->body, resolved[i]));
    }
    arena_free(&arena);
}

/* A function that a filter or an expression calls may look for names, and print. */
static void
test_F88_an_expression_that_may_depend_on_settings_has_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool has_settings;
    } cases[] = {
        {"{x} > 0", false},
        {"({i} >> 13) & 1 = 1 AND {order} IS NOT NULL", false},
        {"{at} > '2020-01-01'", false},
        {"{x}::text = '1'", true},
        {"kept({x})", true},
        {"{x} > 1 / {i}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        arena_init(&arena);
        struct config config = {0};
        struct trigger_objects objects = {0};
        struct config_trigger trigger = direct;
        trigger.filter = cases[i].filter;
        struct entry *entry = make_entries(&arena, &config, &trigger, 1);
        guard_fill(entry, &arena);
        generate_objects(entry, 1, &arena, &objects);
        const struct trigger_object *function = find(&objects, OBJECT_FUNCTION, "_ops_", 0);
        assert_int_equal(function->has_settings, cases[i].has_settings);
        assert_int_equal(strstr(function->sql, "\nSET search_path = pg_catalog, \"public\", pg_temp"
                                               "\nSET timezone = 'UTC'") != NULL,
                         cases[i].has_settings);
        arena_free(&arena);
    }
}

/* A column is a field of a row, or of the view in a query; variables of a query are qualified. */
static void
test_F98_a_column_is_no_variable(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    const struct config_trigger triggers[] = {direct, join, parent};
    const struct trigger_objects *objects = generate(&arena, triggers, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const char *body = body_of(&arena, objects, i);
        for (size_t j = 0; j < sizeof columns / sizeof columns[0]; j++) {
            char *name = memory_format("\"%s\"", columns[j].name);
            const char *at = body;
            while ((at = strstr(at, name)) != NULL) {
                bool is_looked_for =
                    strncmp(at - 6, "WHERE ", 6) == 0 || strncmp(at - 4, "AND ", 4) == 0;
                bool is_of_op = strncmp(at - 9, "\"field\": ", 9) == 0;
                assert_true(at[-1] == '.' || is_looked_for || is_of_op);
                at++;
            }
            free(name);
        }
    }
    arena_free(&arena);
}

static void
test_a_key_of_several_columns_is_one_text(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config config = {0};
    static const char *const keys[] = {"order", "a"};
    struct trigger_objects objects = {0};
    struct config_trigger trigger = {.kind = TRIGGER_FAN_OUT,
                                     .table = "T",
                                     .query = "f eq 1",
                                     .track_fields = two_fields,
                                     .track_field_count = 2};
    struct entry *entry = make_entries(&arena, &config, &trigger, 1);
    entry->key_columns = keys;
    entry->key_column_count = 2;
    generate_objects(entry, 1, &arena, &objects);
    assert_non_null(strstr(expression_of(&arena, &objects, "keys"),
                           "to_json('['\n        || to_json(_row.\"order\"::text)::text || ', '\n"
                           "        || to_json(_row.\"a\")::text || ']')::text"));
    objects = (struct trigger_objects){0};
    entry->key_column_count = 0;
    generate_objects(entry, 1, &arena, &objects);
    assert_int_equal(objects.count, 0); /* nothing could ask for its rows */
    arena_free(&arena);
}

static void
test_truncate_asks_for_all_rows_where_every_entry_says_so(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct config_trigger triggers[] = {direct, join};
    triggers[0].on_truncate = ON_TRUNCATE_EMIT;
    const struct trigger_object *function =
        find(generate(&arena, triggers, 2), OBJECT_FUNCTION, "_t", 0);
    assert_non_null(strstr(function->body, "RAISE EXCEPTION"));
    triggers[1].on_truncate = ON_TRUNCATE_EMIT;
    function = find(generate(&arena, triggers, 2), OBJECT_FUNCTION, "_t", 0);
    assert_non_null(strstr(function->body,
                           "',{\"op\": \"refresh\", \"entry\": \"T.order\", \"all\": true},"
                           "{\"op\": \"refresh\", \"entry\": \"T.tags\", \"all\": true}'"));
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
    struct entry *entry = make_entries(arena, &config, &trigger, 1);
    for (uint32_t i = 0; i < entry->placeholder_count; i++)
        entry->placeholders[i].form = form;
    struct buffer sql = {0};
    row_sql_append_query(&sql, entry, "NEW");
    assert_string_equal(buffer_string(&sql), expected);
    buffer_free(&sql);
}

#define LIST(x)                                                       \
    "nullif(pg_catalog.jsonb_path_query_array(pg_catalog.to_jsonb(" x \
    "), '$[*] ? (@ != null)'), '[]')::text"

static void
test_F17_placeholders_are_written_for_their_place(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    check_query(&arena, "f eq 1", FORM_PLAIN, "'f eq 1'");
    check_query(&arena, "f eq {a} AND g eq 2", FORM_PLAIN,
                "'f eq ' || pg_catalog.to_jsonb(NEW.\"a\")::text || ' AND g eq 2'");
    check_query(&arena, "f eq '{a}'", FORM_PLAIN,
                "'f eq ' || pg_catalog.to_jsonb(NEW.\"a\")::text");
    check_query(&arena, "f in {a}", FORM_PLAIN,
                "'f in ' || '[' || pg_catalog.to_jsonb(NEW.\"a\")::text || ']'");
    check_query(&arena, "f in {a}", FORM_ARRAY, "'f in ' || " LIST("NEW.\"a\""));
    check_query(&arena, "f IN {a}", FORM_JSON, "'f IN ' || " LIST("NEW.\"a\"::jsonb"));
    check_query(&arena, "f in [{a}]", FORM_ARRAY,
                "'f in [' || btrim(" LIST("NEW.\"a\"") ", '[]') || ']'");
    check_query(&arena, "f in [{a}, {b}]", FORM_PLAIN,
                "'f in [' || pg_catalog.to_jsonb(NEW.\"a\")::text || ', ' || "
                "pg_catalog.to_jsonb(NEW.\"b\")::text"
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
        cmocka_unit_test(test_F18_names_fit_into_63_bytes_and_end_with_a_whole_character),
        cmocka_unit_test(test_F118_a_table_has_one_trigger_for_each_event),
        cmocka_unit_test(test_F123_parents_and_children_write_requests_alone),
        cmocka_unit_test(test_F86_a_link_in_between_asks_by_its_own_key),
        cmocka_unit_test(test_F124_a_join_that_is_not_unique_asks_where_a_value_leaves),
        cmocka_unit_test(test_F85_a_unique_join_looks_before_it_removes),
        cmocka_unit_test(test_L11_a_row_is_asked_for_where_its_filter_fails_when_it_goes),
        cmocka_unit_test(test_L12_where_policies_are_forced_nothing_is_looked_for),
        cmocka_unit_test(test_L12_no_variable_has_a_type_of_the_application),
        cmocka_unit_test(test_F85_a_row_of_a_partitioned_table_is_found_in_its_partition),
        cmocka_unit_test(test_F78_an_entity_that_appears_asks_for_what_outlived_it),
        cmocka_unit_test(test_F124_a_direct_row_that_is_not_unique_asks_when_it_goes),
        cmocka_unit_test(test_a_child_that_is_its_entity_asks_for_nothing_when_it_goes),
        cmocka_unit_test(test_F92_columns_are_compared_as_they_are_stored),
        cmocka_unit_test(test_F93_a_row_that_meets_its_filter_again_asks_for_all_of_its_entity),
        cmocka_unit_test(test_F97_only_expressions_are_resolved_outside_of_pg_catalog),
        cmocka_unit_test(test_F97_a_body_names_the_schema_of_everything),
        cmocka_unit_test(test_F88_an_expression_that_may_depend_on_settings_has_its_own),
        cmocka_unit_test(test_F98_a_column_is_no_variable),
        cmocka_unit_test(test_a_key_of_several_columns_is_one_text),
        cmocka_unit_test(test_truncate_asks_for_all_rows_where_every_entry_says_so),
        cmocka_unit_test(test_F17_placeholders_are_written_for_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
