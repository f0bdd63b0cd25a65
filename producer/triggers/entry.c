#include "producer/triggers/entry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/config/config_entry.h"
#include "common/config/config_trigger.h"
#include "producer/triggers/sql.h"

#define BLANKS " \t\r\n"

/* `format` with `name` for every '*'. */
static const char *
format_name(struct arena *arena, const char *format, const char *name)
{
    struct buffer text = {0};
    for (; *format != '\0'; format++)
        if (*format == '*')
            buffer_append_text(&text, name);
        else
            buffer_append(&text, format, 1);
    return sql_take(arena, &text);
}

static bool
field_is_multi_value(const struct config_index *index, const char *name)
{
    for (uint32_t i = 0; i < index->filter_field_count; i++)
        if (strcmp(index->filter_fields[i].name, name) == 0)
            return index->filter_fields[i].type == FIELD_MULTI_VALUE;
    return false;
}

/* Of a join, track_fields have no effect. */
static uint32_t
count_tracked(const struct config_trigger *trigger)
{
    return trigger->kind == TRIGGER_JOIN ? 0 : trigger->track_field_count;
}

static uint32_t
count_values(const struct config_trigger *trigger)
{
    uint32_t joined = trigger->kind == TRIGGER_JOIN ? 1 : 0;
    return joined + count_tracked(trigger) + trigger->computed_field_count;
}

/* `setting` may hold a '*' for `number`. */
static void
add_value(struct entry *entry, struct arena *arena, const char *setting, uint32_t number,
          struct entry_value value)
{
    char digits[16];
    CHECK(entry->value_count < count_values(entry->trigger));
    CHECK(value.target != NULL);
    CHECK(value.expression != NULL);
    snprintf(digits, sizeof digits, "%u", number);
    value.setting = format_name(arena, setting, digits);
    entry->values[entry->value_count++] = value;
}

static void
add_joined_value(struct entry *entry, struct arena *arena)
{
    const struct config_trigger *trigger = entry->trigger;
    CHECK(trigger->value_field != NULL);
    add_value(entry, arena, "value_field", 0,
              (struct entry_value){
                  .target = trigger->field,
                  .expression = format_name(arena, "{*}", trigger->value_field),
                  .place = trigger->place,
              });
}

/* numeric is exact; "1e2" is a numeric too. */
static const char *
scale_expression(struct arena *arena, const char *expression, int32_t scale)
{
    struct buffer sql = {0};
    CHECK(scale > 0 && scale <= CONFIG_SCALE_MAX);
    buffer_append_format(&sql, "(%s)::numeric * 1e%d", expression, scale);
    return sql_take(arena, &sql);
}

static void
add_tracked_value(struct entry *entry, struct arena *arena, uint32_t number)
{
    const struct config_tracked_field *field = &entry->trigger->track_fields[number];
    const char *expression = field->expression;
    CHECK(expression != NULL || field->column != NULL);
    CHECK(field->scale == 0 || expression == NULL);
    if (expression == NULL)
        expression = format_name(arena, "{*}", field->column);
    if (field->scale > 0)
        expression = scale_expression(arena, expression, field->scale);
    add_value(entry, arena, "track_fields[*]", number,
              (struct entry_value){
                  .target = field->target,
                  .expression = expression,
                  .place = field->place,
              });
}

static void
create_values(struct entry *entry, struct arena *arena)
{
    const struct config_trigger *trigger = entry->trigger;
    entry->values = arena_alloc(arena, (count_values(trigger) + 1) * sizeof *entry->values);
    if (trigger->kind == TRIGGER_JOIN)
        add_joined_value(entry, arena);
    for (uint32_t i = 0; i < count_tracked(trigger); i++)
        add_tracked_value(entry, arena, i);
    for (uint32_t i = 0; i < trigger->computed_field_count; i++)
        add_value(entry, arena, "computed_fields[*]", i,
                  (struct entry_value){
                      .target = trigger->computed_fields[i].target,
                      .expression = trigger->computed_fields[i].expression,
                      .place = trigger->computed_fields[i].place,
                  });
    CHECK(entry->value_count == count_values(trigger));
}

