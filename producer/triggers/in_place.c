#include "producer/triggers/in_place.h"

#include <string.h>

#include "common/base/check.h"
#include "producer/triggers/mark.h"

/* Columns of objects_sql. */
enum {
    FOUND_KIND,
    FOUND_TABLE,
    FOUND_NAME,
    FOUND_IDENTITY,
    FOUND_MARK,
    FOUND_BODY,
    FOUND_IS_SET,
    FOUND_ON,
    FOUND_FUNCTION,
    FOUND_EVENTS, /* pg_trigger.tgtype; 0: the trigger does not fire */
    FOUND_DISABLED,
    FOUND_HAS_OWN_FUNCTION,
    FOUND_HAS_SETTINGS,
};

#define QUOTED(column) "'\"' || replace(" column ", '\"', '\"\"') || '\"'"
#define NAMED_BY_US "'^bitdex_.*_[0-9a-f]{8}(_[tc])?$'::text"
#define SCHEMA(oid) \
    "(SELECT " QUOTED("nspname") " FROM pg_namespace WHERE pg_namespace.oid = " oid ")"
#define TABLE(oid)                                                                           \
    "(SELECT " SCHEMA("relnamespace") " || '.' || " QUOTED("relname") " FROM pg_class WHERE" \
                                                                      " pg_class.oid = " oid ")"
#define ROOT(oid) "coalesce(pg_partition_root(" oid ")::oid, " oid ")"

/* clang-format off */
/* Triggers that are ours, without the copies that partitions have of the triggers of their
 * partitioned table. $1: the prefix of our marks; $2: the tables of the configuration. */
#define TRIGGERS \
    "SELECT " "3, " TABLE(ROOT("tgrelid")) " AS about, tgname, 'TRIGGER ' || " QUOTED("tgname") \
    "  || ' ON ' || " TABLE("tgrelid") ", coalesce(mark, ''), prosrc," \
    " tgenabled = 'A' AND NOT EXISTS (" COPIES " AND copy.tgenabled <> 'A')," \
    " " TABLE("tgrelid") ", functions.name || '()'," \
    " CASE WHEN " FIRES("pg_trigger") " AND NOT EXISTS (" COPIES " AND NOT " FIRES("copy") ")" \
    "  THEN tgtype ELSE 0 END," \
    " CASE WHEN " FIRES("pg_trigger") " THEN coalesce((SELECT string_agg(" TABLE("copy.tgrelid") \
    "  , ', ' ORDER BY copy.tgrelid) FROM (" COPIES " AND NOT " FIRES("copy") ") AS copy), '')" \
    "  ELSE " TABLE("tgrelid") " END," \
    " pg_catalog.obj_description(tgfoid, 'pg_proc') IS NULL AND proname ~" \
    "  '^bitdex_.*_ops_[0-9a-f]{8}'::text AND NOT EXISTS (SELECT FROM pg_trigger AS other" \
    "  WHERE other.tgfoid = pg_trigger.tgfoid AND other.oid <>" \
    "  pg_trigger.oid AND other.tgparentid = '0'), false," \
    " pg_trigger.oid" \
    " FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid," \
    " LATERAL (SELECT pg_catalog.obj_description(pg_trigger.oid, 'pg_trigger') AS mark) AS marks," \
    " LATERAL (SELECT " SCHEMA("pronamespace") " || '.' || " QUOTED("proname") "  AS name)" \
    "  AS functions" \
    " WHERE NOT tgisinternal AND tgparentid = '0' AND (starts_with(mark, $1) OR mark IS NULL AND" \
    "  tgname ~ " NAMED_BY_US " AND " TABLE("tgrelid") " = ANY ($2::text[]))"
#define FIRES(trigger) trigger ".tgenabled IN ('O', 'A')"
#define COPIES \
    "SELECT copy.* FROM pg_partition_tree(pg_trigger.tgrelid) AS tree JOIN pg_trigger AS copy" \
    " ON copy.tgrelid = tree.relid::oid AND copy.tgname = pg_trigger.tgname WHERE" \
    " copy.tgparentid <> '0'"

