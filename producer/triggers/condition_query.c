/* The WITH list gives every query the same small relations:
 *
 *   named        the tables as the configuration names them, found or not
 *   configured   the tables by what the entry uses them for: entity (direct, and sets alive),
 *                direct, join, parent, link, child; `slot` has the ids of entities, `key` refers to
 *                `parent`
 *   read_column  the columns that the entry reads
 *   stored       the tables of `configured` and their partitions, each once; `label` is the object
 *   own_function the functions that `triggers apply` has created
 *   foreign_key  all foreign keys of one column
 *
 * Names are printed with their schemas, because the search_path is pg_catalog.
 */
#include "producer/triggers/condition_query.h"

#include "common/base/check.h"
#include "common/pg/pg.h"
#include "producer/triggers/sql.h"

/* clang-format off */
static const char common_relations[] =
    ", stored(entry, relation, label) AS ("
    "SELECT DISTINCT ON (member) entry, member, format('\"%s\".\"%s\"', nspname, relname) FROM"
    " configured, LATERAL (SELECT relation UNION SELECT relid FROM pg_partition_tree(relation)) AS"
    " tree(member) JOIN pg_class ON pg_class.oid = member JOIN pg_namespace ON pg_namespace.oid ="
    " relnamespace ORDER BY member, entry)"
    ", own_function(oid, owner) AS MATERIALIZED ("
    "SELECT oid, proowner FROM pg_proc WHERE starts_with(obj_description(oid, 'pg_proc'),"
    " 'bitdex-producer ') OR proname ~ '^bitdex_.*_ops_[0-9a-f]{8}'::text)"
    ", foreign_key(relation, key, parent, parent_key, name, is_valid, is_deferrable) AS ("
    "SELECT conrelid, child.attname, confrelid, parent.attname, conname, convalidated,"
    " condeferrable FROM pg_constraint JOIN pg_attribute AS child ON child.attrelid = conrelid AND"
    " child.attnum = conkey[1] JOIN pg_attribute AS parent ON parent.attrelid = confrelid AND"
    " parent.attnum = confkey[1] WHERE contype = 'f' AND cardinality(conkey) = 1) ";

