/* A condition of the database or of an entry that `check` reports, and a list of them.
 *
 * The list and its texts live in the arena with which it was made. One thread.
 */
#ifndef PRODUCER_TRIGGERS_CONDITION_H
#define PRODUCER_TRIGGERS_CONDITION_H

#include <stdint.h>

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* What a condition is about. All of one kind are reported together, under its name. */
enum condition_kind {
    CONDITION_ENTRIES,
    CONDITION_SCHEMAS,
    CONDITION_TABLES,
    CONDITION_ROW_SECURITY,
    CONDITION_FOREIGN_KEYS,
    CONDITION_UNIQUE_KEYS,
    CONDITION_APPLICATION_TRIGGERS,
    CONDITION_FUNCTION_PATH,
    CONDITION_COLLATIONS,
    CONDITION_TYPES,
    CONDITION_EXPRESSIONS,
    CONDITION_GUARANTEES,
    CONDITION_LOADING,
    CONDITION_OWNERS,
    CONDITION_TRIGGERS,
    CONDITION_KINDS,
};

enum condition_severity {
    CONDITION_NOTE,    /* works; says what it costs, or what is guaranteed */
    CONDITION_WARNING, /* works, but not as the configuration looks as if it did */
    CONDITION_PROBLEM, /* something does not work, or changes are lost */
};

struct condition {
    enum condition_kind kind;
    enum condition_severity severity;
    const struct entry *entry; /* NULL: it is about no single entry */
    const char *object;        /* the table, column, role ... */
    const char *message;       /* what is the case, and why it matters */
    const char *remedy;        /* the command or the SQL that helps; "": there is nothing to do */
    struct condition *next;
};

/* In the order in which they were found. */
struct condition_list {
    struct arena *arena;
    struct condition *first;
    struct condition **end; /* NULL: the list is empty */
};

/* "row security" */
const char *condition_name(enum condition_kind kind);

/* Copies the texts. */
void condition_add(struct condition_list *list, const struct condition *condition);

#endif
