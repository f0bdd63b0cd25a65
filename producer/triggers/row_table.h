/* What the configuration says of the rows of one table: the roles that the table plays in its
 * entries. One set of triggers is generated for each table from all of its roles, because two
 * triggers of ours on one table would fire in the order of their names (F118).
 *
 *     direct   a row is an entity
 *     join     a row adds a value to its entity
 *     child    a row connects its entity to a parent, whose columns the entity shows
 *     parent   a row has columns that entities show, or is on the way from such a row to them
 *
 * Direct, join and child rows name their entity in the slot. Roles with the same slot are a group:
 * what a change says of one entity is one ops row. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_ROW_TABLE_H
#define PRODUCER_TRIGGERS_ROW_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

enum row_role_kind { ROLE_DIRECT, ROLE_JOIN, ROLE_CHILD, ROLE_PARENT };

struct row_role {
    enum row_role_kind kind;
    const struct entry *entry;
    uint32_t level;          /* of PARENT: the table of the entry's path, 0 its own */
    const char *request;     /* an op in JSON, without its end: {"op": "refresh", "entry": "E" */
    const char *whole;       /* the same of all rows: without the level */
    const char *foreign_key; /* of CHILD, and of PARENT above level 0 */
    const char *const *keys; /* of PARENT: the columns of the key by which requests name a row */
    uint32_t key_count;
    /* Of DIRECT and JOIN: an index proves that no other row says the same of the entity, so that
     * what a row said can be taken back when it goes; otherwise, the entity is asked for (F124). */
    bool is_proved;
    /* Of DIRECT: requests, likewise, for what `delete` takes and no row brings back (F78). */
    const char *const *outliving;
    uint32_t outliving_count;
    /* Functions of a row, by their quoted names; row_function_add() fills them. */
    const char *filter;        /* NULL: every row passes */
    const char *const *values; /* of DIRECT and JOIN, by value; NULL: the value is a column */
    /* Of DIRECT and JOIN, by value: the value as JSON, or the reason; NULL: it cannot fail. */
    const char *const *json_guards;
    uint32_t number; /* of a proved JOIN, from 1 on: of the variable that has the value */
    struct row_role *next;
};

struct row_group {
    const char *slot;       /* column */
    struct row_role *roles; /* DIRECT first, CHILD last */
    bool describes;         /* a role writes values of the row itself, while it is the row */
    /* The names of its functions; row_function_add() fills them. */
    const char *enter;
    const char *leave;
    const char *update;
    const char *left; /* NULL: no join of the group is proved */
    uint32_t number;  /* from 1 on; of the variables that have the slot */
    struct row_group *next;
};

struct row_table {
    const struct entry_table *table;
    const char *outbox_schema;
    struct row_group *groups;
    struct row_role *parents;
    const struct entry_table_column **columns; /* that a role reads, each once */
    uint32_t column_count;
    bool describes; /* a group does */
    /* The columns of its view, each once: those that a role reads, and those that find a row. */
    const struct entry_table_column **seen;
    uint32_t seen_count;
    const char *view;    /* quoted; row_function_add() fills what follows */
    const char *renamed; /* function */
    const char *keys;    /* NULL without parents, as `moves` */
    const char *moves;
    struct row_table *next;
};

/* The tables of all entries, which have been read from the catalogue, in the order in which the
 * configuration names them. Allocated from `arena`; they point to the entries. A fan-out without
 * links whose table has no primary key plays no role: nothing can ask for its rows. */
struct row_table *row_table_create(const struct entry *entries, uint32_t entry_count,
                                   struct arena *arena);

/* The direct role that writes `delete` for a row that passes its filter and goes; NULL: none does.
 */
const struct row_role *row_group_deleter(const struct row_group *group);

/* For people: the entries that read the table, and what an object of it does. */
const char *row_table_describe(const struct row_table *table, const char *what,
                               struct arena *arena);

/* The joined value of a proved join, as a column. */
const struct entry_table_column *row_role_value(const struct row_role *role);

#endif