const struct condition_query condition_queries[] = {
    {.kind = CONDITION_SCHEMAS,
     .severity = CONDITION_PROBLEM,
     .entry = "DISTINCT ON (nspname) entry",
     .object = "nspname",
     .message =
         "format('role %I has no USAGE on the schema of table %s, so it cannot read it',"
         " current_user, name)",
     .remedy = "format('GRANT USAGE ON SCHEMA %I TO %I', nspname, current_user)",
     .rows =
         "named, parse_ident(name) AS parts, pg_namespace WHERE NOT"
         " has_schema_privilege(pg_namespace.oid, 'USAGE') AND (cardinality(parts) = 2 AND"
         " nspname = parts[1] OR cardinality(parts) = 1 AND NOT is_found AND EXISTS (SELECT FROM"
         " pg_class WHERE relname = parts[1] AND relnamespace = pg_namespace.oid AND relkind IN"
         " ('r', 'p'))) ORDER BY nspname, entry"},
    {.kind = CONDITION_TABLES,
     .severity = CONDITION_PROBLEM,
     .entry = "entry",
     .object = "label",
     .message = "'the table is temporary: only the session that created it sees its rows'",
     .remedy = "'name a permanent table'",
     .rows =
         "stored JOIN pg_class ON pg_class.oid = relation WHERE relpersistence = 't' ORDER BY"
         " entry, relation"},
    {.kind = CONDITION_TABLES,
     .severity = CONDITION_WARNING,
     .entry = "entry",
     .object = "label",
     .message =
         "'the table is unlogged: after a crash of the server it is empty, no trigger has fired,"
         " and the index keeps its rows'",
     .remedy = "format('ALTER TABLE %s SET LOGGED', relation)",
     .rows =
         "stored JOIN pg_class ON pg_class.oid = relation WHERE relpersistence = 'u' AND relkind"
         " <> 'p' ORDER BY entry, relation"},
    {.kind = CONDITION_ROW_SECURITY,
     .severity = CONDITION_PROBLEM,
     .entry = "entry",
     .object = "label",
     .message =
         "format('row security can hide rows from role %I, as which this program reads: a load or"
         " an answer would lack them', current_user)",
     .remedy =
         "format('ALTER ROLE %I BYPASSRLS, or connect as the owner of the table', current_user)",
     .rows = "stored WHERE row_security_active(relation) ORDER BY entry, relation"},
    {.kind = CONDITION_ROW_SECURITY,
     .severity = CONDITION_WARNING,
     .entry = "entry",
     .object = "label",
     .message =
         "format('row security is forced for role %I as well, as which the trigger functions run:"
         " they request a refresh of each changed row instead of writing values', owner)",
     .remedy = "format('ALTER ROLE %I BYPASSRLS', owner)",
     .rows =
         "stored JOIN pg_class ON pg_class.oid = relation, LATERAL (SELECT coalesce((SELECT"
         " min(own_function.owner) FROM pg_trigger JOIN own_function ON own_function.oid ="
         " tgfoid WHERE tgrelid = relation), relowner)) AS functions(owner_id), LATERAL (SELECT"
         " rolname, rolbypassrls OR rolsuper FROM pg_roles WHERE oid = owner_id) AS"
         " owners(owner, sees_all) WHERE relrowsecurity AND relforcerowsecurity AND NOT sees_all"
         " ORDER BY entry, relation"},
    {.kind = CONDITION_ROW_SECURITY,
     .severity = CONDITION_NOTE,
     .entry = "entry",
     .object = "label",
     .message =
         "format('row security is enabled, and role %I reads all rows all the same: the index has"
         " every row, whoever may query it', current_user)",
     .remedy = "''",
     .rows =
         "stored JOIN pg_class ON pg_class.oid = relation WHERE relrowsecurity AND NOT"
         " row_security_active(relation) ORDER BY entry, relation"},
    {.kind = CONDITION_FOREIGN_KEYS,
     .severity = CONDITION_NOTE,
     .entry = "joined.entry",
     .object = "label || '.' || quote_ident(joined.slot)",
     .message =
         "CASE WHEN name IS NULL THEN format('no foreign key refers to %s', entity.relation) ELSE"
         " format('foreign key %I is %s', name, CASE WHEN is_deferrable THEN 'deferrable' ELSE"
         " 'not validated' END) END || ': rows may be there before their entity or outlive it, so"
         " every INSERT of an entity requests what it has in this table'",
     .remedy =
         "CASE WHEN name IS NULL THEN format('ALTER TABLE %s ADD FOREIGN KEY (%I) REFERENCES %s"
         " (%I) ON DELETE CASCADE', joined.relation, joined.slot, entity.relation, entity.slot)"
         " WHEN is_deferrable THEN format('ALTER TABLE %s ALTER CONSTRAINT %I NOT DEFERRABLE',"
         " joined.relation, name) ELSE format('ALTER TABLE %s VALIDATE CONSTRAINT %I',"
         " joined.relation, name) END",
     .rows =
         "configured AS joined JOIN stored USING (relation) JOIN configured AS entity ON"
         " entity.role = 'entity' AND entity.relation <> joined.relation LEFT JOIN LATERAL"
         " (SELECT name, is_valid, is_deferrable FROM foreign_key WHERE relation ="
         " joined.relation AND key = joined.slot AND parent = entity.relation AND parent_key ="
         " entity.slot ORDER BY is_valid AND NOT is_deferrable DESC LIMIT 1) AS found ON true"
         " WHERE joined.role = 'join' AND (name IS NULL OR NOT is_valid OR is_deferrable) ORDER"
         " BY joined.entry"},
    {.kind = CONDITION_FOREIGN_KEYS,
     .severity = CONDITION_NOTE,
     .entry = "configured.entry",
     .object = "label || '.' || quote_ident(key)",
     .message =
         "format('foreign key %I is deferrable, so a row may be written before its parent: each"
         " of them requests the entity''s fields, and the one that is committed last decides',"
         " name)",
     .remedy = "''",
     .rows =
         "configured JOIN stored USING (relation) JOIN foreign_key USING (relation, key, parent)"
         " WHERE is_deferrable ORDER BY configured.entry, name"},
    {.kind = CONDITION_APPLICATION_TRIGGERS,
     .severity = CONDITION_NOTE,
     .entry = "entry",
     .object = "label",
     .message =
         "CASE WHEN is_before THEN format('the application has BEFORE triggers (%s): the triggers"
         " of the outbox see the row as these have left it', names) ELSE format('the application"
         " has AFTER triggers (%s): where one of them changes the row once more, the entity is"
         " read again after the commit', names) END",
     .remedy = "''",
     .rows =
         "(SELECT entry, relation, label, tgtype & 2 <> 0 AS is_before, string_agg(tgname, ', '"
         " ORDER BY tgname) AS names FROM stored JOIN pg_trigger ON tgrelid = relation WHERE NOT"
         " tgisinternal AND tgparentid = 0 AND tgenabled <> 'D' AND tgfoid NOT IN (SELECT oid"
         " FROM own_function) GROUP BY entry, relation, label, is_before) AS grouped ORDER BY"
         " entry, relation, is_before DESC"},
    {.kind = CONDITION_FUNCTION_PATH,
     .severity = CONDITION_WARNING,
     .entry = "DISTINCT ON (nspname, grantee) entry",
     .object = "format('schema %I', nspname)",
     .message =
         "format('%s may create functions and operators in a schema in which expressions of the"
         " configuration are resolved: they would run with the rights of role %I', CASE WHEN"
         " grantee = 0 THEN 'every role (PUBLIC)' ELSE format('role %I', rolname) END, owner)",
     .remedy =
         "CASE WHEN grantee = nspowner THEN format('ALTER SCHEMA %I OWNER TO %I', nspname, owner)"
         " ELSE format('REVOKE CREATE ON SCHEMA %I FROM %s', nspname, CASE WHEN grantee = 0 THEN"
         " 'PUBLIC' ELSE quote_ident(rolname) END) END",
     .rows =
         "(SELECT entry, relnamespace FROM configured JOIN pg_class ON pg_class.oid = relation"
         " UNION SELECT NULL, oid FROM pg_namespace WHERE nspname = (SELECT schema FROM outbox))"
         " AS path JOIN pg_namespace ON pg_namespace.oid = relnamespace, LATERAL (SELECT"
         " coalesce(min(own_function.owner), (SELECT oid FROM pg_roles WHERE rolname ="
         " current_user)) FROM own_function) AS functions(owner_id), LATERAL (SELECT rolname"
         " FROM pg_roles WHERE oid = owner_id) AS owners(owner), LATERAL (SELECT CASE WHEN"
         " grantee = to_regrole('pg_database_owner') THEN (SELECT datdba FROM pg_database WHERE"
         " datname = current_database()) ELSE grantee END FROM aclexplode(coalesce(nspacl,"
         " acldefault('n', nspowner))) WHERE privilege_type = 'CREATE') AS grants(grantee) LEFT"
         " JOIN pg_roles ON pg_roles.oid = grantee WHERE grantee = 0 OR NOT (rolsuper OR"
         " pg_has_role(grantee, owner_id, 'MEMBER')) ORDER BY nspname, grantee, entry"},
    {.kind = CONDITION_COLLATIONS,
     .severity = CONDITION_NOTE,
     .entry = "DISTINCT ON (label, attnum) read_column.entry",
     .object = "label || '.' || quote_ident(name)",
     .message =
         "format('collation %s takes different texts for equal ones; the index compares their"
         " bytes, and gets every change of them', collation_name)",
     .remedy = "''",
     .rows =
         "read_column JOIN stored USING (relation) JOIN pg_attribute ON attrelid = relation AND"
         " attname = name, LATERAL (SELECT oid::regcollation FROM pg_collation WHERE oid ="
         " attcollation AND NOT collisdeterministic) AS collations(collation_name) ORDER BY"
         " label, attnum, read_column.entry"},
    {.kind = CONDITION_OWNERS,
     .severity = CONDITION_NOTE,
     .entry = "min(entry)",
     .object = "'role ' || quote_ident(owner)",
     .message =
         "format('owns %s, and only its members and superusers can change their triggers: role"
         " %I, as which this program runs, is not one of them', string_agg(relation::text, ', '"
         " ORDER BY relation::text), current_user)",
     .remedy = "format('run bitdex-producer triggers apply as %I', owner)",
     .rows =
         "(SELECT min(entry) AS entry, relation, relowner, pg_get_userbyid(relowner) AS owner"
         " FROM configured JOIN pg_class ON pg_class.oid = relation GROUP BY relation, relowner)"
         " AS owned WHERE NOT pg_has_role(relowner, 'USAGE') GROUP BY owner ORDER BY owner"},
};
/* clang-format on */