#define VIEWED(view) \
    "(SELECT min(" TABLE(ROOT("refobjid")) ") FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid =" \
    "  objid WHERE classid = 'pg_rewrite'::regclass::oid AND refclassid =" \
    "  'pg_class'::regclass::oid AND ev_class = " view " AND refobjid <> " view ")"

/* The rows of a function are those of a table or of a view. */
#define FUNCTIONS \
    "SELECT CASE prorettype WHEN 'trigger'::regtype::oid THEN 2 ELSE 1 END," \
    " coalesce(CASE prorettype WHEN 'trigger'::regtype::oid THEN (SELECT CASE WHEN count(DISTINCT" \
    "  " ROOT("tgrelid") ") = 1 THEN min(" TABLE(ROOT("tgrelid")) ") END FROM pg_trigger" \
    "  WHERE tgfoid = pg_proc.oid AND tgparentid = '0') ELSE (SELECT coalesce(" \
    VIEWED("typrelid") ", " TABLE(ROOT("typrelid")) ")" \
    "  FROM pg_type WHERE pg_type.oid = proargtypes[0] AND typrelid <> '0') END, '')," \
    " proname, 'FUNCTION ' || " SCHEMA("pronamespace") " || '.' || " QUOTED("proname") \
    "  || '(' || coalesce((SELECT string_agg(" SCHEMA("typnamespace") " || '.' || " \
    QUOTED("typname") ", ', ' ORDER BY place) FROM pg_catalog.unnest(proargtypes) WITH" \
    "  ORDINALITY AS argument(type, place) JOIN pg_type ON pg_type.oid = argument.type), '')" \
    "  || ')'," \
    " pg_catalog.obj_description(pg_proc.oid, 'pg_proc'), prosrc," \
    " prorettype <> 'trigger'::regtype::oid OR prosecdef AND (proconfig IS NULL OR EXISTS (SELECT" \
    "  FROM pg_catalog.unnest(proconfig) AS setting WHERE starts_with(setting," \
    "  'search_path=pg_catalog')))," \
    " '', '', 0, '', false, proconfig IS NOT NULL, pg_proc.oid" \
    " FROM pg_proc WHERE starts_with(pg_catalog.obj_description(pg_proc.oid, 'pg_proc'), $1)"

#define VIEWS \
    "SELECT 0, coalesce(" VIEWED("view.oid") ", '')," \
    " relname, 'VIEW ' || " SCHEMA("relnamespace") " || '.' || " QUOTED("relname") "," \
    " pg_catalog.obj_description(view.oid, 'pg_class'), '', true, '', '', 0, '', false, false," \
    " view.oid" \
    " FROM pg_class AS view WHERE relkind = 'v' AND starts_with(" \
    "  pg_catalog.obj_description(view.oid, 'pg_class'), $1)"

/* Triggers are dropped before their functions. A view or a row function may use those that were
 * created before it. */
static const char objects_sql[] =
    "SELECT * FROM (" TRIGGERS " UNION ALL " FUNCTIONS " UNION ALL " VIEWS ") AS object(kind,"
    " about, name, identity, mark, body, is_set, on_table, function, events, disabled,"
    " has_own_function, has_settings, oid)"
    " ORDER BY kind = 3 DESC, CASE WHEN kind = 3 THEN about END, CASE WHEN kind = 3 THEN name END,"
    " kind = 2 DESC, oid DESC";
/* clang-format on */

/* The tables of the objects as the text of a Postgres array. */
static void
append_tables(struct buffer *out, const struct trigger_objects *objects)
{
    const char *separator = "";
    CHECK(out->bytes == 0);
    buffer_append_text(out, "{");
    for (const struct trigger_object *object = objects->first; object != NULL;
         object = object->next) {
        if (object->kind != OBJECT_TRIGGER)
            continue;
        buffer_append_format(out, "%s\"", separator);
        for (const char *at = object->on; *at != '\0'; at++) {
            if (*at == '"' || *at == '\\')
                buffer_append(out, "\\", 1);
            buffer_append(out, at, 1);
        }
        buffer_append(out, "\"", 1);
        separator = ",";
    }
    buffer_append_text(out, "}");
}

