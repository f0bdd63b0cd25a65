/* The configuration of both programs as data: one YAML file, which is parsed, checked, filled with
 * defaults, printed and documented by one settings table for each section (config_settings.h).
 *
 * A loaded `struct config` (config_load.h) is immutable, and any thread may read it until it is
 * destroyed; it owns everything that it points to. Unknown and repeated keys, wrong types, values
 * out of bounds and references to fields that do not exist are refused with file, line and column.
 * `${NAME}` in a value is replaced by the environment variable NAME, which must be set; `$${` is
 * replaced by `${`. Anchors, aliases and tags are refused.
 */
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/log.h"

enum { CONFIG_PARTITIONS_MAX = 1024 };

/* One librdkafka setting under its own name. librdkafka checks the names and the values. */
struct config_kafka_setting {
    const char *name;
    const char *value; /* may be a secret (config_kafka_is_secret) */
};

struct config_kafka_settings {
    const struct config_kafka_setting *items;
    uint32_t count;
};

struct config_kafka {
    bool present;                          /* false: the consumer is stand-alone */
    struct config_kafka_settings common;   /* for both sides */
    struct config_kafka_settings producer; /* kafka.producer: overrides common */
    struct config_kafka_settings consumer; /* kafka.consumer: overrides common */
};

struct config_topic {
    const char *name; /* may be NULL only without `kafka` */
    int32_t partitions;
    int32_t replication_factor;
    int32_t retention_hours;
    int64_t max_slots; /* per partition; at most 2^32 */
};

struct config_retention {
    int64_t min_age_s;        /* of a row that is removed */
    int32_t interval_s;       /* between two passes */
    int32_t batch_rows;       /* removed in one transaction */
    int32_t dead_letter_days; /* of a dead letter that is removed; 0: none is */
};

enum { CONFIG_LOAD_CONNECTIONS_MAX = 8 };

struct config_load {
    double share;              /* of a running producer's time that jobs get; 0 to 1 */
    int32_t connections;       /* that read a chunk at the same time */
    const char *sort_dir;      /* NULL: $TMPDIR, or /tmp */
    int64_t sort_bytes;        /* on disk, of one file that is sorted */
    int64_t sort_memory_bytes; /* of one file that is sorted */
};

struct config_patrol {
    double share; /* of a running producer's time that it gets while there is no job; 0 to 1 */
};

/* producer.refresh: answers to requests for what Postgres has. */
struct config_refresh {
    int64_t owed_max; /* requests that are held in memory */
};

struct config_producer {
    const char *name;
    const char *listen;       /* host:port */
    int32_t poll_interval_ms; /* the maximum between two polls of an idle outbox */
    int32_t watch_interval_ms;
    int32_t guard_interval_ms;
    int32_t mark_interval_ms; /* the minimum between two watermarks of a partition */
    int32_t chunk_rows;       /* rows of one chunk */
    int64_t chunk_bytes;      /* bytes of ops of one chunk; at least row_bytes */
    int64_t row_bytes;        /* a larger ops row becomes a dead letter */
    struct config_load load;
    struct config_patrol patrol;
    struct config_refresh refresh;
};

/* The greatest consumer.requests_max. */
enum { CONFIG_REQUESTS_MAX = 10 * 1000 * 1000 };

/* What a partition does after a proven loss. */
enum config_on_gap { ON_GAP_CONTINUE, ON_GAP_STOP };

struct config_consumer {
    const char *group;      /* default: the name of the index */
    const char *data_dir;   /* NULL only for the producer */
    const char *listen;     /* host:port */
    const char *advertise;  /* host:port for others; default: listen */
    const char *token_file; /* NULL: calls that change state are refused */
    int32_t batch_rows;     /* events of one frame */
    int64_t batch_bytes;    /* bytes of messages of one frame */
    int64_t prefetch_bytes; /* of messages that are fetched and not read, in all partitions */
    int32_t commit_interval_ms;
    int64_t wal_segment_bytes;
    int64_t wal_limit_bytes;       /* of one partition; at least wal_segment_bytes */
    int64_t checkpoint_bytes;      /* of frames between two checkpoints */
    int32_t checkpoint_interval_s; /* 0: not by time */
    int32_t checkpoint_keep_hours;
    enum config_on_gap on_gap;
    int64_t requests_max;              /* requests of one partition that wait for their answers */
    int32_t owed_incomplete_s;         /* 0: never */
    int32_t ready_requires_verified_s; /* 0: readiness does not depend on it */
    int32_t http_threads;
    int64_t query_limit;  /* the largest `limit` of a query */
    int64_t query_values; /* in all lists of a query */
    int32_t query_timeout_ms;
    int32_t waiting_queries;
    int32_t consistent_hold_ms;
    int64_t documents_limit; /* documents of one answer */
    int64_t documents_bytes; /* of the documents of one answer */
    int64_t body_bytes;      /* of a request */
    int64_t bodies_bytes;    /* of all requests together; at least body_bytes */
    int32_t posts_max;       /* requests with ops at the same time */
    int32_t post_timeout_ms;
};

struct config_log {
    enum log_level level;
};

