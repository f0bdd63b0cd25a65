/* One entry of `triggers` together with what the database adds to it: the input of the SQL
 * generator.
 *
 * entry_create() fills in what follows from the configuration, catalogue_read() everything else
 * (marked "catalogue" below). Both allocate from the caller's arena, and an entry points into the
 * configuration, so that it lives as long as both.
 */
#ifndef PRODUCER_TRIGGERS_ENTRY_H
#define PRODUCER_TRIGGERS_ENTRY_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"

/* How a value of an SQL type becomes the value of an op. */
enum entry_form {
    FORM_PLAIN,      /* as jsonb_build_object() takes it: numbers, booleans, texts, enums */
    FORM_SECONDS,    /* a point in time, as Unix seconds */
    FORM_JSON,       /* json or jsonb */
    FORM_ARRAY,      /* an array of plain elements */
    FORM_TEXT_ARRAY, /* any other array, its elements as Postgres prints them */
    FORM_TEXT,       /* any other type, as Postgres prints it */
};

/* As an array, its elements become values of the field each. */
bool entry_form_is_array(enum entry_form form);

/* How a query of a load gets the value: what the column of a binary COPY holds. */
enum entry_wire {
    WIRE_INTEGER, /* 2, 4 or 8 bytes */
    WIRE_BOOLEAN,
    WIRE_TEXT,
    WIRE_JSON, /* any other value, as JSON */
};

/* How two values of a column are told apart: equal is not always the same (F92). */
enum entry_identity {
    IDENTITY_IMAGE, /* as stored: any type */
    IDENTITY_EQUAL, /* "=" of pg_catalog, which compares the whole value */
    IDENTITY_TEXT,  /* the same with the collation "C" */
};

/* What an expression depends on beside its row, as names for messages; NULL: on nothing. */
struct entry_dependence {
    const char *unstable; /* the clock, or volatile functions: it changes while its row does not */
    const char *reads;    /* other tables, or functions that may read some */
};

/* Of a type's name, which is for messages and cut if it is longer. */
enum { ENTRY_TYPE_BYTES = 64 };

struct entry_value {
    const char *target;        /* the field */
    const char *expression;    /* SQL over {column} */
    const char *setting;       /* for error messages: "track_fields[0]" */
    struct config_place place; /* of the setting in the file */
    bool is_multi_value;       /* whether the field is */
    enum entry_form form;      /* catalogue */
    enum entry_wire wire;      /* catalogue */
    uint8_t integer_bytes;     /* catalogue; of an integer type, else 0 */
    bool is_padded;            /* catalogue; char(n), whose blanks a cast to text removes */
    bool has_floats;           /* catalogue; how Postgres prints them depends on a setting */
    const char *type; /* catalogue; of an expression that is not a column: quoted, with schema */
    char type_name[ENTRY_TYPE_BYTES];   /* catalogue; as Postgres prints it: "double precision" */
    struct entry_dependence dependence; /* catalogue */
    const char *guard;      /* catalogue; guard.h: of this type; NULL: the expression cannot fail */
    const char *json_guard; /* likewise; as JSON */
};

/* Where a {name} is in a fan-out's query: after `eq`, after `in`, or inside [...]. */
enum entry_context { CONTEXT_VALUE, CONTEXT_LIST, CONTEXT_ITEM };

struct entry_placeholder {
    const char *before; /* the text of the query between the previous placeholder and this one */
    const char *name;
    enum entry_context context;
    enum entry_form form; /* catalogue */
};

/* A column of the table that the entry reads. */
struct entry_column {
    const char *name;
    struct entry_column *next;
};

/* A column of a table, as the catalogue has it. */
struct entry_table_column {
    const char *name;
    const char *type; /* quoted, with its schema; of a domain its base type */
    enum entry_identity identity;
    bool is_integer; /* of 2, 4 or 8 bytes, as is what follows of a domain that of its base type */
    bool is_text;    /* or a uuid or an enum: no setting changes how it is printed */
    bool is_builtin; /* its "=" is in pg_catalog */
    bool is_total;   /* comparisons, bits and a cast to text have a result for all its values */
    int64_t collation; /* 0: its type has none */
};

