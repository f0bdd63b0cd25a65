/* The database session in which a command examines the source tables before it queues a job. Main
 * thread.
 */
#ifndef PRODUCER_COMMANDS_SOURCE_SESSION_H
#define PRODUCER_COMMANDS_SOURCE_SESSION_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

/* Connects, and checks the guards of the outbox and the rights to read the source tables. A
 * statement of the session waits 3 s for a lock at most. The caller closes `*pg`; on an error there
 * is nothing to close. */
int source_session_open(const struct config *config, const char *application, struct pg **pg,
                        struct error *err);

#endif
