/* Answers in the drain: what is owed (refresh/owed.h) is read at the ends of windows, and sent
 * after them.
 *
 *     read     in the transaction whose snapshot is the end of the window: the requests of that
 *              window and everything else that is owed, the oldest first, up to 0.3 s and 8 MB
 *     send     right after the rows of the window, when its letters are stored
 *     answer   when that is acknowledged, the rows that the chunks name are owed no more
 *
 * Many requests for one target are one reading. A parent that is expensive to read is read again
 * only after a pause, so that reading it takes the share of the time that loads have. A session
 * that ends in between forgets what was read: the rows are still owed to the next one. The drain's
 * thread.
 */
#ifndef PRODUCER_DRAIN_REFRESHES_H
#define PRODUCER_DRAIN_REFRESHES_H

#include "producer/drain/session.h"
#include "producer/drain/source_loads.h"

struct refreshes;

/* `session` has taken over. It and `loads`, whose rows are answered here as well, outlive it. */
struct refreshes *refreshes_create(struct session *session, struct source_loads *loads);
/* NULL does nothing. */
void refreshes_destroy(struct refreshes *refreshes);

/* Before the transaction at the end of a window is begun: what takes a session of the database for
 * itself. */
int refreshes_prepare(struct refreshes *refreshes, struct error *err);
/* Reads a turn in the open transaction of the session, which is dropped if that fails. */
int refreshes_read(struct refreshes *refreshes, struct error *err);

/* Something was read and is to be sent. */
bool refreshes_have_answers(const struct refreshes *refreshes);
/* Sends it after the rows of the window, which is saved, and waits until it is acknowledged. */
int refreshes_send(struct refreshes *refreshes, struct error *err);

/* For the status. */
void refreshes_publish(struct refreshes *refreshes);

#endif
