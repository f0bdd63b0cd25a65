/* Verification in the drain: what jobs of verify and check and the patrol (load/verifier.h) read is
 * sent directly after the window in whose transaction it was read, like the steps of loads
 * (loads.h, which calls this module). The drain's thread.
 *
 * What is sent says what every shard has to hold at that place. So nothing is sent while requests
 * are owed, whose answers follow later: it is read again then.
 */
#ifndef PRODUCER_DRAIN_CHECKS_H
#define PRODUCER_DRAIN_CHECKS_H

#include "producer/drain/session.h"
#include "producer/load/verifier.h"

/* Between two looks for jobs, of loads too. Whoever asks for one waits for it. */
enum { JOBS_POLL_MS = 250 };

struct checks;

/* `session` has taken over, and outlives it. */
struct checks *checks_create(struct session *session);
/* NULL does nothing. */
void checks_destroy(struct checks *checks);

/* The same as of loads. */
int checks_prepare(struct checks *checks, const char **tables, struct error *err);
int checks_read(struct checks *checks, struct error *err);
void checks_fail(struct checks *checks, const struct error *why);
bool checks_have_step(const struct checks *checks);
int checks_send(struct checks *checks, struct error *err);

/* What was read is not sent. */
void checks_drop(struct checks *checks);

struct verifier_view checks_view(const struct checks *checks);

#endif
