/* The tables, in the order in which settings are printed and documented. Innermost sections first.
 */
#include "common/config/config_settings.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/config_items.h"
#include "common/config/config_rules.h"

#define AT(type, member) \
    .offset = offsetof(struct type, member), .bytes = sizeof(((struct type *)0)->member)
#define COUNT_AT(type, member) .count_offset = offsetof(struct type, member)
#define SETTINGS(table) .settings = (table), .count = sizeof(table) / sizeof(table)[0]
#define KIB(n) (INT64_C(1024) * (n))
#define MIB(n) (INT64_C(1024) * 1024 * (n))

static const struct setting topic_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_topic, name),
     .rule = config_rule_topic,
     .kind = "topic",
     .standard = "none: required where there is a `kafka` section",
     .meaning = "The topic. What a consumer cannot apply goes to the topic of the same name with "
                "`.dead` appended."},
    {.name = "partitions",
     .type = SETTING_INTEGER,
     AT(config_topic, partitions),
     .minimum = 1,
     .maximum = CONFIG_PARTITIONS_MAX,
     .fallback = 4,
     .meaning = "Fixed for the life of the topic: more partitions mean a new topic and a load."},
    {.name = "replication_factor",
     .type = SETTING_INTEGER,
     AT(config_topic, replication_factor),
     .minimum = 1,
     .maximum = 100,
     .fallback = 1,
     .meaning = "Brokers that hold each partition; 3 where there are three. Used when `init` "
                "creates the topic."},
    {.name = "retention_hours",
     .type = SETTING_INTEGER,
     AT(config_topic, retention_hours),
     .minimum = 1,
     .maximum = 10 * 366 * 24,
     .fallback = 7 * 24,
     .unit = "hours",
     .meaning = "How far back a consumer can replay. Used when `init` creates the topic."},
    {.name = "max_slots",
     .type = SETTING_INTEGER,
     AT(config_topic, max_slots),
     .minimum = 1,
     .maximum = INT64_C(1) << 32,
     .fallback = INT64_C(1) << 30,
     .unit = "slots",
     .meaning = "Entities of one partition: ids up to `max_slots` times `partitions` are accepted, "
                "larger ones are rejected."},
};

static const struct section topic_section = {
    .meaning = "The Kafka topic that producer and consumers share: a contract, so it is the same "
               "for both. A stand-alone index, without a `kafka` section, has partitions as well.",
    SETTINGS(topic_settings),
    .bytes = sizeof(struct config_topic),
};

static const struct setting retention_settings[] = {
    {.name = "min_age_s",
     .type = SETTING_INTEGER,
     AT(config_retention, min_age_s),
     .minimum = 0,
     .maximum = INT64_C(10) * 366 * 24 * 3600,
     .fallback = 3600,
     .unit = "seconds",
     .meaning = "Rows that every producer has sent are kept at least this long."},
    {.name = "interval_s",
     .type = SETTING_INTEGER,
     AT(config_retention, interval_s),
     .minimum = 1,
     .maximum = 24 * 3600,
     .fallback = 10,
     .unit = "seconds",
     .meaning = "How often a running producer removes what may go."},
    {.name = "batch_rows",
     .type = SETTING_INTEGER,
     AT(config_retention, batch_rows),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 10000,
     .unit = "rows",
     .meaning = "Rows removed in one transaction."},
};

static const struct section retention_section = {
    .meaning = "When rows leave the outbox table.",
    SETTINGS(retention_settings),
    .bytes = sizeof(struct config_retention),
};

static const struct setting producer_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_producer, name),
     .rule = config_rule_name,
     .kind = "name",
     .text = "default",
     .meaning = "Whose cursor in the database this is. Two processes of one name are one producer "
                "and its standby."},
    {.name = "listen",
     .type = SETTING_TEXT,
     AT(config_producer, listen),
     .rule = config_rule_address,
     .kind = "host:port",
     .text = "127.0.0.1:8081",
     .meaning = "Where health, metrics and the status page are served. Port 0 takes a free one."},
    {.name = "poll_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_producer, poll_interval_ms),
     .minimum = 1,
     .maximum = 60000,
     .fallback = 100,
     .unit = "ms",
     .meaning = "The longest pause between two looks at an outbox in which nothing happens."},
    {.name = "mark_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_producer, mark_interval_ms),
     .minimum = 10,
     .maximum = 1000,
     .fallback = 100,
     .unit = "ms",
     .meaning = "The least time between two watermarks of a partition, which freshness is measured "
                "by."},
    {.name = "chunk_rows",
     .type = SETTING_INTEGER,
     AT(config_producer, chunk_rows),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 5000,
     .unit = "rows",
     .meaning = "Rows read from the outbox in one transaction."},
    {.name = "chunk_bytes",
     .type = SETTING_INTEGER,
     AT(config_producer, chunk_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024),
     .fallback = MIB(8),
     .unit = "bytes",
     .meaning = "The same in bytes of ops; at least `row_bytes`."},
    {.name = "row_bytes",
     .type = SETTING_INTEGER,
     AT(config_producer, row_bytes),
     .minimum = KIB(1),
     .maximum = MIB(64),
     .fallback = MIB(1),
     .unit = "bytes",
     .meaning = "The largest ops row; a larger one is rejected and kept as a dead letter."},
};