/* From `before`, the text of the query before a {name}. */
static enum entry_context
find_context(struct text before)
{
    while (before.bytes > 0 && strchr(BLANKS, before.data[before.bytes - 1]) != NULL)
        before.bytes--;
    if (before.bytes == 0)
        return CONTEXT_VALUE; /* after another {name}: ops are parsed later */
    char last = before.data[before.bytes - 1];
    if (last == '[' || last == ',')
        return CONTEXT_ITEM;
    bool is_in = before.bytes > 3 && strncasecmp(before.data + before.bytes - 2, "in", 2) == 0 &&
                 strchr(BLANKS, before.data[before.bytes - 3]) != NULL;
    return is_in ? CONTEXT_LIST : CONTEXT_VALUE;
}

/* The {name} at `at` in the text that begins at `query`. Quotes around it are dropped, because a
 * text value is written with its own quotes. `*end` is the rest of the query. */
static bool
take_placeholder(const char *query, const char *at, struct text *before, struct text *name,
                 const char **end)
{
    CHECK(at >= query);
    *name = (struct text){at + 1, strcspn(at + 1, "{}")};
    if (*at != '{' || name->bytes == 0 || name->data[name->bytes] != '}')
        return false;
    *before = (struct text){query, (size_t)(at - query)};
    *end = name->data + name->bytes + 1;
    if (at > query && (at[-1] == '"' || at[-1] == '\'') && **end == at[-1]) {
        before->bytes--;
        ++*end;
    }
    return true;
}

static void
create_placeholders(struct entry *entry, struct arena *arena)
{
    const char *query = entry->trigger->query;
    CHECK(query != NULL);
    size_t capacity = strlen(query) + 1;
    entry->placeholders = arena_alloc(arena, capacity * sizeof *entry->placeholders);
    for (const char *at = query; *at != '\0'; at++) {
        struct text before;
        struct text name;
        const char *end;
        if (!take_placeholder(query, at, &before, &name, &end))
            continue;
        CHECK(entry->placeholder_count < capacity);
        entry->placeholders[entry->placeholder_count++] = (struct entry_placeholder){
            .before = arena_strdup(arena, before),
            .name = arena_strdup(arena, name),
            .context = find_context(before),
        };
        query = end;
        at = end - 1;
    }
    entry->query_end = query;
}

bool
entry_form_is_array(enum entry_form form)
{
    return form == FORM_ARRAY || form == FORM_TEXT_ARRAY;
}

const struct entry_table_column *
entry_table_find(const struct entry_table *table, struct text name)
{
    CHECK(name.bytes > 0);
    CHECK(table->columns != NULL || table->column_count == 0);
    for (uint32_t i = 0; i < table->column_count; i++)
        if (text_is(name, table->columns[i].name))
            return &table->columns[i];
    return NULL;
}

struct entry_column *
entry_find_column(const struct entry *entry, struct text name)
{
    struct entry_column *column = entry->columns;
    while (column != NULL && !text_is(name, column->name))
        column = column->next;
    return column;
}

static void
add_column(struct entry *entry, struct arena *arena, struct text name)
{
    CHECK(name.bytes > 0);
    if (entry_find_column(entry, name) != NULL)
        return;
    struct entry_column **end = &entry->columns;
    while (*end != NULL)
        end = &(*end)->next;
    *end = arena_alloc(arena, sizeof **end);
    **end = (struct entry_column){.name = arena_strdup(arena, name)};
}

/* Adds the columns whose {name} is in `text`, which may be NULL. */
static void
add_columns(struct entry *entry, struct arena *arena, const char *text)
{
    struct text name;
    while (text != NULL && sql_next_placeholder(&text, &name))
        add_column(entry, arena, name);
}

