/* The SQL of an entry: its functions and triggers, named by a hash of what they do, so that another
 * definition is another object and the same one is left alone. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_GENERATE_H
#define PRODUCER_TRIGGERS_GENERATE_H

#include "producer/triggers/entry.h"

/* A trigger and its function, which stands in the outbox's schema. */
struct trigger_object {
    const struct entry *entry;
    const char *table;    /* quoted, with its schema */
    const char *name;     /* of the trigger */
    const char *function; /* quoted, with its schema */
    const char *mark;     /* the comment of both: says that they are ours, and the whole hash */
    const char *body;     /* as pg_proc keeps it */
    const char *sql;      /* makes both */
    struct trigger_object *next;
};

/* In the order in which they were added. */
struct trigger_objects {
    struct trigger_object *first;
    struct trigger_object **end; /* NULL: empty */
    uint32_t count;
};

/* Appends the objects of `entry`, which has been read from the catalogue, but for those that are
 * there already, as another entry's. They live in `arena` and
 * point to `entry`. */
void generate_objects(const struct entry *entry, struct arena *arena,
                      struct trigger_objects *objects);

/* Appends how the comments of our objects begin: whose they are is said by the outbox's schema. */
void generate_append_mark(struct buffer *out, const char *outbox_schema);

#endif
