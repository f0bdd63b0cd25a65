/* An object that the triggers of a table need in the database, and a list of such objects. Pure;
 * any thread.
 *
 * The names of objects carry a hash of their definition: another definition is another object, an
 * object with the same definition is left as it is, and equal objects are shared.
 */
#ifndef PRODUCER_TRIGGERS_OBJECT_H
#define PRODUCER_TRIGGERS_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

/* Bits of pg_trigger.tgtype. */
enum {
    TRIGGER_ON_INSERT = 4,
    TRIGGER_ON_DELETE = 8,
    TRIGGER_ON_UPDATE = 16,
    TRIGGER_ON_TRUNCATE = 32,
};

enum trigger_object_kind {
    OBJECT_VIEW,         /* the rows of a table, as its trigger function looks for them */
    OBJECT_ROW_FUNCTION, /* an expression over rows of a table; SQL, bound when it is created */
    OBJECT_FUNCTION,     /* that a trigger calls; PL/pgSQL */
    OBJECT_TRIGGER,
};

struct trigger_object {
    enum trigger_object_kind kind;
    /* Quoted, with its schema: the table that the object is about. All changes of one table are one
     * transaction. The objects of a partition are about the partitioned table. */
    const char *table;
    const char *on;       /* of OBJECT_TRIGGER: the table that it is on, quoted, or a partition */
    const char *name;     /* not quoted */
    const char *identity; /* as DROP takes it: VIEW "s"."n", FUNCTION "s"."n"("s"."t"),
                             TRIGGER "n" ON "s"."t" */
    const char *mark;     /* its comment (mark.h) */
    const char *body;     /* of OBJECT_FUNCTION, as pg_proc.prosrc has it; else NULL */
    bool has_settings;    /* of OBJECT_FUNCTION: it has a search_path and others of its own */
    const char *sql;      /* the statements that create it, its comment included */
    int events;           /* of OBJECT_TRIGGER: TRIGGER_ON_... */
    const char *whole; /* of a row trigger: an SQL literal, requests for all rows of the table with
                             a comma before each; else NULL */
    const char *why;   /* for people: the entries that need it and what it does */
    struct trigger_object *next;
};

/* In the order of creation: an object uses only those before it. Zero-initialise. */
struct trigger_objects {
    struct trigger_object *first;
    struct trigger_object **end; /* NULL: the list is empty */
    uint32_t count;
};

/* Appends the object, which belongs to the caller, unless the list has one of its identity. */
void trigger_objects_add(struct trigger_objects *objects, struct trigger_object *object);

/* NULL: the list has no object of that identity. */
const struct trigger_object *trigger_objects_find(const struct trigger_objects *objects,
                                                  const char *identity);

/* How people call that kind. */
const char *trigger_object_kind_name(enum trigger_object_kind kind);

#endif
