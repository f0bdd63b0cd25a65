#include "producer/triggers/guard.h"

#include "common/base/check.h"
#include "common/config/config.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/object_name.h"
#include "producer/triggers/row_sql.h"
#include "producer/triggers/sql.h"
#include "producer/triggers/sql_may_fail.h"

enum { GUARD_VERSION = 4 }; /* of guard_append_body() */

static const char *
define(const struct entry *entry, const char *kind, const char *expression, const char *type,
       struct arena *arena)
{
    struct buffer text = {0};
    CHECK(entry->table.quoted != NULL);
    buffer_append_format(&text, "guard %d %s\n%s\n", GUARD_VERSION, kind, entry->table.quoted);
    row_sql_append_search_path(&text, entry);
    buffer_append_format(&text, "\n%s\n%s", type, expression);
    return sql_take(arena, &text);
}

const char *
guard_define(const struct entry *entry, const struct entry_value *value, bool is_json,
             struct arena *arena)
{
    CHECK(value->type != NULL);
    return define(entry, is_json ? "json" : "value", value->expression, value->type, arena);
}

const char *
guard_define_filter(const struct entry *entry, struct arena *arena)
{
    return define(entry, "filter", entry->trigger->filter, "pg_catalog.bool", arena);
}

/* Whether operators can fail for values of the columns: because of their types, or because they
 * compare texts of several collations. */
static bool
columns_may_fail(const struct entry_table *table, const char *expression)
{
    struct text name;
    int64_t collation = 0;
    while (sql_next_placeholder(&expression, &name)) {
        const struct entry_table_column *column = entry_table_find(table, name);
        CHECK(column != NULL); /* the catalogue has read the expression */
        if (!column->is_total)
            return true;
        if (column->collation == 0)
            continue;
        if (collation != 0 && collation != column->collation)
            return true;
        collation = column->collation;
    }
    return false;
}

static bool
may_fail(const struct entry *entry, const char *expression)
{
    return !sql_is_column(expression) &&
           (sql_may_fail(expression) || columns_may_fail(&entry->table, expression));
}

static const char *
name_guard(const struct entry *entry, const char *definition, struct arena *arena)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer name = {0};
    struct buffer quoted = {0};
    digest_sha256(text_of(definition), hash);
    object_name_append(&name, entry->table.name, "guard", hash, "");
    sql_append_name(&quoted, entry->outbox_schema);
    buffer_append_text(&quoted, ".");
    sql_append_name(&quoted, buffer_string(&name));
    buffer_free(&name);
    return sql_take(arena, &quoted);
}

void
guard_fill(struct entry *entry, struct arena *arena)
{
    const char *filter = entry->trigger->filter;
    for (uint32_t i = 0; i < entry->value_count; i++) {
        struct entry_value *value = &entry->values[i];
        if (!may_fail(entry, value->expression))
            continue;
        value->guard = name_guard(entry, guard_define(entry, value, false, arena), arena);
        value->json_guard = name_guard(entry, guard_define(entry, value, true, arena), arena);
    }
    if (filter != NULL && may_fail(entry, filter))
        entry->filter_guard = name_guard(entry, guard_define_filter(entry, arena), arena);
}

void
guard_append_body(struct buffer *out, const char *sql, const char *otherwise)
{
    struct buffer body = {0};
    buffer_append_format(
        &body,
        "\nBEGIN\n    RETURN %s;\nEXCEPTION WHEN transaction_rollback OR insufficient_resources"
        " OR operator_intervention\n        OR system_error THEN\n    RAISE;\nWHEN OTHERS THEN\n"
        "    RETURN %s;\nEND\n",
        sql, otherwise);
    sql_append_literal(out, buffer_string(&body));
    buffer_free(&body);
}
