/* Everything that `check` can say of the source tables and their triggers in one run: what does not
 * work, what is not guaranteed, what it costs.
 *
 * An entry that cannot be read is a condition itself and hides no other: what is known of it, as
 * its tables, is examined like the rest. Only reads the catalogue. One thread, as the session.
 */
#ifndef PRODUCER_TRIGGERS_CONDITIONS_H
#define PRODUCER_TRIGGERS_CONDITIONS_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/triggers/condition.h"

/* Appends to `list` what is found. Before `init` (there is no outbox) its schema is assumed to be
 * public, and triggers are not compared with the configuration. Resets the session's search_path.
 * An error ends the reading: the database did not answer, or a query of ours failed. */
int conditions_read(struct pg *pg, const struct config *config, bool has_outbox,
                    struct condition_list *list, struct error *err);

#endif