static const struct section producer_section = {
    .meaning = "From the outbox to the topic.",
    SETTINGS(producer_settings),
    .bytes = sizeof(struct config_producer),
};

static const struct choice on_gap_choices[] = {
    {"continue", ON_GAP_CONTINUE},
    {"stop", ON_GAP_STOP},
    {0},
};

static const struct setting consumer_settings[] = {
    {.name = "group",
     .type = SETTING_TEXT,
     AT(config_consumer, group),
     .rule = config_rule_name,
     .kind = "name",
     .standard = "the value of `index`",
     .meaning =
         "Kafka's consumer group. Consumers of one group share the partitions; another group "
         "is another replica."},
    {.name = "data_dir",
     .type = SETTING_TEXT,
     AT(config_consumer, data_dir),
     .rule = config_rule_filled,
     .kind = "path",
     .standard = "none: the consumer requires it",
     .meaning = "Write-ahead log and checkpoints; one process at a time."},
    {.name = "listen",
     .type = SETTING_TEXT,
     AT(config_consumer, listen),
     .rule = config_rule_address,
     .kind = "host:port",
     .text = "127.0.0.1:8080",
     .meaning =
         "Where queries, health, metrics and the status page are served. Port 0 takes a free "
         "one."},
    {.name = "token_file",
     .type = SETTING_TEXT,
     AT(config_consumer, token_file),
     .rule = config_rule_filled,
     .kind = "path",
     .standard = "none: calls that change state are refused",
     .meaning = "A file with the bearer token that calls which change state must carry."},
    {.name = "batch_rows",
     .type = SETTING_INTEGER,
     AT(config_consumer, batch_rows),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 5000,
     .unit = "events",
     .meaning = "Events that are compacted, logged and applied together, at most."},
    {.name = "batch_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, batch_bytes),
     .minimum = KIB(64),
     .maximum = MIB(256),
     .fallback = MIB(8),
     .unit = "bytes",
     .meaning = "The same in bytes of messages."},
    {.name = "prefetch_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, prefetch_bytes),
     .minimum = MIB(1),
     .maximum = MIB(16 * 1024),
     .fallback = MIB(64),
     .unit = "bytes",
     .meaning = "Memory for messages that were fetched and wait to be read, for all partitions of "
                "the topic together. The last record batch of each partition comes on top. It "
                "sets librdkafka's `queued.*` and `fetch.*` limits, unless `kafka` does."},
    {.name = "commit_interval_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, commit_interval_ms),
     .minimum = 10,
     .maximum = 60000,
     .fallback = 1000,
     .unit = "ms",
     .meaning = "The least time between two commits of a partition's offset to Kafka. The position "
                "that counts is in the log: this one is for tools that watch groups."},
    {.name = "wal_segment_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, wal_segment_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024),
     .fallback = MIB(128),
     .unit = "bytes",
     .meaning = "The size at which a new file of the write-ahead log begins."},
    {.name = "wal_limit_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, wal_limit_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024) * 1024 * 1024,
     .fallback = MIB(64) * 1024,
     .unit = "bytes",
     .meaning = "How large the write-ahead log of one partition may grow: from there on the "
                "partition reads nothing more, and says so. At least `wal_segment_bytes`."},
    {.name = "checkpoint_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, checkpoint_bytes),
     .minimum = KIB(64),
     .maximum = MIB(1024) * 1024,
     .fallback = MIB(1024),
     .unit = "bytes",
     .meaning = "How much a partition's log grows between two checkpoints, which are the whole "
                "state in one file; the log before the older of the newest two is removed. The "
                "partition reads nothing while the state is copied for one. A clean end takes one "
                "too."},
    {.name = "on_gap",
     .type = SETTING_CHOICE,
     AT(config_consumer, on_gap),
     .choices = on_gap_choices,
     .fallback = ON_GAP_CONTINUE,
     .meaning = "What a partition does when it proves that events are missing: go on and say "
                "incomplete, or stop before the first event behind the gap."},
    {.name = "http_threads",
     .type = SETTING_INTEGER,
     AT(config_consumer, http_threads),
     .minimum = 1,
     .maximum = 256,
     .fallback = 4,
     .unit = "threads",
     .meaning = "Requests that are answered at the same time."},
    {.name = "query_limit",
     .type = SETTING_INTEGER,
     AT(config_consumer, query_limit),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = 10000,
     .unit = "ids",
     .meaning = "The largest `limit` plus `offset` that a query may ask for."},
    {.name = "query_timeout_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, query_timeout_ms),
     .minimum = 1,
     .maximum = 600000,
     .fallback = 5000,
     .unit = "ms",
     .meaning = "How long a query may take, the wait for its turn included; then it ends, and is "
                "answered 503."},
    {.name = "body_bytes",
     .type = SETTING_INTEGER,
     AT(config_consumer, body_bytes),
     .minimum = KIB(64),
     .maximum = MIB(32),
     .fallback = MIB(4),
     .unit = "bytes",
     .meaning = "The largest body of a request; a larger one is answered 413."},
    {.name = "posts_max",
     .type = SETTING_INTEGER,
     AT(config_consumer, posts_max),
     .minimum = 1,
     .maximum = 256,
     .fallback = 16,
     .unit = "requests",
     .meaning = "Posts of ops that are worked on at the same time; a further one is answered 503."},
    {.name = "post_timeout_ms",
     .type = SETTING_INTEGER,
     AT(config_consumer, post_timeout_ms),
     .minimum = 100,
     .maximum = 600000,
     .fallback = 10000,
     .unit = "ms",
     .meaning = "How long posted ops may take to be durable, or to wait for their turn; then the "
                "post is answered 503."},
};

