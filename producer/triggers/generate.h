/* The SQL of an entry: its triggers and their functions. Their names carry a hash of their
 * definition, so that another definition is another object, and an object with the same definition
 * is left as it is. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_GENERATE_H
#define PRODUCER_TRIGGERS_GENERATE_H

#include "common/base/memory.h"
#include "producer/triggers/entry.h"

/* Bits of pg_trigger.tgtype. */
enum {
    TRIGGER_ON_INSERT = 4,
    TRIGGER_ON_DELETE = 8,
    TRIGGER_ON_UPDATE = 16,
    TRIGGER_ON_TRUNCATE = 32,
};

/* A trigger and its function, which is in the schema of the outbox. */
struct trigger_object {
    const struct entry *entry;
    const char *table;    /* quoted, with its schema */
    const char *name;     /* of the trigger */
    const char *function; /* quoted, with its schema */
    const char *mark;     /* the COMMENT of both: our prefix and the whole hash */
    const char *body;     /* as pg_proc.prosrc has it */
    int events;           /* TRIGGER_ON_... */
    const char *sql;      /* the statements that create both */
    struct trigger_object *next;
};

/* In the order in which they were appended. Zero-initialise. */
struct trigger_objects {
    struct trigger_object *first;
    struct trigger_object **end; /* NULL: the list is empty */
    uint32_t count;
};

/* Appends the objects of `entry`, which has been read from the catalogue, except for those that
 * another entry has appended already. They live in `arena` and point to `entry`. */
void generate_objects(const struct entry *entry, struct arena *arena,
                      struct trigger_objects *objects);

/* Appends the prefix of the comments of our objects. It names the schema of the outbox, so that two
 * outboxes in one database do not touch each other's objects. */
void generate_append_mark(struct buffer *out, const char *outbox_schema);

#endif
