/* Happy path: find the entries that the selection names, complete them from the catalogue, and sort
 * them into range sources and passes.
 *
 * Failure modes: what the selection names does not exist, or a source cannot be read in parts. The
 * latter is refused, because each part would read the whole table inside the transaction that the
 * stream waits for.
 */
#include "producer/load/load_plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"
#include "producer/load/load_override.h"
#include "producer/triggers/catalogue.h"
#include "producer/triggers/digest.h"
#include "producer/triggers/missing_index.h"
#include "producer/triggers/select.h"
#include "producer/triggers/sql.h"

enum { DUMP_HASH_DIGITS = 8 };

struct planner {
    const struct config *config;
    const struct load_selection *selection;
    struct arena *arena;
    struct load_plan *plan;
    struct entry *entries; /* all of the configuration; those of the plan are completed */
    const char *outbox_schema;
};

static bool
field_is_selected(const struct load_selection *selection, const char *name)
{
    for (uint32_t i = 0; i < selection->field_count; i++)
        if (strcmp(selection->fields[i], name) == 0)
            return true;
    return selection->field_count == 0;
}

static bool
table_is_selected(const struct load_selection *selection, const struct config_trigger *trigger)
{
    return selection->table == NULL || strcmp(selection->table, trigger->table) == 0;
}

static bool
entry_is_selected(const struct load_selection *selection, uint32_t index)
{
    for (uint32_t i = 0; i < selection->entry_count; i++)
        if (selection->entries[i] == index)
            return true;
    return selection->entries == NULL;
}

static bool
has_bounds(const struct load_selection *selection)
{
    return selection->has_range || selection->ids != NULL;
}

/* Fills source->values with the selected values of the entry. False: it has none of them. */
static bool
select_values(const struct planner *planner, struct load_source *source)
{
    const struct entry *entry = source->entry;
    uint32_t *values = arena_alloc(planner->arena, (entry->value_count + 1) * sizeof *values);
    struct text *fields = arena_alloc(planner->arena, (entry->value_count + 1) * sizeof *fields);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        if (!field_is_selected(planner->selection, entry->values[i].target))
            continue;
        fields[source->value_count] = text_of(entry->values[i].target);
        values[source->value_count++] = i;
    }
    source->values = values;
    source->fields = fields;
    return source->value_count > 0 ||
           (entry->trigger->sets_alive && planner->selection->field_count == 0 &&
            !planner->selection->without_alive);
}

static void
add_field(struct text *fields, uint32_t *count, struct text field)
{
    for (uint32_t i = 0; i < *count; i++)
        if (text_equal(fields[i], field))
            return;
    fields[(*count)++] = field;
}

static void
read_query_fields(const struct planner *planner, struct load_source *source)
{
    const char *at = source->entry->trigger->query;
    struct text field;
    struct text operator;
    struct text *reads = arena_alloc(planner->arena, (strlen(at) + 1) * sizeof *reads);
    while (config_query_next(&at, &field, &operator))
        add_field(reads, &source->read_count, field);
    source->reads = reads;
    CHECK(source->read_count > 0);
}

static void
name_dump(const struct planner *planner, struct load_source *source)
{
    char hash[DIGEST_HEX_BYTES];
    struct buffer text = {0};
    select_append_definition(&text, source->entry);
    digest_sha256((struct text){(const char *)text.data, text.bytes}, hash);
    buffer_clear(&text);
    buffer_append_format(&text, "%s-%.*s", source->entry->trigger->table, DUMP_HASH_DIGITS, hash);
    source->table = source->entry->trigger->table;
    source->dump_name = sql_take(planner->arena, &text);
}

/* The indexes by which a range of entities is read. */
static int
check_indexes(const struct entry *entry, struct error *err)
{
    struct buffer sql = {0};
    const char *column = missing_index_of_slot(entry, &sql)  ? "slot"
                         : missing_index_of_key(entry, &sql) ? "key of a parent"
                                                             : NULL;
    if (column == NULL)
        return 0;
    int rc = entry_refuse(entry, entry->trigger->place, "table", err,
                          "no index begins with the %s, so each part of a load would read the"
                          " whole table: %s",
                          column, buffer_string(&sql));
    buffer_free(&sql);
    return rc;
}

/* The key by which the parents of a pass are read. */
static int
check_pass(const struct entry *entry, bool is_bounded, struct error *err)
{
    if (is_bounded)
        return entry_refuse(entry, entry->trigger->place, "query", err,
                            "only the index knows which entities the fan-outs of table %s reach, so"
                            " they cannot be loaded for a range or for ids: load them for all"
                            " entities, or name their entities with `children`",
                            entry->trigger->table);
    if (entry->key_column_count == 0)
        return entry_refuse(entry, entry->trigger->place, "table", err,
                            "%s has no primary key, in whose order a load could read it in parts:"
                            " ALTER TABLE %s ADD PRIMARY KEY (...)",
                            entry->table.quoted, entry->table.quoted);
    return 0;
}