static const struct section consumer_section = {
    .meaning = "From the topic to the index and its queries.",
    SETTINGS(consumer_settings),
    .bytes = sizeof(struct config_consumer),
};

static const struct choice log_levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {0},
};

static const struct setting log_settings[] = {
    {.name = "level",
     .type = SETTING_CHOICE,
     AT(config_log, level),
     .choices = log_levels,
     .fallback = LOG_INFO,
     .meaning = "Lines below it are not written."},
};

static const struct section log_section = {
    .meaning = "Logs, on standard error, one line each.",
    SETTINGS(log_settings),
    .bytes = sizeof(struct config_log),
};

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
     .meaning = "The value; `{name}` stands for the row's column of that name."},
    {.name = "target",
     .type = SETTING_TEXT,
     AT(config_tracked_field, target),
     .rule = config_rule_field,
     .kind = "field",
     .standard = "the value of `column`",
     .meaning = "The field of the index."},
};

static const struct section tracked_section = {
    .meaning = "Columns whose changes become ops. An item may also be a text: a column's name, or "
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
     .is_required = true,
     .rule = config_rule_filled,
     .kind = "expression",
     .meaning = "The value. Of a trigger: SQL, in which `{name}` stands for the row's column of "
                "that name. Of a dump phase: over its columns by their names, with `&` binding "
                "tighter than `==`."},
};

static const struct section computed_section = {
    .meaning = "Fields whose value is computed from the row; of a join, further fields to which a "
               "row adds one value, or none where it is null. An item may also be the text "
               "`expression as target`, split at the last ` as `.",
    SETTINGS(computed_settings),
    .bytes = sizeof(struct config_computed_field),
    .place_offset = offsetof(struct config_computed_field, place),
    .read_short = config_computed_short,
};

