/* Happy path: complete the entries of `triggers` from the catalogue; decide of each field of the
 * selection whether the rows of a range determine it; make one query for each table of single
 * values, and one for each field whose rows have to be united first.
 *
 * Failure modes: a field that cannot be compared has a reason. Nothing can be compared when it is
 * not known which entities are alive.
 */
#include "producer/load/sum_plan.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_fields.h"
#include "producer/triggers/catalogue.h"
#include "producer/triggers/missing_index.h"
#include "producer/triggers/sql.h"

struct planner {
    const struct config *config;
    const struct load_selection *selection;
    struct arena *arena;
    struct sum_plan *plan;
    struct entry *entries; /* all of the configuration, completed */
    bool *is_implied;      /* by entry: its rows are those of entities that are alive */
    struct sum_plan_field *fields;
    struct sum_statement *statements;
    bool hashes_texts; /* as consumers do */
};

static const char *
take(const struct planner *planner, struct buffer *text)
{
    return sql_take(planner->arena, text);
}

/* --- the database ---------------------------------------------------------------------------- */

static int
read_entries(struct planner *planner, struct pg *pg, struct error *err)
{
    const char *schema;
    const struct config *config = planner->config;
    int rc = catalogue_find_outbox(pg, planner->arena, &schema, err);
    planner->entries =
        arena_alloc(planner->arena, (config->trigger_count + 1) * sizeof *planner->entries);
    for (uint32_t i = 0; rc == 0 && i < config->trigger_count; i++) {
        entry_create(config, i, planner->arena, &planner->entries[i]);
        planner->entries[i].outbox_schema = schema;
        rc = catalogue_read(pg, planner->arena, &planner->entries[i], err);
    }
    return rc;
}

/* Texts are hashed by the bytes of UTF-8, little-endian. A hash tells whether this server does. */
static int
read_text_hashes(struct planner *planner, struct pg *pg, struct error *err)
{
    struct pg_result *result;
    int rc =
        pg_query(pg,
                 "SELECT getdatabaseencoding() = 'UTF8' AND pg_catalog.hashtextextended('bitdex'"
                 " COLLATE \"C\", 7) = 7678919280595963906",
                 0, NULL, &result, err);
    if (rc != 0)
        return rc;
    planner->hashes_texts = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static const struct entry_table *
slot_table(const struct entry *entry)
{
    return entry_child(entry) != NULL ? entry_child_table(entry) : &entry->table;
}

static const char *
slot_column(const struct entry *entry)
{
    return entry_child(entry) != NULL ? entry_child(entry)->slot : entry->trigger->slot_field;
}

/* A validated foreign key proves that the entities of `entry` are rows of `alive`. */
static int
read_foreign_key(struct pg *pg, const struct entry *entry, const struct entry *alive, bool *exists,
                 struct error *err)
{
    struct pg_result *result;
    const char *const params[] = {slot_table(entry)->quoted, slot_column(entry),
                                  alive->table.quoted, alive->trigger->slot_field};
    int rc =
        pg_query(pg,
                 "SELECT EXISTS (SELECT FROM pg_constraint JOIN pg_attribute AS slot ON"
                 " slot.attrelid = conrelid AND slot.attnum = conkey[1] JOIN pg_attribute AS"
                 " key ON key.attrelid = confrelid AND key.attnum = confkey[1] WHERE contype ="
                 " 'f' AND convalidated AND pg_catalog.cardinality(conkey) = 1 AND conrelid ="
                 " $1::regclass::oid AND slot.attname = $2 AND confrelid = $3::regclass::oid AND"
                 " key.attname = $4)",
                 4, params, &result, err);
    if (rc != 0)
        return rc;
    *exists = pg_boolean(result, 0, 0);
    pg_result_clear(result);
    return 0;
}

static int
read_is_implied(struct pg *pg, const struct entry *entry, const struct entry *alive, bool *implied,
                struct error *err)
{
    *implied = entry == alive;
    if (*implied || alive->trigger->filter != NULL)
        return 0;
    *implied = strcmp(slot_table(entry)->quoted, alive->table.quoted) == 0 &&
               strcmp(slot_column(entry), alive->trigger->slot_field) == 0;
    return *implied ? 0 : read_foreign_key(pg, entry, alive, implied, err);
}

static int
read_alive(struct planner *planner, struct pg *pg, struct error *err)
{
    uint32_t count = planner->config->trigger_count;
    const struct entry **alive = arena_alloc(planner->arena, (count + 1) * sizeof *alive);
    int rc = 0;
    planner->plan->alive = alive;
    planner->is_implied = arena_alloc(planner->arena, (count + 1) * sizeof *planner->is_implied);
    for (uint32_t i = 0; i < count; i++)
        if (planner->entries[i].trigger->sets_alive)
            alive[planner->plan->alive_count++] = &planner->entries[i];
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const struct entry *entry = &planner->entries[i];
        planner->is_implied[i] = false;
        for (uint32_t j = 0; rc == 0 && j < planner->plan->alive_count; j++)
            if (!select_is_pass(entry) && !planner->is_implied[i])
                rc = read_is_implied(pg, entry, alive[j], &planner->is_implied[i], err);
    }
    return rc;
}

