#include "producer/triggers/inherited.h"

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/sql.h"

/* The children of all levels, as text; null: the table has none. */
static const char children_sql[] =
    "WITH RECURSIVE child(oid) AS (SELECT inhrelid FROM pg_inherits JOIN pg_class ON pg_class.oid ="
    " inhparent WHERE inhparent = $1::regclass::oid AND relkind = 'r' UNION SELECT inhrelid FROM "
    "child"
    " JOIN pg_inherits ON inhparent = child.oid)"
    " SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) FROM child";

static int
find_children(struct pg *pg, const struct entry_table *table, struct arena *arena,
              const char **children, struct error *err)
{
    struct pg_result *result;
    CHECK(table->quoted != NULL);
    int rc = pg_query(pg, children_sql, 1, &table->quoted, &result, err);
    if (rc != 0)
        return error_wrap(err, rc, "cannot read the inheritance children of %s", table->quoted);
    CHECK(pg_rows(result) == 1);
    *children =
        pg_is_null(result, 0, 0) ? NULL : arena_strdup(arena, text_of(pg_text(result, 0, 0)));
    pg_result_clear(result);
    return 0;
}

/* The table of a level of the entry: its own, or that of a link. */
static const struct entry_table *
table_of(const struct entry *entry, uint32_t level)
{
    CHECK(level <= entry->link_count);
    return level == 0 ? &entry->table : &entry->links[level - 1].table;
}

static struct refusal *
make_refusal(const struct entry *entry, uint32_t level, const char *children, struct arena *arena)
{
    static const char *const settings[] = {
        [TRIGGER_FAN_OUT] = "children",
        [TRIGGER_FAN_OUT_PER_ROW] = "rows_from",
    };
    struct buffer reason = {0};
    struct refusal *refusal = arena_alloc(arena, sizeof *refusal);
    buffer_append_format(&reason,
                         "table %s has inheritance children (%s), for whose rows its triggers do"
                         " not fire: make them partitions, or give each an entry of its own",
                         table_of(entry, level)->quoted, children);
    *refusal = (struct refusal){
        .entry = entry,
        .setting = level == 0 ? "table" : settings[entry->trigger->kind],
        .reason = sql_take(arena, &reason),
    };
    CHECK(refusal->setting != NULL);
    return refusal;
}

int
inherited_find(struct pg *pg, const struct entry *entries, uint32_t count, struct arena *arena,
               struct refusal **refusals, struct error *err)
{
    int rc = 0;
    struct refusal **end = refusals;
    CHECK(entries != NULL || count == 0);
    *refusals = NULL;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        for (uint32_t level = 0; rc == 0 && level <= entries[i].link_count; level++) {
            const char *children = NULL;
            rc = find_children(pg, table_of(&entries[i], level), arena, &children, err);
            if (rc != 0 || children == NULL)
                continue;
            *end = make_refusal(&entries[i], level, children, arena);
            end = &(*end)->next;
        }
    return rc;
}
