/* Types of expressions over the rows of a table: Postgres plans each expression over no rows, which
 * yields its type, or the reason why it is wrong. One thread, as the session. For this room only.
 */
#ifndef PRODUCER_TRIGGERS_CATALOGUE_VALUE_H
#define PRODUCER_TRIGGERS_CATALOGUE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* What the database says of the type of an expression. */
struct catalogue_type {
    int64_t id; /* its oid */
    enum entry_form form;
    enum entry_wire wire;
    uint8_t integer_bytes;
    bool is_padded;
    bool has_floats;
    char name[ENTRY_TYPE_BYTES]; /* of the base type */
};

/* The form of a type, and the wire of a plain one, by these names. A domain has those of its base
 * type. A type is plain when jsonb writes it as a number, a boolean or a text, and its "=" compares
 * what is written. */
#define CATALOGUE_FORM_OF(type)                                                                    \
    "WITH RECURSIVE base AS ("                                                                     \
    " SELECT oid, typtype, typbasetype, typelem, typlen FROM pg_type WHERE oid = " type            \
    " UNION ALL"                                                                                   \
    " SELECT t.oid, t.typtype, t.typbasetype, t.typelem, t.typlen FROM base JOIN pg_type AS t"     \
    " ON base.typtype = 'd' AND t.oid = base.typbasetype"                                          \
    "), element AS ("                                                                              \
    " SELECT t.oid, t.typtype, t.typbasetype FROM base JOIN pg_type AS t ON t.oid = base.typelem"  \
    " WHERE base.typlen = '-1' UNION ALL"                                                          \
    " SELECT t.oid, t.typtype, t.typbasetype FROM element JOIN pg_type AS t"                       \
    " ON element.typtype = 'd' AND t.oid = element.typbasetype"                                    \
    "), plain(type) AS (VALUES ('bool'::regtype), ('int2'), ('int4'), ('int8'), ('float4'),"       \
    " ('float8'), ('numeric'), ('text'), ('varchar'), ('bpchar'), ('name'), ('uuid'))"             \
    " SELECT CASE"                                                                                 \
    " WHEN oid IN ('timestamp'::regtype::oid, 'timestamptz'::regtype::oid, 'date'::regtype::oid) " \
    "THEN 'seconds'"                                                                               \
    " WHEN oid IN ('json'::regtype::oid, 'jsonb'::regtype::oid) THEN 'json'"                       \
    " WHEN typtype = 'e' OR oid IN (SELECT type::oid FROM plain) THEN 'plain'"                     \
    " WHEN typelem <> '0' AND typlen = -1 THEN CASE"                                               \
    "  WHEN EXISTS (SELECT FROM element WHERE typtype = 'e' OR oid IN"                             \
    "   (SELECT type::oid FROM plain)) THEN 'array'"                                               \
    "  ELSE 'text array' END"                                                                      \
    " ELSE 'text' END AS form,"                                                                    \
    " CASE WHEN oid IN ('int2'::regtype::oid, 'int4'::regtype::oid, 'int8'::regtype::oid) THEN "   \
    "typlen ELSE 0"                                                                                \
    " END AS integer_bytes, CASE"                                                                  \
    " WHEN oid IN ('int2'::regtype::oid, 'int4'::regtype::oid, 'int8'::regtype::oid) THEN "        \
    "'integer'"                                                                                    \
    " WHEN oid = 'bool'::regtype::oid THEN 'boolean'"                                              \
    " WHEN typtype = 'e' OR oid IN ('text'::regtype::oid, 'varchar'::regtype::oid, "               \
    "'bpchar'::regtype::oid,"                                                                      \
    "  'name'::regtype::oid) THEN 'text'"                                                          \
    " ELSE 'json' END AS wire,"                                                                    \
    " oid IN ('float4'::regtype::oid, 'float8'::regtype::oid) OR EXISTS (SELECT FROM element"      \
    " WHERE element.oid IN ('float4'::regtype::oid, 'float8'::regtype::oid)) AS has_floats,"       \
    " oid = 'bpchar'::regtype::oid AS is_padded,"                                                  \
    " pg_catalog.format_type(oid, NULL) AS type_name"                                              \
    " FROM base WHERE typtype <> 'd'"

/* A row of a table as one value, so that a column can be named {column} only, and no name of a
 * column is in the way (F98). */
#define CATALOGUE_ROW "(_rows._row)"

/* Appends the FROM clause that CATALOGUE_ROW refers to. */
void catalogue_rows_append(struct buffer *out, const struct entry_table *table);

/* Runs a statement that yields no rows, and gets the type of its first column. ERR_USAGE: Postgres
 * refuses it, which is reported as a mistake in `setting`. */
int catalogue_statement_read(struct pg *pg, const struct entry *entry, struct config_place place,
                             const char *setting, const char *sql, struct catalogue_type *type,
                             struct error *err);

/* The type of an expression over the rows of `table`. */
int catalogue_expression_read(struct pg *pg, const struct entry *entry,
                              const struct entry_table *table, struct config_place place,
                              const char *setting, const char *expression,
                              struct catalogue_type *type, struct error *err);

/* Checks a column that holds ids of entities, which are integers. */
int catalogue_slot_read(struct pg *pg, const struct entry *entry, const struct entry_table *table,
                        struct config_place place, const char *setting, const char *column,
                        struct error *err);

/* Of a type, by its object id. */
int catalogue_type_read(struct pg *pg, int64_t type_id, struct catalogue_type *type,
                        struct error *err);

/* The name of a type, quoted, with its schema. */
int catalogue_type_name(struct pg *pg, struct arena *arena, int64_t type_id, const char **name,
                        struct error *err);

void catalogue_value_fill(struct entry_value *value, const struct catalogue_type *type);

#endif