/* --- what can be compared -------------------------------------------------------------------- */

/* Calls for each value that is written into `field`; NULL after the last one. `*at` is 0 at first.
 */
static bool
next_owner(const struct planner *planner, const char *field, uint64_t *at, struct sum_value *value)
{
    for (uint32_t i = (uint32_t)(*at >> 32); i < planner->config->trigger_count; i++) {
        const struct entry *entry = &planner->entries[i];
        for (uint32_t j = (uint32_t)*at; j < entry->value_count; j++) {
            if (strcmp(entry->values[j].target, field) != 0)
                continue;
            *value = (struct sum_value){entry, j};
            *at = (uint64_t)i << 32 | (j + 1);
            return true;
        }
        *at = (uint64_t)(i + 1) << 32;
    }
    return false;
}

/* NULL: nothing keeps existence from being compared. */
static const char *
refuse_existence(const struct planner *planner)
{
    struct buffer text = {0};
    const struct sum_plan *plan = planner->plan;
    if (plan->alive_count == 0)
        return "no entry of triggers sets alive, so which entities exist is not known";
    for (uint32_t i = 0; i < plan->alive_count; i++)
        if (missing_index_of_slot(plan->alive[i], &text)) {
            buffer_clear(&text);
            buffer_append_format(&text,
                                 "no index begins with the slot of table %s, whose rows are"
                                 " the entities: ",
                                 plan->alive[i]->trigger->table);
            missing_index_of_slot(plan->alive[i], &text);
            return take(planner, &text);
        }
    return NULL;
}

/* NULL: rows of a range determine what the entry says of the field. */
static const char *
refuse_owner(const struct planner *planner, const struct sum_value *value,
             enum config_field_type type)
{
    struct buffer text = {0};
    const struct entry *entry = value->entry;
    const char *table = entry->trigger->table;
    enum config_trigger_kind kind = entry->trigger->kind;
    if (select_is_pass(entry)) {
        buffer_append_format(&text,
                             "only the index knows which entities the fan-outs of table %s reach;"
                             " `children` names them",
                             table);
    } else if (kind == TRIGGER_FAN_OUT && !entry->slot_is_unique) {
        buffer_append_format(&text,
                             "an entity may have several rows of table %s, and the last fan-out"
                             " decides; `rows_from` takes the greatest",
                             table);
    } else if (kind == TRIGGER_JOIN && !entry->slot_is_unique && type != FIELD_MULTI_VALUE) {
        buffer_append_format(&text,
                             "an entity may have several rows of table %s, and the field takes one"
                             " value",
                             table);
    } else if (!entry->slot_has_index) {
        buffer_append_format(&text, "no index begins with the slot: ");
        missing_index_of_slot(entry, &text);
    } else if (!entry_keys_have_index(entry)) {
        buffer_append_format(&text, "no index begins with the key of a parent: ");
        missing_index_of_key(entry, &text);
    }
    return text.bytes > 0 ? take(planner, &text) : NULL;
}