static const struct setting child_settings[] = {
    {.name = "table",
     .type = SETTING_TEXT,
     AT(config_child, table),
     .is_required = true,
     .rule = config_rule_table,
     .kind = "table",
     .meaning = "The child table: a row of it is an entity."},
    {.name = "fk",
     .type = SETTING_TEXT,
     AT(config_child, foreign_key),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The child's column that points to the parent."},
    {.name = "slot",
     .type = SETTING_TEXT,
     AT(config_child, slot),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The child's column that holds the entity's id."},
};

static const struct section rows_from_section = {
    .meaning = "A fan-out that writes one row of ops for each row of a child table. A child that "
               "comes, or moves to another parent, takes the parent's fields with it.",
    SETTINGS(child_settings),
    .bytes = sizeof(struct config_child),
};

static const struct section children_section = {
    .meaning = "The child table of a fan-out by query: a child that comes, or moves to another "
               "parent, takes the parent's fields with it. Without it, only changes of the parent "
               "reach the entities.",
    SETTINGS(child_settings),
    .bytes = sizeof(struct config_child),
};

static const struct choice trigger_types[] = {
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
     .standard = "what the other settings say",
     .meaning = "May be said for an entry with `rows_from`."},
    {.name = "slot_field",
     .type = SETTING_TEXT,
     AT(config_trigger, slot_field),
     .rule = config_rule_column,
     .kind = "column",
     .standard = "none: direct and join require it",
     .meaning = "The column that holds the entity's id."},
    {.name = "sets_alive",
     .type = SETTING_FLAG,
     AT(config_trigger, sets_alive),
     .meaning = "An inserted row makes its entity alive (direct)."},
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
         "What a TRUNCATE does: `refuse` lets it fail, `emit` writes what deleting every row "
         "would."},
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
     .meaning = "The column that holds the value (join)."},
    {.name = "filter",
     .type = SETTING_TEXT,
     AT(config_trigger, filter),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "every row",
     .meaning = "A condition that a row must meet; `{name}` stands for its column of that name."},
    {.name = "query",
     .type = SETTING_TEXT,
     AT(config_trigger, query),
     .rule = config_rule_filled,
     .kind = "fan-out query",
     .meaning = "Makes it a fan-out: the tracked fields are written to every entity that the query "
                "matches, such as `postId eq {id}`."},
    {.name = "query_source",
     .type = SETTING_TEXT,
     AT(config_trigger, query_source),
     .rule = config_rule_filled,
     .kind = "SQL",
     .standard = "the row itself",
     .meaning = "A SELECT of one row that fills the `{name}` of the query (fan-out)."},
    {.name = "rows_from",
     .type = SETTING_SECTION,
     AT(config_trigger, rows_from),
     .section = &rows_from_section},
    {.name = "children",
     .type = SETTING_SECTION,
     AT(config_trigger, children),
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

static const struct section trigger_section = {
    .meaning = "Which changes of which tables become ops. An entry with `field` is a join, else "
               "one with `rows_from` is a fan-out per row, else one with `query` is a fan-out, "
               "else it is direct: a row is an entity. A field's value comes from one table.",
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
     .meaning = "One of the phase's `columns`."},
    {.name = "target",
     .type = SETTING_TEXT,
     AT(config_dump_field, target),
     .rule = config_rule_field,
     .kind = "field",
     .standard = "the value of `column`",
     .meaning = "The field of the index."},
};

static const struct section dump_field_section = {
    .meaning = "Columns that are loaded. An item may also be a text: a column's name.",
    SETTINGS(dump_field_settings),
    .bytes = sizeof(struct config_dump_field),
    .read_short = config_dump_field_short,
    .complete = config_dump_field_complete,
};

static const struct setting dump_settings[] = {
    {.name = "name",
     .type = SETTING_TEXT,
     AT(config_dump_phase, name),
     .is_required = true,
     .rule = config_rule_name,
     .kind = "name",
     .meaning = "Names the phase in commands and logs."},
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
     .is_required = true,
     .rule = config_rule_filled,
     .kind = "SQL",
     .meaning = "A COPY (SELECT ...) TO STDOUT in CSV."},
    {.name = "columns",
     .type = SETTING_NAMES,
     AT(config_dump_phase, columns),
     COUNT_AT(config_dump_phase, column_count),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The names of the query's columns, in its order."},
    {.name = "slot_field",
     .type = SETTING_TEXT,
     AT(config_dump_phase, slot_field),
     .is_required = true,
     .rule = config_rule_column,
     .kind = "column",
     .meaning = "The column that holds the entity's id."},
    {.name = "sets_alive",
     .type = SETTING_FLAG,
     AT(config_dump_phase, sets_alive),
     .meaning = "A row makes its entity alive; entities without a row are deleted."},
    {.name = "fields",
     .type = SETTING_ITEMS,
     AT(config_dump_phase, fields),
     COUNT_AT(config_dump_phase, field_count),
     .section = &dump_field_section},
    {.name = "computed_fields",
     .type = SETTING_ITEMS,
     AT(config_dump_phase, computed_fields),
     COUNT_AT(config_dump_phase, computed_field_count),
     .section = &computed_section},
};

