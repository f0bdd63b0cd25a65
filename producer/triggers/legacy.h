/* Triggers of the original generator on tables that the configuration does not name. They write ops
 * of fields that other triggers may own by now. `triggers apply` leaves them alone, because the
 * configuration of another index could need them. One thread, as the session.
 *
 * Such a trigger has the name that the original generator gave it, no comment, and a function that
 * mentions the outbox.
 */
#ifndef PRODUCER_TRIGGERS_LEGACY_H
#define PRODUCER_TRIGGERS_LEGACY_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

struct legacy_trigger {
    const char *message; /* which trigger it is, and what to do */
    const struct legacy_trigger *next;
};

/* In `arena`. NULL in `*first`: nothing was found. Finds tables by the session's search_path. */
int legacy_find(struct pg *pg, const struct config *config, struct arena *arena,
                const struct legacy_trigger **first, struct error *err);

#endif