const uint32_t condition_query_count = sizeof condition_queries / sizeof condition_queries[0];

/* NULL: SQL's null. */
static void
append_text(struct buffer *out, const char *text)
{
    buffer_append_text(out, ", ");
    if (text != NULL)
        sql_append_literal(out, text);
    else
        buffer_append_text(out, "NULL");
}

/* `name` is as the configuration has it; NULL: there is no such table. */
static void
append_named(struct buffer *out, const struct entry *entry, const char *name,
             const struct entry_table *table)
{
    struct buffer quoted = {0};
    CHECK(name != NULL);
    pg_append_identifier(&quoted, name);
    buffer_append_format(out, ", (%u", entry->index);
    append_text(out, buffer_string(&quoted));
    buffer_append_format(out, ", %s)", table->quoted != NULL ? "true" : "false");
    buffer_free(&quoted);
}

/* `key` refers to `parent`; both may be NULL, as `slot`. */
static void
append_configured(struct buffer *out, const struct entry *entry, const char *role,
                  const struct entry_table *table, const char *slot, const char *key,
                  const struct entry_table *parent)
{
    CHECK((key == NULL) == (parent == NULL));
    if (table->quoted == NULL || (parent != NULL && parent->quoted == NULL))
        return;
    buffer_append_format(out, ", (%u", entry->index);
    append_text(out, role);
    append_text(out, table->quoted);
    append_text(out, slot);
    append_text(out, key);
    append_text(out, parent != NULL ? parent->quoted : NULL);
    buffer_append_text(out, ")");
}

