/* The objects of ours (object.h) that are in a database, whether the configuration has them or not.
 * One thread, as the session. Takes no lock that a writer waits for.
 *
 * An object is ours when its comment begins with our mark (mark.h). The original generator left no
 * comments; its triggers are recognised by their names, on tables of the configuration only.
 */
#ifndef PRODUCER_TRIGGERS_IN_PLACE_H
#define PRODUCER_TRIGGERS_IN_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/pg/pg.h"
#include "producer/triggers/object.h"

struct in_place_object {
    enum trigger_object_kind kind;
    const char *table; /* as trigger_object.table; "": no table, or several, use the function */
    const char *name;
    const char *identity; /* as trigger_object.identity */
    const char *mark;     /* "": an object of the original generator */
    const char *body;     /* of a function; of a trigger, that of its function */
    /* Of OBJECT_FUNCTION: it runs as its owner, and with a fixed search_path if it has settings. Of
     * OBJECT_TRIGGER: it is ENABLE ALWAYS, in every partition too. */
    bool is_set;
    bool has_settings; /* of OBJECT_FUNCTION */
    /* Of OBJECT_TRIGGER. */
    const char *on;
    const char *function;  /* quoted, with its schema and parentheses */
    int events;            /* TRIGGER_ON_..., on which it fires in every partition */
    const char *disabled;  /* the table or partitions in which it does not fire; "" for none */
    bool has_own_function; /* the function has no comment, and no other trigger calls it */
};

struct in_place {
    const struct in_place_object *objects; /* in the order in which they can be dropped */
    uint32_t count;
};

/* Reads them into `arena`. The tables of the configuration are those of `objects`. */
int in_place_read(struct pg *pg, const char *outbox_schema, const struct trigger_objects *objects,
                  struct arena *arena, struct in_place *in_place, struct error *err);

/* Replaces `version` by a text that is another one after triggers or functions of ours have been
 * created, dropped, altered, enabled or disabled, in any partition. Reads little of the
 * catalogue. */
int in_place_read_version(struct pg *pg, struct buffer *version, struct error *err);

#endif