static const struct section dump_section = {
    .meaning = "How the index is loaded from the tables: first, again, or for a repair.",
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
     .meaning = "One integer, a set of integers, true or false, or one of few strings."},
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
    .meaning = "The field has no value of its own: it follows other fields.",
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
     .meaning = "Holds values of either sign up to 2^bits - 1."},
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
     .meaning = "A field in Unix seconds: until then its entity is hidden."},
};

static const struct section index_section = {
    .meaning = "What the index holds. A name may stand in both lists, as a single value: then it "
               "is one field that filters and sorts. The consumer requires it.",
    SETTINGS(index_settings),
    .bytes = sizeof(struct config_index),
};

static const struct setting root_settings[] = {
    {.name = "index",
     .type = SETTING_TEXT,
     AT(config, index),
     .is_required = true,
     .rule = config_rule_name,
     .kind = "name",
     .meaning = "The name of the index, as it stands in URLs."},
    {.name = "postgres",
     .type = SETTING_TEXT,
     AT(config, postgres),
     .is_connection = true,
     .rule = config_rule_filled,
     .kind = "connection string",
     .standard = "none: the producer requires it",
     .meaning = "A libpq connection string, in keywords or as a URI."},
    {.name = "kafka", .type = SETTING_KAFKA, AT(config, kafka)},
    {.name = "topic", .type = SETTING_SECTION, AT(config, topic), .section = &topic_section},
    {.name = "retention",
     .type = SETTING_SECTION,
     AT(config, retention),
     .section = &retention_section},
    {.name = "producer",
     .type = SETTING_SECTION,
     AT(config, producer),
     .section = &producer_section},
    {.name = "consumer",
     .type = SETTING_SECTION,
     AT(config, consumer),
     .section = &consumer_section},
    {.name = "log", .type = SETTING_SECTION, AT(config, log), .section = &log_section},
    {.name = "triggers",
     .alias = "sync_sources",
     .type = SETTING_ITEMS,
     AT(config, triggers),
     COUNT_AT(config, trigger_count),
     .section = &trigger_section},
    {.name = "dump_phases",
     .type = SETTING_ITEMS,
     AT(config, dump_phases),
     COUNT_AT(config, dump_phase_count),
     .section = &dump_section},
    {.name = "index_config",
     .type = SETTING_SECTION,
     AT(config, index_config),
     .section = &index_section},
};

const struct section config_settings = {
    SETTINGS(root_settings),
    .bytes = sizeof(struct config),
};

int64_t
setting_integer(const struct setting *setting, const void *base)
{
    const void *value = setting_value(setting, base);
    CHECK(setting->bytes == sizeof(int32_t) || setting->bytes == sizeof(int64_t));
    return setting->bytes == sizeof(int32_t) ? *(const int32_t *)value : *(const int64_t *)value;
}

uint32_t
setting_count(const struct setting *setting, const void *base)
{
    return *(const uint32_t *)((const char *)base + setting->count_offset);
}

const char *
setting_text(const struct setting *setting, const void *base)
{
    return *(const char *const *)setting_value(setting, base);
}

const char *
setting_word(const struct setting *setting, const void *base)
{
    int value = *(const int *)setting_value(setting, base);
    for (const struct choice *choice = setting->choices; choice->word != NULL; choice++)
        if (choice->value == value)
            return choice->word;
    return NULL;
}

static bool
section_is_set(const struct section *section, const void *base)
{
    for (uint32_t i = 0; i < section->count; i++)
        if (section->settings[i].is_required && !setting_is_set(&section->settings[i], base))
            return false;
    return true;
}

bool
setting_is_set(const struct setting *setting, const void *base)
{
    switch (setting->type) {
    case SETTING_TEXT:
        return setting_text(setting, base) != NULL;
    case SETTING_CHOICE:
        return setting_word(setting, base) != NULL;
    case SETTING_NAMES:
    case SETTING_ITEMS:
        return setting_count(setting, base) > 0;
    case SETTING_SECTION:
        return section_is_set(setting->section, setting_value(setting, base));
    case SETTING_KAFKA:
        return ((const struct config_kafka *)setting_value(setting, base))->present;
    case SETTING_INTEGER:
    case SETTING_FLAG:
        return true;
    }
    return false;
}