static const char *
copy(struct arena *arena, const struct pg_result *found, int row, int column)
{
    CHECK(!pg_is_null(found, row, column));
    return arena_strdup(arena, text_of(pg_text(found, row, column)));
}

static void
fill_object(struct in_place_object *object, struct arena *arena, const struct pg_result *found,
            int row)
{
    int64_t kind = pg_integer(found, row, FOUND_KIND);
    CHECK(kind >= OBJECT_VIEW && kind <= OBJECT_TRIGGER);
    *object = (struct in_place_object){
        .kind = (enum trigger_object_kind)kind,
        .table = copy(arena, found, row, FOUND_TABLE),
        .name = copy(arena, found, row, FOUND_NAME),
        .identity = copy(arena, found, row, FOUND_IDENTITY),
        .mark = copy(arena, found, row, FOUND_MARK),
        .body = copy(arena, found, row, FOUND_BODY),
        .is_set = pg_boolean(found, row, FOUND_IS_SET),
        .on = copy(arena, found, row, FOUND_ON),
        .function = copy(arena, found, row, FOUND_FUNCTION),
        .events = (int)pg_integer(found, row, FOUND_EVENTS) &
                  (TRIGGER_ON_INSERT | TRIGGER_ON_UPDATE | TRIGGER_ON_DELETE | TRIGGER_ON_TRUNCATE),
        .disabled = copy(arena, found, row, FOUND_DISABLED),
        .has_own_function = pg_boolean(found, row, FOUND_HAS_OWN_FUNCTION),
        .has_settings = pg_boolean(found, row, FOUND_HAS_SETTINGS),
    };
    CHECK(object->table[0] == '"' || object->table[0] == '\0');
}

int
in_place_read(struct pg *pg, const char *outbox_schema, const struct trigger_objects *objects,
              struct arena *arena, struct in_place *in_place, struct error *err)
{
    struct buffer mark = {0};
    struct buffer tables = {0};
    struct pg_result *found;
    mark_append_prefix(&mark, outbox_schema);
    append_tables(&tables, objects);
    const char *const params[] = {buffer_string(&mark), buffer_string(&tables)};
    int rc = pg_query(pg, objects_sql, 2, params, &found, err);
    buffer_free(&mark);
    buffer_free(&tables);
    if (rc != 0)
        return error_wrap(err, rc, "cannot read the triggers of the database");
    uint32_t count = (uint32_t)pg_rows(found);
    struct in_place_object *list = arena_alloc(arena, (count + 1) * sizeof *list);
    for (uint32_t i = 0; i < count; i++)
        fill_object(&list[i], arena, found, (int)i);
    *in_place = (struct in_place){list, count};
    pg_result_clear(found);
    return 0;
}

/* Every change writes a row with a later xmin: of equally many rows, the sum is another one. */
int
in_place_read_version(struct pg *pg, struct buffer *version, struct error *err)
{
    struct pg_result *result;
    int rc = pg_query(pg,
                      "SELECT (SELECT pg_catalog.concat_ws('/', count(*), sum(xmin::text::bigint))"
                      " FROM pg_catalog.pg_trigger WHERE NOT tgisinternal) || ' ' ||"
                      " (SELECT pg_catalog.concat_ws('/', count(*), sum(xmin::text::bigint))"
                      " FROM pg_catalog.pg_proc WHERE proname >= 'bitdex_' AND proname <"
                      " 'bitdex`')",
                      0, NULL, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot find out whether triggers have changed");
    CHECK(pg_rows(result) == 1);
    buffer_clear(version);
    buffer_append_text(version, pg_text(result, 0, 0));
    pg_result_clear(result);
    return 0;
}