static const char *
refuse_field(const struct planner *planner, const char *field, enum config_field_type type)
{
    uint64_t at = 0;
    uint32_t owners = 0;
    struct sum_value value;
    const char *reason = refuse_existence(planner);
    while (reason == NULL && next_owner(planner, field, &at, &value)) {
        reason = refuse_owner(planner, &value, type);
        owners++;
    }
    if (reason != NULL)
        return reason;
    if (owners == 0)
        return "no entry of triggers writes it";
    if (type == FIELD_STRING && !planner->hashes_texts)
        return "this server does not hash texts as consumers do (the database is not of UTF8, or"
               " the machine is big-endian)";
    return NULL;
}

/* --- the selection --------------------------------------------------------------------------- */

static bool
is_selected(const struct planner *planner, const char *field)
{
    const struct load_selection *selection = planner->selection;
    uint64_t at = 0;
    struct sum_value value;
    bool named = selection->field_count == 0;
    for (uint32_t i = 0; i < selection->field_count; i++)
        named = named || strcmp(selection->fields[i], field) == 0;
    if (!named || selection->table == NULL)
        return named;
    while (next_owner(planner, field, &at, &value))
        if (strcmp(value.entry->trigger->table, selection->table) == 0)
            return true;
    return false;
}

/* Existence belongs to the tables that set alive, and to no list of fields. */
static bool
existence_is_selected(const struct planner *planner)
{
    const struct load_selection *selection = planner->selection;
    if (selection->field_count > 0)
        return false;
    for (uint32_t i = 0; i < planner->plan->alive_count; i++)
        if (selection->table == NULL ||
            strcmp(planner->plan->alive[i]->trigger->table, selection->table) == 0)
            return true;
    return selection->table == NULL;
}

static void
add_field(struct planner *planner, const char *field, const char *reason)
{
    struct sum_plan *plan = planner->plan;
    planner->fields[plan->field_count++] = (struct sum_plan_field){
        .field = text_of(field), .is_comparable = reason == NULL, .reason = reason};
    plan->comparable_count += reason == NULL;
}

static void
add_fields(struct planner *planner)
{
    const struct config_index *index = &planner->config->index_config;
    struct config_fields names;
    config_fields_init(&names, index);
    planner->fields = arena_alloc(planner->arena, (names.count + 1) * sizeof *planner->fields);
    planner->plan->fields = planner->fields;
    if (existence_is_selected(planner))
        add_field(planner, "", refuse_existence(planner));
    for (uint32_t i = 0; i < names.count; i++) {
        enum config_field_type type;
        if (field_set_has(&names.computed, i) || !is_selected(planner, names.names[i]))
            continue;
        CHECK(config_index_find_type(index, names.names[i], &type));
        add_field(planner, names.names[i], refuse_field(planner, names.names[i], type));
    }
    config_fields_free(&names);
}

static int
check_selection(const struct planner *planner, struct error *err)
{
    const struct load_selection *selection = planner->selection;
    const char *path = planner->config->path;
    bool found = selection->table == NULL;
    for (uint32_t i = 0; i < planner->config->trigger_count; i++)
        found = found || strcmp(planner->config->triggers[i].table, selection->table) == 0;
    if (!found)
        return error_set(err, ERR_USAGE, "%s: no entry of triggers is for table %s", path,
                         selection->table);
    for (uint32_t i = 0; i < selection->field_count; i++) {
        enum config_field_type type;
        const char *field = selection->fields[i];
        if (!config_index_find_type(&planner->config->index_config, field, &type))
            return error_set(err, ERR_USAGE, "%s: the index has no field %s", path, field);
        if (!is_selected(planner, field))
            return error_set(err, ERR_USAGE, "%s: no entry of triggers for table %s sets field %s",
                             path, selection->table, field);
    }
    return 0;
}

/* --- queries --------------------------------------------------------------------------------- */

static struct sum_target
target_of(const struct planner *planner, const char *field)
{
    struct sum_target target;
    const struct config_index *index = &planner->config->index_config;
    CHECK(config_index_find_type(index, field, &target.type));
    config_index_bounds(index, field, &target.min, &target.max);
    return target;
}

