/* The tables, in the order in which settings are printed and documented; inner sections come first.
 */
#include "common/config/config_settings_index.h"

#include "common/config/config.h"
#include "common/config/config_items.h"
#include "common/config/config_rules.h"

static const struct setting tracked_settings[] = {
    {.name = "column",
     .type = SETTING_TEXT,
     AT(config_tracked_field, column),
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The column that is tracked."},
    {.name = "expression",
     .type = SETTING_TEXT,
     AT(config_tracked_field, expression),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "the column itself",
     .meaning = "The value. `{name}` is the column `name` of the row."},
    {.name = "target",
     .type = SETTING_TEXT,
     AT(config_tracked_field, target),
     .rule = config_rule_field,
     .kind = "field",
     .standard = "the value of `column`",
     .meaning = "The field of the index."},
    {.name = "scale",
     .type = SETTING_INTEGER,
     AT(config_tracked_field, scale),
     .minimum = 0,
     .maximum = CONFIG_SCALE_MAX,
     .fallback = 0,
     .hides_default = true,
     .unit = "decimals",
     .meaning = "The value is the column times 10^scale, as an integer field needs it: 19.99 "
                "with a scale of 2 is 1999, and 19.999 is a dead letter. Only with `column`."},
};

static const struct section tracked_section = {
    .meaning =
        "Columns whose changes become ops. An item may also be a text: the name of a column, or "
        "`expression as target`, split at the last ` as `.",
    SETTINGS(tracked_settings),
    .bytes = sizeof(struct config_tracked_field),
    .place_offset = offsetof(struct config_tracked_field, place),
    .read_short = config_tracked_short,
    .complete = config_tracked_complete,
};

static const struct setting computed_settings[] = {
    {.name = "target",
     .type = SETTING_TEXT,
     AT(config_computed_field, target),
     .is_required = true,
     .rule = config_rule_field,
     .kind = "field",
     .meaning = "The field of the index."},
    {.name = "expression",
     .type = SETTING_TEXT,
     AT(config_computed_field, expression),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "none: required without `filter` and `value`",
     .meaning = "The value; with `value`, a condition. `{name}` is the column `name` of the row."},
    {.name = "filter",
     .type = SETTING_TEXT,
     AT(config_computed_field, filter),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "every row",
     .meaning = "A condition. Where it is not true, the row has no value."},
    {.name = "value",
     .type = SETTING_TEXT,
     AT(config_computed_field, value),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "the value of `expression`",
     .meaning = "The value where `expression` is true; elsewhere the row has none."},
};

static const struct section computed_section = {
    .meaning =
        "Fields whose value is computed from the row. In a join: further fields to which a row "
        "adds one value, unless it is null. An item may also be the text "
        "`expression as target`, split at the last ` as `.",
    SETTINGS(computed_settings),
    .bytes = sizeof(struct config_computed_field),
    .place_offset = offsetof(struct config_computed_field, place),
    .read_short = config_computed_short,
    .complete = config_computed_complete,
};

static const struct setting link_settings[] = {
    {.name = "table",
     .type = SETTING_TEXT,
     AT(config_link, table),
     .is_required = true,
     .rule = config_rule_table,
     .kind = "table",
     .meaning = "A table whose rows refer to the rows of the table before it, which is the "
                "entry's own table for the first link."},
    {.name = "fk",
     .type = SETTING_TEXT,
     AT(config_link, foreign_key),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The column of `table` that refers to the table before it."},
    {.name = "parent_key",
     .type = SETTING_TEXT,
     AT(config_link, parent_key),
     .rule = config_rule_column,
     .kind = "column",
     .standard = "what a foreign key says, else the primary key",
     .meaning = "The column of the entry's own table that `fk` refers to (first link)."},
    {.name = "key",
     .type = SETTING_TEXT,
     AT(config_link, key),
     .rule = config_rule_column,
     .kind = "column",
     .standard = "what a foreign key says, else the primary key",
     .meaning = "The column of `table` that the next link's `fk` refers to (not in the last "
                "link)."},
    {.name = "slot",
     .type = SETTING_TEXT,
     AT(config_link, slot),
     .rule = config_rule_column,
     .kind = "column",
     .standard = "none: the last link requires it",
     .meaning = "The column of `table` with the id of the entity (last link)."},
};

static const struct section rows_from_section = {
    .meaning =
        "Makes the entry a fan-out per row: its fields are set on the entities of the rows that "
        "refer to it. A list of at most four links is a path, parent first: each one refers to "
        "the table before it, and the last one has the ids of entities. A single link may be "
        "written without a list.",
    SETTINGS(link_settings),
    .bytes = sizeof(struct config_link),
    .place_offset = offsetof(struct config_link, place),
};

static const struct section children_section = {
    .meaning =
        "The rows that refer to a row of a fan-out by query, as in `rows_from`. A child that is "
        "inserted, or moved to another parent, gets the fields of the parent. Without this "
        "section, only changes of the parent reach the entities.",
    SETTINGS(link_settings),
    .bytes = sizeof(struct config_link),
    .place_offset = offsetof(struct config_link, place),
};

static const struct choice trigger_types[] = {
    {"fan_out", TRIGGER_FAN_OUT},
    {"fan_out_per_row", TRIGGER_FAN_OUT_PER_ROW},
    {0},
};

static const struct choice on_delete_words[] = {
    {"delete_slot", ON_DELETE_SLOT},
    {"true", ON_DELETE_SLOT},
    {"false", ON_DELETE_NOTHING},
    {0},
};

static const struct choice on_truncate_words[] = {
    {"refuse", ON_TRUNCATE_REFUSE},
    {"emit", ON_TRUNCATE_EMIT},
    {0},
};

static const struct setting trigger_settings[] = {
    {.name = "table",
     .type = SETTING_TEXT,
     AT(config_trigger, table),
     .is_required = true,
     .rule = config_rule_table,
     .kind = "table",
     .meaning = "The table that carries the trigger, `table` or `schema.table`."},
    {.name = "type",
     .type = SETTING_CHOICE,
     AT(config_trigger, kind),
     .choices = trigger_types,
     .fallback = TRIGGER_DIRECT,
     .standard = "determined by the other settings",
     .meaning = "May be given for an entry with `query` (`fan_out`) or `rows_from`."},
    {.name = "slot_field",
     .type = SETTING_TEXT,
     AT(config_trigger, slot_field),
     .rule = config_rule_column,
     .kind = "column",
     .standard = "none: direct and join require it",
     .meaning = "The column with the id of the entity."},
    {.name = "sets_alive",
     .type = SETTING_FLAG,
     AT(config_trigger, sets_alive),
     .meaning = "Whether an inserted row makes its entity alive (direct)."},
    {.name = "on_delete",
     .type = SETTING_CHOICE,
     AT(config_trigger, on_delete),
     .choices = on_delete_words,
     .fallback = ON_DELETE_NOTHING,
     .meaning = "What a deleted row does: `delete_slot` (or `true`) deletes its entity (direct)."},
    {.name = "on_truncate",
     .type = SETTING_CHOICE,
     AT(config_trigger, on_truncate),
     .choices = on_truncate_words,
     .fallback = ON_TRUNCATE_REFUSE,
     .meaning =
         "What a TRUNCATE does: `refuse` makes it fail, `emit` writes a request for all rows, "
         "which a load answers."},
    {.name = "field",
     .type = SETTING_TEXT,
     AT(config_trigger, field),
     .rule = config_rule_field,
     .kind = "field",
     .meaning = "Makes the table a join table: a row adds one value to this field of its entity."},
    {.name = "value_field",
     .type = SETTING_TEXT,
     AT(config_trigger, value_field),
     .rule = config_rule_column,
     .kind = "column",
     .standard = "none: a join requires it",
     .meaning = "The column with the value (join)."},
    {.name = "filter",
     .type = SETTING_TEXT,
     AT(config_trigger, filter),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "every row",
     .meaning = "A condition that a row must meet. `{name}` is the column `name` of the row."},
    {.name = "query",
     .type = SETTING_TEXT,
     AT(config_trigger, query),
     .rule = config_rule_filled,
     .kind = "fan-out query",
     .meaning =
         "Makes the entry a fan-out: the tracked fields are set on every entity that the query "
         "matches. Example: `postId eq {id}`."},
    {.name = "query_source",
     .alias = "expression",
     .type = SETTING_TEXT,
     AT(config_trigger, query_source),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "the row itself",
     .meaning = "A SELECT of one row, whose columns replace the `{name}` of the query (fan-out). "
                "It may also be named `expression`."},
    {.name = "rows_from",
     .type = SETTING_ITEMS,
     AT(config_trigger, rows_from),
     COUNT_AT(config_trigger, rows_from_count),
     .maximum = CONFIG_LINKS_MAX,
     .may_be_one = true,
     .section = &rows_from_section},
    {.name = "children",
     .type = SETTING_ITEMS,
     AT(config_trigger, children),
     COUNT_AT(config_trigger, children_count),
     .maximum = CONFIG_LINKS_MAX,
     .may_be_one = true,
     .section = &children_section},
    {.name = "track_fields",
     .type = SETTING_ITEMS,
     AT(config_trigger, track_fields),
     COUNT_AT(config_trigger, track_field_count),
     .section = &tracked_section},
    {.name = "computed_fields",
     .type = SETTING_ITEMS,
     AT(config_trigger, computed_fields),
     COUNT_AT(config_trigger, computed_field_count),
     .section = &computed_section},
};

const struct section config_trigger_section = {
    .meaning =
        "The tables and columns whose changes become ops. An entry with `field` is a join, else "
        "one with `rows_from` is a fan-out per row, else one with `query` is a fan-out, "
        "else it is direct: a row is an entity. The value of a field comes from one table.",
    SETTINGS(trigger_settings),
    .bytes = sizeof(struct config_trigger),
    .place_offset = offsetof(struct config_trigger, place),
    .complete = config_trigger_complete,
};

static const struct setting dump_field_settings[] = {
    {.name = "column",
     .type = SETTING_TEXT,
     AT(config_dump_field, column),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "One of the `columns` of the phase."},
    {.name = "target",
     .type = SETTING_TEXT,
     AT(config_dump_field, target),
     .rule = config_rule_field,
     .kind = "field",
     .standard = "the value of `column`",
     .meaning = "The field of the index."},
};

static const struct section dump_field_section = {
    .meaning = "Columns that are loaded. An item may also be a text: the name of a column.",
    SETTINGS(dump_field_settings),
    .bytes = sizeof(struct config_dump_field),
    .read_short = config_dump_field_short,
    .complete = config_dump_field_complete,
};

static const struct setting dump_computed_settings[] = {
    {.name = "target",
     .type = SETTING_TEXT,
     AT(config_computed_field, target),
     .is_required = true,
     .rule = config_rule_field,
     .kind = "field",
     .meaning = "The field of the index."},
    {.name = "expression",
     .type = SETTING_TEXT,
     AT(config_computed_field, expression),
     .rule = config_rule_filled,
     .kind = "expression",
     .standard = "none: required without `filter` and `value`",
     .meaning = "The value; with `value`, a condition. [loading.md](loading.md#expressions) "
                "describes the language."},
    {.name = "filter",
     .type = SETTING_TEXT,
     AT(config_computed_field, filter),
     .rule = config_rule_filled,
     .kind = "expression",
     .standard = "every row",
     .meaning = "A condition. Where it is not true, the row has no value."},
    {.name = "value",
     .type = SETTING_TEXT,
     AT(config_computed_field, value),
     .rule = config_rule_filled,
     .kind = "expression",
     .standard = "the value of `expression`",
     .meaning = "The value where `expression` is true; elsewhere the row has none."},
};

static const struct section dump_computed_section = {
    .meaning =
        "Fields whose value is computed from the columns of the row. An item may also be the text "
        "`expression as target`, split at the last ` as `.",
    SETTINGS(dump_computed_settings),
    .bytes = sizeof(struct config_computed_field),
    .place_offset = offsetof(struct config_computed_field, place),
    .read_short = config_computed_short,
    .complete = config_dump_computed_complete,
};

static const struct setting dump_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_dump_phase, name),
     .is_required = true,
     .rule = config_rule_name,
     .kind = "name",
     .meaning = "The name of the phase in messages, and of its CSV file, `NAME.csv`."},
    {.name = "table",
     .type = SETTING_TEXT,
     AT(config_dump_phase, table),
     .is_required = true,
     .rule = config_rule_table,
     .kind = "table",
     .meaning = "The table that is loaded."},
    {.name = "copy_query",
     .type = SETTING_TEXT,
     AT(config_dump_phase, copy_query),
     .rule = config_rule_copy_query,
     .kind = "SQL",
     .standard = "the query that is generated from `triggers`",
     .meaning = "`COPY (SELECT ...) TO STDOUT WITH (FORMAT csv)`. A load reads the fields of the "
                "phase with this SELECT."},
    {.name = "filter",
     .type = SETTING_TEXT,
     AT(config_dump_phase, filter),
     .rule = config_rule_filled,
     .kind = "expression",
     .standard = "every row",
     .meaning = "A condition that a row must meet."},
    {.name = "columns",
     .type = SETTING_NAMES,
     AT(config_dump_phase, columns),
     COUNT_AT(config_dump_phase, column_count),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The names of the columns of the query and of the CSV file, in their order."},
    {.name = "slot_field",
     .type = SETTING_TEXT,
     AT(config_dump_phase, slot_field),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The column with the id of the entity."},
    {.name = "sets_alive",
     .type = SETTING_FLAG,
     AT(config_dump_phase, sets_alive),
     .meaning = "Whether a row makes its entity alive; entities without a row are then not alive."},
    {.name = "fields",
     .type = SETTING_ITEMS,
     AT(config_dump_phase, fields),
     COUNT_AT(config_dump_phase, field_count),
     .section = &dump_field_section},
    {.name = "computed_fields",
     .type = SETTING_ITEMS,
     AT(config_dump_phase, computed_fields),
     COUNT_AT(config_dump_phase, computed_field_count),
     .section = &dump_computed_section},
};

const struct section config_dump_section = {
    .meaning = "What a load reads of a table instead of the generated query, and what CSV files "
               "hold. [loading.md](loading.md#dump-phases) describes both.",
    SETTINGS(dump_settings),
    .bytes = sizeof(struct config_dump_phase),
    .place_offset = offsetof(struct config_dump_phase, place),
};

static const struct choice field_types[] = {
    {"single_value", FIELD_SINGLE_VALUE},
    {"multi_value", FIELD_MULTI_VALUE},
    {"boolean", FIELD_BOOLEAN},
    {"string", FIELD_STRING},
    {0},
};

static const struct setting filter_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_filter_field, name),
     .is_required = true,
     .rule = config_rule_field,
     .kind = "field",
     .meaning = "The field."},
    {.name = "field_type",
     .type = SETTING_CHOICE,
     AT(config_filter_field, type),
     .is_required = true,
     .choices = field_types,
     .meaning = "One integer, a set of integers, true or false, or one of a few strings."},
    {.name = "nullable",
     .type = SETTING_FLAG,
     AT(config_filter_field, is_nullable),
     .hides_default = true,
     .meaning = "Whether `NotEq` and `NotIn` skip entities without a value, as `<>` of SQL does. "
                "Without it they match them. A change needs no load."},
    {.name = "case_insensitive",
     .type = SETTING_FLAG,
     AT(config_filter_field, ignores_case),
     .hides_default = true,
     .meaning = "Of a string field: queries compare it without regard to case, by the simple case "
                "folding of Unicode. The index holds the text as it came. A change needs no "
                "load."},
};