/* Leaves out the fields of a pass that was not named. */
static void
leave_out(const struct planner *planner, const struct load_source *source)
{
    struct load_plan *plan = planner->plan;
    struct text *fields =
        arena_alloc(planner->arena, (plan->left_out_count + source->value_count) * sizeof *fields);
    for (uint32_t i = 0; i < plan->left_out_count; i++)
        fields[i] = plan->left_out[i];
    for (uint32_t i = 0; i < source->value_count; i++)
        fields[plan->left_out_count++] = source->fields[i];
    plan->left_out = fields;
}

/* Adds a source for each dump phase that has values of the entry, and one for the values that are
 * left. */
static int
add_range(struct planner *planner, struct pg *pg, struct load_source *source, struct error *err)
{
    struct load_plan *plan = planner->plan;
    const struct load_selection *selection = planner->selection;
    source->sets_alive = source->entry->trigger->sets_alive && !selection->without_alive;
    if (selection->entries != NULL) {
        source->is_scanned =
            !source->entry->slot_has_index || !entry_keys_have_index(source->entry);
        plan->ranges[plan->range_count++] = *source;
        return 0;
    }
    int rc = load_override_split(pg, planner->arena, planner->config, source, plan->ranges,
                                 &plan->range_count, err);
    if (rc != 0 || (source->value_count == 0 && !source->sets_alive))
        return rc;
    rc = check_indexes(source->entry, err);
    if (rc == 0)
        plan->ranges[plan->range_count++] = *source;
    return rc;
}

/* Adds what the selection takes of the entry. */
static int
add_source(struct planner *planner, struct pg *pg, struct load_source *source, struct entry *entry,
           struct error *err)
{
    const struct load_selection *selection = planner->selection;
    struct load_plan *plan = planner->plan;
    entry->outbox_schema = planner->outbox_schema;
    int rc = catalogue_read(pg, planner->arena, entry, err);
    if (rc != 0)
        return rc;
    bool is_pass = select_is_pass(entry);
    bool is_named = selection->table != NULL || selection->field_count > 0;
    if (is_pass && has_bounds(selection) && !is_named) {
        leave_out(planner, source);
        return 0;
    }
    source->is_whole = source->value_count == entry->value_count && !has_bounds(selection);
    name_dump(planner, source);
    if (!is_pass)
        return add_range(planner, pg, source, err);
    if (selection->entries == NULL)
        rc = check_pass(entry, has_bounds(selection), err);
    if (rc == 0 && selection->entries == NULL)
        rc = load_override_check_pass(planner->config, entry, err);
    if (rc != 0)
        return rc;
    read_query_fields(planner, source);
    plan->passes[plan->pass_count++] = *source;
    return 0;
}

static int
add_sources(struct planner *planner, struct pg *pg, struct error *err)
{
    int rc = 0;
    const struct config *config = planner->config;
    for (uint32_t i = 0; rc == 0 && i < config->trigger_count; i++) {
        struct load_source source = {0};
        if (!table_is_selected(planner->selection, &config->triggers[i]) ||
            !entry_is_selected(planner->selection, i))
            continue;
        source.entry = &planner->entries[i];
        if (select_values(planner, &source))
            rc = add_source(planner, pg, &source, &planner->entries[i], err);
    }
    return rc;
}

/* Existence can be stated only by all entries that set it together. */
static bool
states_alive(const struct planner *planner)
{
    const struct load_plan *plan = planner->plan;
    uint32_t configured = 0;
    uint32_t planned = 0;
    for (uint32_t i = 0; i < planner->config->trigger_count; i++)
        configured += planner->config->triggers[i].sets_alive ? 1 : 0;
    for (uint32_t i = 0; i < plan->range_count; i++)
        planned += plan->ranges[i].sets_alive ? 1 : 0;
    CHECK(planned <= configured);
    CHECK(planned == 0 || !planner->selection->without_alive);
    return planned > 0 && planned == configured;
}

static void
collect_fields(const struct planner *planner)
{
    struct load_plan *plan = planner->plan;
    uint32_t capacity = 0;
    for (uint32_t i = 0; i < plan->range_count; i++)
        capacity += plan->ranges[i].value_count;
    for (uint32_t i = 0; i < plan->pass_count; i++)
        capacity += plan->passes[i].value_count;
    struct text *fields = arena_alloc(planner->arena, (capacity + 1) * sizeof *fields);
    for (uint32_t i = 0; i < plan->range_count; i++)
        for (uint32_t j = 0; j < plan->ranges[i].value_count; j++)
            add_field(fields, &plan->field_count, plan->ranges[i].fields[j]);
    plan->range_field_count = plan->field_count;
    for (uint32_t i = 0; i < plan->pass_count; i++)
        for (uint32_t j = 0; j < plan->passes[i].value_count; j++)
            add_field(fields, &plan->field_count, plan->passes[i].fields[j]);
    plan->fields = fields;
}