static const char *
role_of(const struct config_trigger *trigger)
{
    switch (trigger->kind) {
    case TRIGGER_DIRECT:
        return trigger->sets_alive ? "entity" : "direct";
    case TRIGGER_JOIN:
        return "join";
    default:
        return "parent";
    }
}

static void
append_entry_named(struct buffer *out, const struct entry *entry)
{
    append_named(out, entry, entry->trigger->table, &entry->table);
    for (uint32_t i = 0; i < entry->link_count; i++)
        append_named(out, entry, entry->links[i].link->table, &entry->links[i].table);
}

static void
append_entry_configured(struct buffer *out, const struct entry *entry)
{
    append_configured(out, entry, role_of(entry->trigger), &entry->table,
                      entry->trigger->slot_field, NULL, NULL);
    const struct entry_table *parent = &entry->table;
    for (uint32_t i = 0; i < entry->link_count; i++) {
        const struct entry_link *link = &entry->links[i];
        append_configured(out, entry, link->link->slot != NULL ? "child" : "link", &link->table,
                          link->link->slot, link->link->foreign_key, parent);
        parent = &link->table;
    }
}

static void
append_column(struct buffer *out, const struct entry *entry, const struct entry_table *table,
              const char *column)
{
    if (table->quoted == NULL)
        return;
    buffer_append_format(out, ", (%u", entry->index);
    append_text(out, table->quoted);
    append_text(out, column);
    buffer_append_text(out, ")");
}

static void
append_entry_columns(struct buffer *out, const struct entry *entry)
{
    for (const struct entry_column *column = entry->columns; column != NULL; column = column->next)
        append_column(out, entry, &entry->table, column->name);
    for (uint32_t i = 0; i < entry->link_count; i++)
        append_column(out, entry, &entry->links[i].table, entry->links[i].link->foreign_key);
}

/* A relation of the WITH list whose rows come from each entry. The first row, of nulls, gives the
 * types of the columns. */
static void
append_relation(struct buffer *out, const char *name_and_columns, const char *nulls,
                const struct entry *entries, uint32_t count,
                void (*append_entry)(struct buffer *out, const struct entry *entry))
{
    buffer_append_format(out, "%s AS (SELECT * FROM (VALUES (%s)", name_and_columns, nulls);
    for (uint32_t i = 0; i < count; i++)
        append_entry(out, &entries[i]);
    buffer_append_text(out, ") AS listed(entry) WHERE entry IS NOT NULL)");
}

void
condition_query_append_entries(struct buffer *out, const struct entry *entries, uint32_t count,
                               const char *outbox_schema)
{
    CHECK(entries != NULL || count == 0);
    CHECK(outbox_schema != NULL);
    buffer_append_text(out, "WITH outbox(schema) AS (VALUES (");
    sql_append_literal(out, outbox_schema);
    buffer_append_text(out, ")), ");
    append_relation(out, "named(entry, name, is_found)", "NULL::integer, NULL::text, NULL::boolean",
                    entries, count, append_entry_named);
    append_relation(out, ", configured(entry, role, relation, slot, key, parent)",
                    "NULL::integer, NULL::text, NULL::regclass, NULL::text, NULL::text,"
                    " NULL::regclass",
                    entries, count, append_entry_configured);
    append_relation(out, ", read_column(entry, relation, name)",
                    "NULL::integer, NULL::regclass, NULL::text", entries, count,
                    append_entry_columns);
    buffer_append_text(out, common_relations);
}

void
condition_query_append(struct buffer *out, const struct condition_query *query)
{
    CHECK(query->kind < CONDITION_KINDS);
    CHECK(query->rows != NULL);
    buffer_append_format(out, "SELECT %s, %s, %s, %s FROM %s", query->entry, query->object,
                         query->message, query->remedy, query->rows);
}