static uint32_t
count_owners(const struct planner *planner, const char *field)
{
    uint64_t at = 0;
    uint32_t count = 0;
    struct sum_value value;
    while (next_owner(planner, field, &at, &value))
        count++;
    return count;
}

/* The field has one owner, which gives an entity at most one row. */
static bool
is_single(const struct planner *planner, const char *field, struct sum_value *value)
{
    uint64_t at = 0;
    return count_owners(planner, field) == 1 && next_owner(planner, field, &at, value) &&
           sum_value_is_single(value, target_of(planner, field).type);
}

static void
set_alive(const struct planner *planner, const struct entry *entry, struct sum_query *query)
{
    if (planner->is_implied[entry->index])
        return;
    query->alive = planner->plan->alive;
    query->alive_count = planner->plan->alive_count;
}

/* Existence, if one entry alone decides it, and all fields of single values of `entry`. */
static void
add_separate(struct planner *planner, const struct entry *entry, bool has_existence)
{
    const struct sum_plan *plan = planner->plan;
    uint32_t capacity = entry->value_count + 1;
    struct sum_value *values = arena_alloc(planner->arena, capacity * sizeof *values);
    struct sum_target *targets = arena_alloc(planner->arena, capacity * sizeof *targets);
    uint32_t *fields = arena_alloc(planner->arena, capacity * sizeof *fields);
    struct sum_statement made = {.entry = entry, .fields = fields};
    made.query = (struct sum_query){.values = values, .targets = targets};
    for (uint32_t i = 0; i < plan->field_count; i++) {
        const char *name = plan->fields[i].field.data;
        struct sum_value value;
        bool is_existence = *name == '\0' && has_existence;
        if (!plan->fields[i].is_comparable)
            continue;
        if (!is_existence && (!is_single(planner, name, &value) || value.entry != entry))
            continue;
        fields[made.field_count++] = i;
        made.query.has_existence = made.query.has_existence || is_existence;
        if (is_existence)
            continue;
        values[made.query.value_count++] = value;
        targets[made.query.target_count++] = target_of(planner, name);
    }
    if (made.field_count == 0)
        return;
    set_alive(planner, entry, &made.query);
    if (made.query.value_count == 0) { /* existence alone */
        made.query.alive = plan->alive;
        made.query.alive_count = plan->alive_count;
    }
    planner->statements[planner->plan->statement_count++] = made;
}

static void
add_united(struct planner *planner, uint32_t number)
{
    const char *field = planner->plan->fields[number].field.data;
    uint32_t owners = count_owners(planner, field);
    uint64_t at = 0;
    struct sum_value *values = arena_alloc(planner->arena, owners * sizeof *values);
    struct sum_target *target = arena_alloc(planner->arena, sizeof *target);
    uint32_t *fields = arena_alloc(planner->arena, sizeof *fields);
    bool is_implied = true;
    for (uint32_t i = 0; i < owners; i++) {
        CHECK(next_owner(planner, field, &at, &values[i]));
        is_implied = is_implied && planner->is_implied[values[i].entry->index];
    }
    *target = target_of(planner, field);
    *fields = number;
    planner->statements[planner->plan->statement_count++] = (struct sum_statement){
        .query = {.is_united = true,
                  .values = values,
                  .value_count = owners,
                  .targets = target,
                  .target_count = 1,
                  .alive = planner->plan->alive,
                  .alive_count = is_implied ? 0 : planner->plan->alive_count},
        .fields = fields,
        .field_count = 1,
        .entry = values[0].entry,
    };
}

/* Existence that several entries decide. */
static void
add_existence(struct planner *planner)
{
    static const uint32_t first = 0;
    const struct sum_plan *plan = planner->plan;
    planner->statements[planner->plan->statement_count++] = (struct sum_statement){
        .query = {.has_existence = true, .alive = plan->alive, .alive_count = plan->alive_count},
        .fields = &first,
        .field_count = 1,
        .entry = plan->alive[0],
    };
}

