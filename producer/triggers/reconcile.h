/* Makes the triggers of a database equal to the configuration: the objects that should exist, those
 * that exist, and the changes from one to the other.
 *
 * Which objects are ours says in_place.h. No other object is changed. Everything lives in the arena
 * that the caller passes. One thread, as the session.
 */
#ifndef PRODUCER_TRIGGERS_RECONCILE_H
#define PRODUCER_TRIGGERS_RECONCILE_H

#include <stdbool.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"
#include "producer/triggers/in_place.h"
#include "producer/triggers/object.h"

/* The objects that should exist. */
struct reconcile_plan {
    const char *outbox_schema;
    struct entry *entries;
    uint32_t entry_count;
    struct trigger_objects objects;
};

struct reconcile_change {
    const char *table; /* quoted; "" for an object that no table of its own is known of */
    const char *label; /* for the operator: "+ trigger ..." or "- trigger ..." */
    const char *sql;
    bool is_done;
    struct reconcile_change *next;
};

/* In the order in which they have to be made. Zero-initialise. */
struct reconcile_changes {
    struct reconcile_change *first;
    struct reconcile_change **end; /* NULL: the list is empty */
    uint32_t count;
};

/* Completes the entries of the configuration from the catalogue and generates their objects.
 * ERR_USAGE as catalogue_read(). */
int reconcile_plan(struct pg *pg, const struct config *config, struct arena *arena,
                   struct reconcile_plan *plan, struct error *err);

/* Likewise without an outbox, whose schema is assumed to be public: before `init`, the entries of
 * the plan say what they would read. */
int reconcile_plan_before_init(struct pg *pg, const struct config *config, struct arena *arena,
                               struct reconcile_plan *plan, struct error *err);

/* A plan without entries, by which all of our objects are removed. */
int reconcile_plan_nothing(struct pg *pg, struct arena *arena, struct reconcile_plan *plan,
                           struct error *err);

/* Appends the changes that make the database equal to the plan. Takes no lock that a writer waits
 * for. */
int reconcile_compare(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                      struct reconcile_changes *changes, struct error *err);

/* Likewise from what is in place already. Pure. */
void reconcile_compare_objects(const struct trigger_objects *objects,
                               const struct in_place *in_place, struct arena *arena,
                               struct reconcile_changes *changes);

/* Checks that the owners of our functions and views have the rights that these need; with `as_self`
 * that the role of this session has them, and what `apply` needs: it creates objects in the schema
 * of the outbox, and owns the tables. ERR_FATAL names the first right that is missing. */
int reconcile_check_rights(struct pg *pg, const struct reconcile_plan *plan, bool as_self,
                           struct error *err);

/* Makes the changes of the next table in one transaction, which waits for its locks for a second.
 * False in `*found`: all changes are made. ERR_RETRY: a lock was not granted, and nothing of this
 * table was changed. */
int reconcile_apply_next(struct pg *pg, struct reconcile_changes *changes, bool *found,
                         struct error *err);

#endif