static const struct section filter_section = {
    .meaning = "Fields that queries filter by.",
    SETTINGS(filter_settings),
    .bytes = sizeof(struct config_filter_field),
};

static const struct choice computed_ops[] = {
    {"greatest", COMPUTED_GREATEST},
    {"least", COMPUTED_LEAST},
    {0},
};

static const struct setting sort_computed_settings[] = {
    {.name = "op",
     .type = SETTING_CHOICE,
     AT(config_sort_field, computed_op),
     .is_required = true,
     .choices = computed_ops,
     .meaning = "Nulls are ignored, as in PostgreSQL."},
    {.name = "source_fields",
     .type = SETTING_NAMES,
     AT(config_sort_field, source_fields),
     COUNT_AT(config_sort_field, source_field_count),
     .is_required = true,
     .rule = config_rule_field,
     .kind = "field",
     .meaning = "Sort fields that are not computed, or single values."},
};

static const struct section sort_computed_section = {
    .meaning = "Makes the field a computed field: its value is computed from other fields.",
    SETTINGS(sort_computed_settings),
    .bytes = sizeof(struct config_sort_field),
};

static const struct setting sort_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_sort_field, name),
     .is_required = true,
     .rule = config_rule_field,
     .kind = "field",
     .meaning = "The field."},
    {.name = "bits",
     .type = SETTING_INTEGER,
     AT(config_sort_field, bits),
     .is_required = true,
     .minimum = 1,
     .maximum = 63,
     .unit = "bits",
     .meaning = "Values have a sign, and their magnitude is at most 2^bits - 1."},
    {.name = "computed",
     .type = SETTING_SECTION,
     .offset = 0,
     .bytes = sizeof(struct config_sort_field),
     .section = &sort_computed_section},
};