/* triggers: the generator makes SQL of them. The first setting that an entry has determines its
 * kind: field (join), rows_from (fan-out per row), query (fan-out); else it is direct. Settings
 * that a kind does not use are kept, and config_next_unused() reports them. */
enum config_trigger_kind { TRIGGER_DIRECT, TRIGGER_JOIN, TRIGGER_FAN_OUT, TRIGGER_FAN_OUT_PER_ROW };
enum config_on_delete { ON_DELETE_NOTHING, ON_DELETE_SLOT };
enum config_on_truncate { ON_TRUNCATE_REFUSE, ON_TRUNCATE_EMIT };

/* Where an item begins in the file; lines and columns begin at 1. */
struct config_place {
    uint32_t line;
    uint32_t column;
};

enum { CONFIG_SCALE_MAX = 18 };

struct config_tracked_field {
    const char *column;     /* NULL when the form was "expression as target" */
    const char *expression; /* NULL: the value is the column itself */
    const char *target;     /* never NULL; default: the name of the column */
    int32_t scale; /* the value is the column times 10^scale, exactly; without expression */
    struct config_place place;
};

/* The value is `expression`; with `value`, it is `value` where `expression` is true; with `filter`,
 * the row has no value where the filter is not true. In a trigger, where all three are SQL, only
 * `expression` is given: it contains the other two. */
struct config_computed_field {
    const char *target;
    const char *expression; /* may be NULL only with both others */
    const char *filter;     /* NULL: every row */
    const char *value;      /* NULL: the expression is the value */
    struct config_place place;
};

enum { CONFIG_LINKS_MAX = 4 };

/* One step of the path from the table of a fan-out to the rows of its entities, parent first. A row
 * of `table` refers to a row of the table of the link before, or to one of the trigger's table. */
struct config_link {
    const char *table;
    const char *foreign_key;
    const char *parent_key; /* of the first link: the column that foreign_key refers to; NULL: what
                               a foreign key says, else the primary key */
    const char *key;        /* the same of the next link's foreign_key; NULL in the last link */
    const char *slot;       /* of the last link, else NULL */
    struct config_place place;
};

struct config_trigger {
    enum config_trigger_kind kind;
    const char *table;      /* "table" or "schema.table" */
    const char *slot_field; /* direct and join */
    bool sets_alive;
    enum config_on_delete on_delete;
    enum config_on_truncate on_truncate;
    const char *field;                   /* join */
    const char *value_field;             /* join */
    const char *filter;                  /* NULL: every row */
    const char *query;                   /* fan-out */
    const char *query_source;            /* fan-out; NULL: the row itself fills the query */
    const struct config_link *rows_from; /* as the file has them */
    uint32_t rows_from_count;
    const struct config_link *children; /* as the file has them */
    uint32_t children_count;
    /* Those that the kind uses: rows_from of a fan-out per row, children of a fan-out. */
    const struct config_link *links;
    uint32_t link_count;
    const struct config_tracked_field *track_fields;
    uint32_t track_field_count;
    const struct config_computed_field *computed_fields;
    uint32_t computed_field_count;
    struct config_place place;
};

struct config_dump_field {
    const char *column;
    const char *target; /* never NULL */
};

struct config_dump_phase {
    const char *name;
    const char *table;
    const char *copy_query; /* NULL: the phase is only for a CSV file */
    const char *filter;     /* NULL: every row */
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

/* index_config: the fields that the engine holds. */
enum config_field_type { FIELD_SINGLE_VALUE, FIELD_MULTI_VALUE, FIELD_BOOLEAN, FIELD_STRING };
enum config_computed_op { COMPUTED_NONE, COMPUTED_GREATEST, COMPUTED_LEAST };

/* `is_nullable` and `ignores_case` say how queries compare, and nothing about the values that the
 * index holds: they are no part of its identity, and fan-outs do not regard them. */
struct config_filter_field {
    const char *name;
    enum config_field_type type;
    bool is_nullable;  /* NotEq and NotIn skip entities without a value, as SQL's <> does */
    bool ignores_case; /* of a string: queries compare it by simple case folding */
};

/* The sources of a computed field are sort fields, not computed themselves, or single values. */
struct config_sort_field {
    const char *name;
    uint32_t bits; /* magnitudes up to 2^bits - 1, either sign; 1..63 */
    enum config_computed_op computed_op;
    const char *const *source_fields;
    uint32_t source_field_count;
};

/* A name may be in both lists, as a single value: then it is one field that filters and sorts. */
struct config_index {
    const struct config_filter_field *filter_fields;
    uint32_t filter_field_count;
    const struct config_sort_field *sort_fields;
    uint32_t sort_field_count;
    const char *visible_from; /* NULL: everything alive is visible */
    int64_t max_page_size;    /* a larger `limit` of a query is reduced to it; 0: none is */
};

struct config {
    const char *path; /* of the file */
    const char *index;
    const char *postgres; /* libpq connection string, or NULL; logs use config_redact() */
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

/* The program that loads the file: sections that only the other one needs may be missing. */
enum config_program { CONFIG_PRODUCER, CONFIG_CONSUMER };

#endif