static void
create_columns(struct entry *entry, struct arena *arena)
{
    const struct config_trigger *trigger = entry->trigger;
    CHECK(entry->columns == NULL);
    if (trigger->kind == TRIGGER_DIRECT || trigger->kind == TRIGGER_JOIN)
        add_column(entry, arena, text_of(trigger->slot_field));
    if (trigger->kind == TRIGGER_FAN_OUT && trigger->query_source != NULL)
        add_columns(entry, arena, trigger->query_source);
    else
        for (uint32_t i = 0; i < entry->placeholder_count; i++)
            add_column(entry, arena, text_of(entry->placeholders[i].name));
    for (uint32_t i = 0; i < entry->value_count; i++)
        add_columns(entry, arena, entry->values[i].expression);
    add_columns(entry, arena, trigger->filter);
}

/* Does a direct entry delete the entity when the child row is deleted? */
static bool
child_is_entity(const struct config *config, const struct config_link *child)
{
    CHECK(child->table != NULL);
    CHECK(child->slot != NULL);
    for (uint32_t i = 0; i < config->trigger_count; i++) {
        const struct config_trigger *other = &config->triggers[i];
        if (other->kind == TRIGGER_DIRECT && other->on_delete == ON_DELETE_SLOT &&
            config_table_is(other->table, child->table) &&
            strcmp(other->slot_field, child->slot) == 0)
            return true;
    }
    return false;
}

static void
create_links(struct entry *entry, struct arena *arena)
{
    uint32_t count = entry->trigger->link_count;
    CHECK(count <= CONFIG_LINKS_MAX);
    entry->links = arena_alloc(arena, (count + 1) * sizeof *entry->links);
    for (uint32_t i = 0; i < count; i++)
        entry->links[i] = (struct entry_link){.link = &entry->trigger->links[i]};
    entry->link_count = count;
}

const struct config_link *
entry_child(const struct entry *entry)
{
    return config_trigger_child(entry->trigger);
}

const struct entry_table *
entry_child_table(const struct entry *entry)
{
    CHECK(entry->links != NULL || entry->link_count == 0);
    return entry->link_count > 0 ? &entry->links[entry->link_count - 1].table : NULL;
}

const char *
entry_parent_key(const struct entry *entry)
{
    CHECK(entry->links != NULL || entry->link_count == 0);
    return entry->link_count > 0 ? entry->links[0].parent_key : NULL;
}

bool
entry_level_has_index(const struct entry *entry, uint32_t level)
{
    bool has_index = level < entry->link_count;
    for (uint32_t i = level; i < entry->link_count; i++)
        has_index = has_index && entry->links[i].has_index;
    return has_index;
}

bool
entry_parent_has_index(const struct entry *entry)
{
    return entry_level_has_index(entry, 0);
}

bool
entry_keys_have_index(const struct entry *entry)
{
    CHECK(entry->links != NULL || entry->link_count == 0);
    for (uint32_t i = 0; i < entry->link_count; i++)
        if (!entry->links[i].key_has_index)
            return false;
    return true;
}

void
entry_create(const struct config *config, uint32_t index, struct arena *arena, struct entry *entry)
{
    CHECK(index < config->trigger_count);
    const struct config_trigger *trigger = &config->triggers[index];
    *entry = (struct entry){.index = index, .file = config->path, .trigger = trigger};
    struct buffer name = {0};
    config_entry_append_name(config, index, &name);
    entry->name = sql_take(arena, &name);
    create_values(entry, arena);
    for (uint32_t i = 0; i < entry->value_count; i++)
        entry->values[i].is_multi_value =
            field_is_multi_value(&config->index_config, entry->values[i].target);
    if (trigger->kind == TRIGGER_FAN_OUT)
        create_placeholders(entry, arena);
    create_links(entry, arena);
    create_columns(entry, arena);
    const struct config_link *child = entry_child(entry);
    entry->deletes_with_child = child != NULL && child_is_entity(config, child);
}

