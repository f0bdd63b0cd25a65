/* The fields that the triggers in place cover: every change of them reaches the outbox. Marks carry
 * them, and consumers hold a field complete only as long as they do.
 *
 * A field is covered when for every trigger that the configuration needs for it, triggers of ours
 * on the same table are enabled for all of its events, and say that they cover the field: in their
 * marks (mark.h), or without a list there, in the ops that their functions write. They need not be
 * the triggers that the configuration has now: what an earlier version of the generator made covers
 * its fields until `triggers apply` replaces it, and a field that is added to an entry leaves the
 * others covered. A trigger of the configuration whose function was replaced covers nothing.
 */
#ifndef PRODUCER_TRIGGERS_COVERED_H
#define PRODUCER_TRIGGERS_COVERED_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/triggers/in_place.h"
#include "producer/triggers/reconcile.h"

/* The names of fields, each once, in an arena or the configuration. "" is existence. */
struct covered_fields {
    const struct text *names;
    uint32_t count;
};

/* Finds them for a plan and the objects that are in the database. Pure. */
void covered_fields_find(const struct reconcile_plan *plan, const struct in_place *in_place,
                         struct arena *arena, struct covered_fields *fields);

bool covered_fields_has(const struct covered_fields *fields, struct text name);

/* How many fields of the configuration's triggers are not covered, existence among them; `first` is
 * one of these. */
uint32_t covered_fields_missing(const struct covered_fields *fields, const struct config *config,
                                struct text *first);

/* Reads the triggers of the database and finds the fields, for a plan. Locks and changes nothing.
 * ERR_USAGE: they are more fields than an index may have, which a mark could not name. */
int covered_fields_read_plan(struct pg *pg, const struct reconcile_plan *plan, struct arena *arena,
                             struct covered_fields *fields, struct error *err);

/* Likewise for the plan of a configuration, which changes the search_path of the session
 * (catalogue.h). Errors as of reconcile_plan(), too. */
int covered_fields_read(struct pg *pg, const struct config *config, struct arena *arena,
                        struct covered_fields *fields, struct error *err);

#endif
