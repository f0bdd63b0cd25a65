/* The fields that the triggers in place cover: every change of them reaches the outbox. Marks carry
 * them.
 */
#ifndef PRODUCER_TRIGGERS_COVERED_H
#define PRODUCER_TRIGGERS_COVERED_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

/* The names of fields, each once, in `arena` or the configuration. "" is existence. */
struct covered_fields {
    const struct text *names;
    uint32_t count;
};

/* Reads which entries of `triggers` have all their objects in place, as the configuration has them
 * (reconcile.h), and collects what these set. Nothing is locked or changed, apart from the
 * search_path of the session (catalogue.h). Errors as of reconcile_plan(). */
int covered_fields_read(struct pg *pg, const struct config *config, struct arena *arena,
                        struct covered_fields *fields, struct error *err);

#endif
