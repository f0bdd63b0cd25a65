/* Keeps the triggers of a database equal to the configuration: what there should be, what there is,
 * and the changes from one to the other.
 *
 * Ours are the triggers and functions whose comment begins with our mark; those of the original
 * generator have none, and are known by their names on a table of the configuration. Nothing else
 * is touched. Everything lives in the arena that the caller gives.
 */
#ifndef PRODUCER_TRIGGERS_RECONCILE_H
#define PRODUCER_TRIGGERS_RECONCILE_H

#include "common/pg/pg.h"
#include "producer/triggers/generate.h"

/* What there should be. */
struct reconcile_plan {
    const char *outbox_schema;
    struct entry *entries;
    uint32_t entry_count;
    struct trigger_objects objects;
};

struct reconcile_change {
    const char *table; /* quoted; "" for a function that lost its trigger */
    const char *label; /* for people: "+ trigger ..." */
    const char *sql;
    bool is_done;
    struct reconcile_change *next;
};

struct reconcile_changes {
    struct reconcile_change *first;
    struct reconcile_change **end; /* NULL: empty */
    uint32_t count;
};

/* Reads the configuration's entries against the catalogue and generates their objects. ERR_USAGE
 * as catalogue_read(). */
int reconcile_plan(struct pg *pg, const struct config *config, struct arena *arena,
                   struct reconcile_plan *plan, struct error *err);

/* Without entries: what is left when all of ours goes. */
int reconcile_plan_nothing(struct pg *pg, struct arena *arena, struct reconcile_plan *plan,
                           struct error *err);

/* Compares with what there is. Takes no lock that a writer would notice. */
int reconcile_compare(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                      struct reconcile_changes *changes, struct error *err);

/* Have the owners of our functions, or this session's role when `as_self`, the rights that these
 * need? ERR_FATAL names the first that is missing. */
int reconcile_check_rights(struct pg *pg, const struct reconcile_plan *plan, bool as_self,
                           struct error *err);

/* Makes the next table's changes, in one transaction that waits a second for its locks. False in
 * `*found`: all are done. ERR_RETRY: they could not be had; nothing of this table changed. */
int reconcile_apply_next(struct pg *pg, struct reconcile_changes *changes, bool *found,
                         struct error *err);

#endif