static int
compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void
set_bounds(const struct planner *planner)
{
    struct load_plan *plan = planner->plan;
    const struct load_selection *selection = planner->selection;
    plan->begin = selection->has_range ? selection->begin : 0;
    plan->end = selection->has_range ? selection->end : CHUNK_NO_END;
    if (selection->ids == NULL)
        return;
    int64_t *ids = arena_alloc(planner->arena, (selection->id_count + 1) * sizeof *ids);
    memcpy(ids, selection->ids, selection->id_count * sizeof *ids);
    qsort(ids, selection->id_count, sizeof *ids, compare_ids);
    for (uint32_t i = 0; i < selection->id_count; i++)
        if (plan->id_count == 0 || ids[plan->id_count - 1] < ids[i])
            ids[plan->id_count++] = ids[i];
    plan->ids = ids;
}

/* Is the field set by an entry that the selection of tables includes? */
static bool
field_is_set(const struct planner *planner, const char *field)
{
    for (uint32_t i = 0; i < planner->config->trigger_count; i++) {
        const struct entry *entry = &planner->entries[i];
        if (!table_is_selected(planner->selection, entry->trigger))
            continue;
        for (uint32_t j = 0; j < entry->value_count; j++)
            if (strcmp(entry->values[j].target, field) == 0)
                return true;
    }
    return false;
}

static int
check_table(const struct planner *planner, struct error *err)
{
    struct buffer tables = {0};
    const struct config *config = planner->config;
    bool found = false;
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        found = found || table_is_selected(planner->selection, &config->triggers[i]);
        if (strstr(buffer_string(&tables), config->triggers[i].table) == NULL)
            buffer_append_format(&tables, "%s%s", tables.bytes > 0 ? ", " : "",
                                 config->triggers[i].table);
    }
    int rc = 0;
    if (config->trigger_count == 0)
        rc = error_set(err, ERR_USAGE, "%s: there is nothing to load: `triggers` has no entries",
                       config->path);
    else if (!found)
        rc =
            error_set(err, ERR_USAGE, "%s: no entry of triggers is for table %s; the tables are %s",
                      config->path, planner->selection->table, buffer_string(&tables));
    buffer_free(&tables);
    return rc;
}

static int
check_fields(const struct planner *planner, struct error *err)
{
    const struct load_selection *selection = planner->selection;
    for (uint32_t i = 0; i < selection->field_count; i++) {
        if (field_is_set(planner, selection->fields[i]))
            continue;
        if (selection->table != NULL)
            return error_set(err, ERR_USAGE, "%s: no entry of triggers for table %s sets field %s",
                             planner->config->path, selection->table, selection->fields[i]);
        return error_set(err, ERR_USAGE,
                         "%s: no entry of triggers sets field %s (of a field that the index"
                         " computes, load those that it is computed from)",
                         planner->config->path, selection->fields[i]);
    }
    return 0;
}

static void
check_plan(const struct load_plan *plan)
{
    CHECK(plan->begin >= 0);
    CHECK(plan->begin < plan->end);
    CHECK(plan->range_field_count <= plan->field_count);
    CHECK(plan->ids == NULL || plan->pass_count == 0);
    for (uint32_t i = 0; i < plan->pass_count; i++)
        CHECK(plan->passes[i].value_count > 0 && plan->passes[i].read_count > 0);
}

int
load_plan_create(const struct config *config, struct pg *pg, const struct load_selection *selection,
                 struct arena *arena, struct load_plan **plan, struct error *err)
{
    struct load_plan *made = arena_alloc(arena, sizeof *made);
    struct planner planner = {
        .config = config, .selection = selection, .arena = arena, .plan = made};
    CHECK(!selection->has_range || selection->ids == NULL);
    CHECK(!selection->has_range || (selection->begin >= 0 && selection->begin < selection->end));
    CHECK(selection->entries != NULL || selection->entry_count == 0);
    *made = (struct load_plan){.config = config};
    size_t ranges = (size_t)config->trigger_count * (config->dump_phase_count + 1);
    made->ranges = arena_alloc(arena, (ranges + 1) * sizeof *made->ranges);
    made->passes = arena_alloc(arena, (config->trigger_count + 1) * sizeof *made->passes);
    planner.entries = arena_alloc(arena, (config->trigger_count + 1) * sizeof *planner.entries);
    for (uint32_t i = 0; i < config->trigger_count; i++)
        entry_create(config, i, arena, &planner.entries[i]);
    int rc = check_table(&planner, err);
    if (rc == 0)
        rc = check_fields(&planner, err);
    if (rc == 0)
        rc = catalogue_find_outbox(pg, arena, &planner.outbox_schema, err);
    if (rc == 0)
        rc = add_sources(&planner, pg, err);
    if (rc == 0 && selection->entries == NULL && made->range_count + made->pass_count == 0)
        rc = error_set(err, ERR_USAGE,
                       "%s: there is nothing to load: the entries of triggers set no field",
                       config->path);
    if (rc != 0)
        return rc;
    made->states_alive = states_alive(&planner);
    collect_fields(&planner);
    set_bounds(&planner);
    check_plan(made);
    *plan = made;
    return 0;
}