/* The columns in the {name} of `text`, which may be NULL, are those that an UPDATE compares. */
static void
check_columns(const struct entry *entry, const char *text)
{
    struct text name;
    while (text != NULL && sql_next_placeholder(&text, &name))
        CHECK(entry_find_column(entry, name) != NULL);
}

static void
check_values(const struct entry *entry)
{
    CHECK(entry->value_count == count_values(entry->trigger));
    CHECK(entry->value_count > 0 || entry->trigger->kind == TRIGGER_DIRECT);
    for (uint32_t i = 0; i < entry->value_count; i++) {
        CHECK(entry->values[i].form <= FORM_TEXT);
        check_columns(entry, entry->values[i].expression);
    }
}

static void
check_table(const struct entry_table *table)
{
    CHECK(table->schema != NULL);
    CHECK(table->name != NULL);
    CHECK(table->quoted != NULL);
    CHECK(table->is_partitioned || table->partition_count == 0);
    for (uint32_t i = 0; i < table->partition_count; i++) {
        CHECK(table->partitions[i].quoted != NULL);
        CHECK(table->partitions[i].partitions == NULL);
    }
}

static void
check_links(const struct entry *entry)
{
    CHECK(entry->link_count == entry->trigger->link_count);
    CHECK(entry->link_count == 0 || entry->trigger->kind == TRIGGER_FAN_OUT ||
          entry->trigger->kind == TRIGGER_FAN_OUT_PER_ROW);
    for (uint32_t i = 0; i < entry->link_count; i++) {
        CHECK(entry->links[i].link->foreign_key != NULL);
        CHECK(entry->links[i].parent_key != NULL);
        check_table(&entry->links[i].table);
    }
    CHECK(entry->link_count == 0 || entry_child(entry)->slot != NULL);
}

static void
check_placeholders(const struct entry *entry)
{
    CHECK(entry->query_end != NULL);
    check_columns(entry, entry->trigger->query_source);
    for (uint32_t i = 0; i < entry->placeholder_count; i++) {
        const struct entry_placeholder *placeholder = &entry->placeholders[i];
        bool is_list = entry_form_is_array(placeholder->form);
        CHECK(placeholder->before != NULL);
        CHECK(placeholder->name[0] != '\0');
        CHECK(placeholder->form <= FORM_TEXT);
        CHECK(!is_list || placeholder->context != CONTEXT_VALUE);
    }
}

void
entry_check(const struct entry *entry)
{
    enum config_trigger_kind kind = entry->trigger->kind;
    bool has_slot = kind == TRIGGER_DIRECT || kind == TRIGGER_JOIN;
    CHECK(entry->outbox_schema != NULL);
    CHECK(!has_slot || entry_find_column(entry, text_of(entry->trigger->slot_field)) != NULL);
    CHECK(kind != TRIGGER_FAN_OUT_PER_ROW || entry->link_count > 0);
    CHECK(entry->link_count > 0 || !entry->deletes_with_child);
    CHECK(entry->id_column == NULL || kind == TRIGGER_FAN_OUT);
    CHECK(!entry->value_is_unique || kind == TRIGGER_JOIN);
    check_table(&entry->table);
    check_values(entry);
    check_columns(entry, entry->trigger->filter);
    if (kind == TRIGGER_FAN_OUT)
        check_placeholders(entry);
    check_links(entry);
}

int
entry_refuse(const struct entry *entry, struct config_place place, const char *setting,
             struct error *err, const char *format, ...)
{
    char what[ERROR_MESSAGE_BYTES];
    va_list arguments;
    CHECK(place.line > 0);
    CHECK(place.column > 0);
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(err, ERR_USAGE, "%s:%u:%u: triggers[%u].%s: %s", entry->file, place.line,
                     place.column, entry->index, setting, what);
}
