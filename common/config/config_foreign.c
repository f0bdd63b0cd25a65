#include "common/config/config_foreign.h"

#include <stddef.h>
#include <string.h>

#include "common/base/check.h"

#define MEANINGLESS "has no meaning here: "

static const char source[] = "source";

static const struct {
    const char *key;
    const char *reason;
} foreign[] = {
    {"clickhouse", MEANINGLESS "all values come from PostgreSQL; remove it, and let the job that"
                               " counts in ClickHouse write its numbers into a table, which an"
                               " entry of `triggers` then tracks"},
    {source, MEANINGLESS "an entry reads a table of PostgreSQL; remove the whole entry, and track a"
                         " table into which the numbers of ClickHouse are written"},
    {"enrichment", MEANINGLESS "a row is complete when it is read; remove it, and join the other"
                               " table in copy_query, or name it in `triggers`"},
    {"shared_ops_fields", MEANINGLESS "each field has one owner, whose ops are its own; remove it,"
                                      " and list the fields in the track_fields of their table"},
    {"join", MEANINGLESS "PostgreSQL joins; remove it, and write the join into copy_query, or the"
                         " path of tables into rows_from"},
    {"dependsOn",
     MEANINGLESS "values that arrive before their entity are kept, so that the order of"
                 " phases does not matter; remove it"},
    {"bitdex", MEANINGLESS "the producer writes to Kafka and calls no index; remove it: `kafka`,"
                           " `topic` and `consumer` say where the index is"},
    {"stage_dir", MEANINGLESS "rows are loaded through the topic and not through files; remove it"
                              " (consumer.data_dir is where an index keeps its state)"},
};

const char *
config_foreign_reason(const struct config_node *node)
{
    CHECK(node->key != NULL);
    if (strcmp(node->key, source) == 0 &&
        (node->kind != NODE_SCALAR || strcmp(node->text, "clickhouse") != 0))
        return NULL;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (strcmp(node->key, foreign[i].key) == 0)
            return foreign[i].reason;
    return NULL;
}

const struct config_node *
config_foreign_find(const struct config_node *map)
{
    CHECK(map->kind == NODE_MAP);
    for (const struct config_node *child = map->first; child != NULL; child = child->next)
        if (strcmp(child->key, source) == 0 && config_foreign_reason(child) != NULL)
            return child;
    return NULL;
}
