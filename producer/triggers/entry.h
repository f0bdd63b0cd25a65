/* One entry of `triggers` with all that the database says about it: what SQL is generated from.
 *
 * entry_create() fills in what follows from the configuration, catalogue_read() the rest; both
 * allocate from the arena that the caller gives, and point into the configuration.
 */
#ifndef PRODUCER_TRIGGERS_ENTRY_H
#define PRODUCER_TRIGGERS_ENTRY_H

#include "common/base/memory.h"
#include "common/config/config.h"

/* How a value of some type becomes one of an op. */
enum entry_form {
    FORM_PLAIN,   /* as jsonb_build_object() takes it: numbers, booleans, texts, enums */
    FORM_SECONDS, /* a point in time, as Unix seconds */
    FORM_JSON,
    FORM_ARRAY,      /* of what is plain */
    FORM_TEXT_ARRAY, /* of what is not */
    FORM_TEXT,       /* anything else, as Postgres prints it */
};

struct entry_value {
    const char *target;
    const char *expression;    /* SQL over {column} */
    const char *setting;       /* for messages: "track_fields[0]" */
    struct config_place place; /* in the file */
    bool is_multi_value;       /* of the field */
    enum entry_form form;      /* catalogue */
};

/* Where a {name} stands in a fan-out's query. */
enum entry_context { CONTEXT_VALUE, CONTEXT_LIST, CONTEXT_ITEM };

struct entry_placeholder {
    const char *before; /* the query's text up to it */
    const char *name;
    enum entry_context context;
    enum entry_form form; /* catalogue */
};

/* A column of the table that decides what a row writes. */
struct entry_column {
    const char *name;
    bool is_comparable; /* catalogue: "=" of its type compares all of a value */
    struct entry_column *next;
};

struct entry_table {
    const char *schema;
    const char *name;
    const char *quoted; /* schema and name */
    bool is_partitioned;
    struct entry_table *partitions; /* of all levels; NULL for these themselves */
    uint32_t partition_count;
};

struct entry {
    uint32_t index; /* in the configuration, as are the next */
    const char *file;
    const struct config_trigger *trigger;
    struct entry_value *values; /* tracked and computed; of a join, those that its row adds */
    uint32_t value_count;
    struct entry_placeholder *placeholders; /* of the fan-out's query */
    uint32_t placeholder_count;
    struct entry_column *columns;     /* each once; without parent_key */
    const char *query_end;            /* the query's text behind the last of them */
    const struct config_child *child; /* NULL: no child table */
    bool deletes_with_child;          /* a deleted child's entity is deleted by a direct entry */

    struct entry_table table; /* catalogue, as is all that follows */
    struct entry_table child_table;
    const char *parent_key; /* the column of `table` that the child points to */
    const char *id_column;  /* the integer that is the primary key; NULL: none is */
    bool value_is_unique;   /* of a join: no two rows add the same value to one entity */
    const char *outbox_schema;
};

/* `*entry` without what the catalogue knows. */
void entry_create(const struct config *config, uint32_t index, struct arena *arena,
                  struct entry *entry);

/* The one of that name, which is there. */
struct entry_column *entry_find_column(const struct entry *entry, struct text name);

/* ERR_USAGE with file, line and column of `place`, and the setting. */
int entry_refuse(const struct entry *entry, struct config_place place, const char *setting,
                 struct error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
