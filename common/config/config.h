/* The configuration of both programs: one YAML file, parsed, checked, defaulted, printed and
 * documented by one settings table per section.
 *
 * A loaded `struct config` is immutable and may be read by any thread until config_destroy();
 * every pointer in it belongs to it. Unknown and duplicate keys, wrong types, values out of bounds
 * and references to nothing are refused with file, line and column. `${NAME}` in a value reads the
 * environment, where NAME must be set; `$${` stands for `${`. Anchors, aliases and tags are
 * refused.
 */
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/log.h"

struct buffer;

enum { CONFIG_PARTITIONS_MAX = 1024 };

/* One librdkafka setting under its own name; the names are librdkafka's to check. */
struct config_kafka_setting {
    const char *name;
    const char *value; /* may hold a secret: only config_print() shows it */
};

struct config_kafka_settings {
    const struct config_kafka_setting *items;
    uint32_t count;
};

struct config_kafka {
    bool present;                          /* without the section a consumer is stand-alone */
    struct config_kafka_settings common;   /* for both sides */
    struct config_kafka_settings producer; /* kafka.producer: stands above common */
    struct config_kafka_settings consumer; /* kafka.consumer: stands above common */
};

struct config_topic {
    const char *name; /* may be NULL only without `kafka` */
    int32_t partitions;
    int32_t replication_factor;
    int32_t retention_hours;
    int64_t max_slots; /* per partition; at most 2^32 */
};

struct config_retention {
    int64_t min_age_s;
    int32_t interval_s; /* between two looks for rows that may go */
    int32_t batch_rows; /* deleted in one transaction */
};

struct config_producer {
    const char *name;
    const char *listen; /* host:port */
    int32_t poll_interval_ms;
    int32_t mark_interval_ms; /* the least time between two watermarks of a partition */
    int32_t chunk_rows;       /* rows read from the outbox at a time */
    int64_t chunk_bytes;      /* the same in bytes of ops; at least row_bytes */
    int64_t row_bytes;        /* a larger ops row is rejected */
};

/* What follows a proven loss. */
enum config_on_gap { ON_GAP_CONTINUE, ON_GAP_STOP };

struct config_consumer {
    const char *group;      /* the index's name when the file does not say */
    const char *data_dir;   /* NULL only for the producer */
    const char *listen;     /* host:port */
    const char *token_file; /* NULL: calls that change state are refused */
    int32_t batch_rows;     /* events of one WAL frame */
    int64_t batch_bytes;    /* the same in message bytes */
    int64_t prefetch_bytes; /* of what was fetched and not read yet, all partitions together */
    int32_t commit_interval_ms;
    int64_t wal_segment_bytes;
    int64_t wal_limit_bytes;  /* of one partition; at least wal_segment_bytes */
    int64_t checkpoint_bytes; /* of frames between two */
    enum config_on_gap on_gap;
    int32_t http_threads;
    int64_t query_limit; /* largest `limit` a query may ask for */
    int32_t query_timeout_ms;
    int64_t body_bytes; /* of a request */
    int32_t posts_max;  /* posts of ops at the same time */
    int32_t post_timeout_ms;
};

struct config_log {
    enum log_level level;
};

/* triggers: -- what the generator turns into SQL. When an entry fits several kinds, it is what
 * comes first of field (join), rows_from (fan-out per row), query (fan-out); else it is direct.
 * What a kind has no use for is kept here, and named by config_next_unbuilt(). */
enum config_trigger_kind { TRIGGER_DIRECT, TRIGGER_JOIN, TRIGGER_FAN_OUT, TRIGGER_FAN_OUT_PER_ROW };
enum config_on_delete { ON_DELETE_NOTHING, ON_DELETE_SLOT };
enum config_on_truncate { ON_TRUNCATE_REFUSE, ON_TRUNCATE_EMIT };

/* Where an item begins in the file, from 1. */
struct config_place {
    uint32_t line;
    uint32_t column;
};

struct config_tracked_field {
    const char *column;     /* NULL when the form was "expression as target" */
    const char *expression; /* NULL: the value is the column itself */
    const char *target;     /* always filled: the column's name when the file does not say */
    struct config_place place;
};

struct config_computed_field {
    const char *target;
    const char *expression;
    struct config_place place;
};

/* A child table, each row of which points to a row of the trigger's table. */
struct config_child {
    const char *table; /* NULL: none */
    const char *foreign_key;
    const char *slot;
};