static void
add_statements(struct planner *planner)
{
    struct sum_plan *plan = planner->plan;
    size_t capacity = planner->config->trigger_count + plan->field_count + 1;
    planner->statements = arena_alloc(planner->arena, capacity * sizeof *planner->statements);
    plan->statements = planner->statements;
    for (uint32_t i = 0; i < planner->config->trigger_count; i++) {
        const struct entry *entry = &planner->entries[i];
        add_separate(planner, entry, plan->alive_count == 1 && plan->alive[0] == entry);
    }
    for (uint32_t i = 0; i < plan->field_count; i++) {
        const char *name = plan->fields[i].field.data;
        struct sum_value value;
        if (!plan->fields[i].is_comparable)
            continue;
        if (*name != '\0' && !is_single(planner, name, &value))
            add_united(planner, i);
        else if (*name == '\0' && plan->alive_count > 1)
            add_existence(planner);
    }
    CHECK(plan->statement_count <= capacity);
}

/* --- the plan of a check --------------------------------------------------------------------- */

static bool
is_compared(const struct planner *planner, const char *field)
{
    const struct sum_plan *plan = planner->plan;
    for (uint32_t i = 0; i < plan->field_count; i++)
        if (strcmp(plan->fields[i].field.data, field) == 0)
            return plan->fields[i].is_comparable;
    return false;
}

static struct load_source
source_of(const struct planner *planner, const struct entry *entry)
{
    struct load_source source = {
        .table = entry->trigger->table,
        .entry = entry,
        .dump_name = "",
        .sets_alive = entry->trigger->sets_alive && is_compared(planner, ""),
    };
    size_t capacity = entry->value_count + 1;
    uint32_t *values = arena_alloc(planner->arena, capacity * sizeof *values);
    struct text *fields = arena_alloc(planner->arena, capacity * sizeof *fields);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        if (!is_compared(planner, entry->values[i].target))
            continue;
        fields[source.value_count] = text_of(entry->values[i].target);
        values[source.value_count++] = i;
    }
    source.values = values;
    source.fields = fields;
    return source;
}

static void
make_load(struct planner *planner)
{
    struct sum_plan *plan = planner->plan;
    struct load_plan *load = &plan->load;
    uint32_t count = planner->config->trigger_count;
    struct text *fields = arena_alloc(planner->arena, (plan->field_count + 1) * sizeof *fields);
    load->config = planner->config;
    load->ranges = arena_alloc(planner->arena, (count + 1) * sizeof *load->ranges);
    for (uint32_t i = 0; i < count; i++) {
        struct load_source source = source_of(planner, &planner->entries[i]);
        if (source.value_count > 0 || source.sets_alive)
            load->ranges[load->range_count++] = source;
    }
    for (uint32_t i = 0; i < plan->field_count; i++)
        if (plan->fields[i].is_comparable && plan->fields[i].field.bytes > 0)
            fields[load->field_count++] = plan->fields[i].field;
    load->fields = fields;
    load->range_field_count = load->field_count;
    load->states_alive = is_compared(planner, "");
    load->end = CHUNK_NO_END;
}

int
sum_plan_create(const struct config *config, struct pg *pg, const struct load_selection *selection,
                struct arena *arena, struct sum_plan **plan, struct error *err)
{
    struct sum_plan *made = arena_alloc(arena, sizeof *made);
    struct planner planner = {
        .config = config, .selection = selection, .arena = arena, .plan = made};
    *made = (struct sum_plan){.config = config};
    int rc = read_entries(&planner, pg, err);
    if (rc == 0)
        rc = read_text_hashes(&planner, pg, err);
    if (rc == 0)
        rc = read_alive(&planner, pg, err);
    if (rc == 0)
        rc = check_selection(&planner, err);
    if (rc != 0)
        return rc;
    add_fields(&planner);
    add_statements(&planner);
    make_load(&planner);
    exempt_fields_find(planner.entries, config->trigger_count, arena, &made->exempt);
    CHECK((made->statement_count > 0) == (made->comparable_count > 0));
    *plan = made;
    return 0;
}
