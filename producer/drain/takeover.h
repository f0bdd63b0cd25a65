/* The takeover: fills a session, and proves what must hold before it sends its first row, in the
 * order of the laws:
 *
 *     source    connect, ask the guards, take the lock on the name (a standby waits here)
 *     topic     check its shape, and that nothing on it is later than the cursor (L3)
 *     original  where the database may be a copy: no producer of the original writes marks (F101)
 *     cursor    take a new generation: every earlier one is fenced off and saves nothing any more
 *     fence     send it, wait until all partitions acknowledge it, and check the topic up to it
 *
 * On a new timeline the same steps decide whether the epoch continues (F104). Commits may be lost
 * there, but not those that the saved window contains: its INSERT commits after everything that its
 * s2 sees. What was sent later is on the topic after the saved offsets, with a later tick or
 * generation. So nothing that was sent is lost when every partition still has all its messages
 * after the saved offset, and they hold nothing later than the cursor. Then the new timeline is
 * saved; otherwise the session ends with ERR_FATAL, and `cursor adopt` opens a new epoch.
 */
#ifndef PRODUCER_DRAIN_TAKEOVER_H
#define PRODUCER_DRAIN_TAKEOVER_H

#include "producer/drain/session.h"

/* `session` is initialised; session_close() is due whatever this returns. `*event_bytes_max`, 0 at
 * first, becomes the greatest max.message.bytes that the topic has had in this run: a limit that is
 * lowered makes no dead letter of a row that is already on the topic. Returns 0, a negative ERR_*,
 * or SESSION_STOPPED. */
int takeover_run(struct session *session, int64_t *event_bytes_max, struct error *err);

#endif