struct config_trigger {
    enum config_trigger_kind kind;
    const char *table;      /* optionally schema-qualified: schema.table */
    const char *slot_field; /* direct and join */
    bool sets_alive;
    enum config_on_delete on_delete;
    enum config_on_truncate on_truncate;
    const char *field;             /* join */
    const char *value_field;       /* join */
    const char *filter;            /* NULL: every row */
    const char *query;             /* fan-out */
    const char *query_source;      /* fan-out; NULL: the row itself fills the query */
    struct config_child rows_from; /* fan-out per row */
    struct config_child children;  /* fan-out: rows that may join later */
    const struct config_tracked_field *track_fields;
    uint32_t track_field_count;
    const struct config_computed_field *computed_fields;
    uint32_t computed_field_count;
    struct config_place place;
};

struct config_dump_field {
    const char *column;
    const char *target; /* always filled */
};

struct config_dump_phase {
    const char *name;
    const char *table;
    const char *copy_query;
    const char *const *columns;
    uint32_t column_count;
    const char *slot_field;
    bool sets_alive;
    const struct config_dump_field *fields;
    uint32_t field_count;
    const struct config_computed_field *computed_fields;
    uint32_t computed_field_count;
    struct config_place place;
};

/* index_config: -- what the engine holds. */
enum config_field_type { FIELD_SINGLE_VALUE, FIELD_MULTI_VALUE, FIELD_BOOLEAN, FIELD_STRING };
enum config_computed_op { COMPUTED_NONE, COMPUTED_GREATEST, COMPUTED_LEAST };

struct config_filter_field {
    const char *name;
    enum config_field_type type;
};

/* The sources of a computed field are sort fields, not computed themselves, or single values. */
struct config_sort_field {
    const char *name;
    uint32_t bits; /* magnitudes up to 2^bits - 1, either sign; 1..63 */
    enum config_computed_op computed_op;
    const char *const *source_fields;
    uint32_t source_field_count;
};

/* A name may stand in both lists, as a single value: then it is one field that filters and sorts.
 */
struct config_index {
    const struct config_filter_field *filter_fields;
    uint32_t filter_field_count;
    const struct config_sort_field *sort_fields;
    uint32_t sort_field_count;
    const char *visible_from; /* NULL: everything alive is visible */
};

struct config {
    const char *path; /* the file, as it was named */
    const char *index;
    const char *postgres; /* libpq connection string; NULL when absent; log config_redact() of it */
    struct config_kafka kafka;
    struct config_topic topic;
    struct config_retention retention;
    struct config_producer producer;
    struct config_consumer consumer;
    struct config_log log;
    const struct config_trigger *triggers;
    uint32_t trigger_count;
    const struct config_dump_phase *dump_phases;
    uint32_t dump_phase_count;
    struct config_index index_config;
};

/* Which program asks: sections that only the other one needs may be missing. */
enum config_program { CONFIG_PRODUCER, CONFIG_CONSUMER };

/* Reads and validates the whole file, whichever program asks. ERR_USAGE: the file cannot be read,
 * or "FILE:LINE:COLUMN: section.key: what is wrong", for the first error found. The caller owns
 * `*config`, which is not touched on an error. */
int config_load(const char *path, enum config_program program, struct config **config,
                struct error *err);
void config_destroy(struct config *config);

/* Appends the configuration as it is in force, defaults filled in, secrets replaced by "***", as
 * YAML that loads to the same again. */
void config_print(const struct config *config, struct buffer *out);

/* Appends a connection string (keywords or URI) with its password, and anything else secret,
 * replaced by "***". What cannot be told apart is replaced as a whole. */
void config_redact(const char *connection_string, struct buffer *out);

/* Appends the reference manual of all settings, in Markdown: docs/configuration.md. */
void config_reference(struct buffer *out);

/* Appends what decides about the data on disk: one line for each list that a field stands in,
 * sorted, whatever the order in the file. Another text means that the data must be built anew. */
void config_index_identity(const struct config_index *index, struct buffer *out);

/* The same for the log of one partition: another index or topic, or another configuration of the
 * same, must not go on with it. */
void config_partition_identity(const struct config *config, int32_t partition, struct buffer *out);

/* What the logs of partitions are named after: the topic, or the index when it is stand-alone. */
const char *config_log_name(const struct config *config);

/* Appends how the names of a table's triggers begin: "bitdex_TABLE_", with as much of the table's
 * name (which may have a schema) as leaves room for the rest of an identifier. */
void config_trigger_prefix(const char *table, struct buffer *out);

/* What the file asks for that this version does not do, or that has no effect, one thing at a time:
 * fills `what` (terminated, one line) and returns true. Call with *cursor = 0 and again until it
 * returns false. */
bool config_next_unbuilt(const struct config *config, uint32_t *cursor, char *what,
                         uint32_t what_bytes);

#endif