struct entry_table {
    const char *schema;
    const char *name;
    const char *quoted; /* schema and name, as identifiers */
    bool is_partitioned;
    bool has_forced_policies;       /* row security is in force for the owner as well */
    struct entry_table *partitions; /* of all levels; a partition itself has NULL here */
    uint32_t partition_count;
    const struct entry_table_column *columns; /* of a partition, NULL */
    uint32_t column_count;
    const char *id_column; /* a primary key of one integer column; NULL: the table has none */
    const char *const *partition_keys; /* columns whose type is_builtin */
    uint32_t partition_key_count;
};

/* A link of the path to the rows of the entities, parent first. */
struct entry_link {
    const struct config_link *link;
    /* catalogue, as is everything that follows */
    struct entry_table table;
    const char *parent_key; /* the column of the table before it that link->foreign_key refers to */
    bool has_index;         /* an index finds the rows of a parent */
    bool key_has_index;     /* an index finds the parent of a row */
    bool key_is_unique;     /* and proves that it is the only one */
};

struct entry {
    uint32_t index;   /* in the list `triggers` */
    const char *file; /* of the configuration */
    const char *name; /* by which requests refer to it (config_entry.h) */
    const struct config_trigger *trigger;
    struct entry_value *values; /* tracked and computed; of a join, the values that its row adds */
    uint32_t value_count;
    struct entry_placeholder *placeholders; /* of a fan-out's query */
    uint32_t placeholder_count;
    const char *query_end;        /* the text of the query after the last placeholder */
    struct entry_column *columns; /* each once; without the key that the first link refers to */
    struct entry_link *links;     /* config_trigger.links */
    uint32_t link_count;          /* 0: no other table has the slots */
    bool deletes_with_child;      /* a deleted child row deletes its entity, by a direct entry */

    /* catalogue, as is everything that follows */
    struct entry_table table;
    const char *id_column; /* a primary key of one integer column; NULL: the table has none */
    bool value_is_unique;  /* of a join: no two rows add the same value to one entity */
    /* Unique indexes prove that an entity has one row: of a direct entry one of its own table, of
     * one with links one child row, which has one parent along all of them. */
    bool slot_is_unique;
    bool slot_is_immediate; /* of a direct entry: unique, and checked row by row */
    /* An index finds the rows of an entity: those of the child table, if there is one. */
    bool slot_has_index;
    /* The primary key of a fan-out without a child table; none: the table has none. */
    const char *const *key_columns;
    uint32_t key_column_count;
    const char *filter_guard; /* guard.h; NULL: there is no filter, or it cannot fail */
    const char *outbox_schema;
    struct entry_dependence filter_dependence;
    /* Of a direct entry that deletes entities: those whose rows may outlive their entity (F78), by
     * index. catalogue_read_outliving() fills them. */
    const uint32_t *outliving;
    uint32_t outliving_count;
};

/* Fills `*entry` from entry `index` of the configuration; the catalogue's members are zero. */
void entry_create(const struct config *config, uint32_t index, struct arena *arena,
                  struct entry *entry);

/* The last link, whose rows have the slots, and its table, the child table. NULL: no links. */
const struct config_link *entry_child(const struct entry *entry);
const struct entry_table *entry_child_table(const struct entry *entry);

/* The key column of the entry's own table, to which the first link refers; NULL: no links. */
const char *entry_parent_key(const struct entry *entry);

/* Whether indexes find the child rows of a row of `level`, along all links from there on. */
bool entry_level_has_index(const struct entry *entry, uint32_t level);
/* Likewise of a parent. */
bool entry_parent_has_index(const struct entry *entry);

/* Whether indexes find the parents of a child row, along all links; true without links. */
bool entry_keys_have_index(const struct entry *entry);

/* CHECKs the invariants of an entry that has been read from the catalogue. */
void entry_check(const struct entry *entry);

/* The column of a table that has been read from the catalogue; NULL: it has none of that name. */
const struct entry_table_column *entry_table_find(const struct entry_table *table,
                                                  struct text name);

/* NULL: the entry does not read that column. */
struct entry_column *entry_find_column(const struct entry *entry, struct text name);

/* ERR_USAGE: "FILE:LINE:COLUMN: triggers[N].SETTING: " and the formatted reason. */
int entry_refuse(const struct entry *entry, struct config_place place, const char *setting,
                 struct error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