static const struct section sort_section = {
    .meaning = "Fields that queries sort by.",
    SETTINGS(sort_settings),
    .bytes = sizeof(struct config_sort_field),
};

static const struct setting index_settings[] = {
    {.name = "filter_fields",
     .type = SETTING_ITEMS,
     AT(config_index, filter_fields),
     COUNT_AT(config_index, filter_field_count),
     .section = &filter_section},
    {.name = "sort_fields",
     .type = SETTING_ITEMS,
     AT(config_index, sort_fields),
     COUNT_AT(config_index, sort_field_count),
     .section = &sort_section},
    {.name = "visible_from",
     .type = SETTING_TEXT,
     AT(config_index, visible_from),
     .rule = config_rule_field,
     .kind = "field",
     .standard = "none: everything alive is visible",
     .meaning = "A field with a time in Unix seconds, until which its entity is hidden."},
    {.name = "max_page_size",
     .type = SETTING_INTEGER,
     AT(config_index, max_page_size),
     .minimum = 0,
     .maximum = 1000000,
     .fallback = 0,
     .hides_default = true,
     .unit = "ids",
     .standard = "0: none",
     .meaning = "The largest page of a query: a larger `limit`, up to `consumer.query_limit`, is "
                "reduced to it."},
};

const struct section config_index_section = {
    .meaning =
        "The fields of the index. A name may be in both lists, as a single value: then it is "
        "one field that filters and sorts. The consumer requires this section.",
    SETTINGS(index_settings),
    .bytes = sizeof(struct config_index),
};
