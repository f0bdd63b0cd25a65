/* The dead letters of one window: its rows that cannot be events (L9).
 *
 * Such a row goes to the same partitions as a valid row of its kind, and a small rejected event
 * takes its seq in each. Its dead letter is stored before the rejected event is sent.
 *
 * A row must be accepted in all partitions or rejected in all (F79). In a window that is resumed,
 * another version of the program, or one with other limits, may have judged rows before, and
 * consumers may have seen what it sent. Therefore a row with a stored dead letter is rejected
 * again. A row without one that this version would reject is searched for on the topic: if any
 * partition has it, it was accepted, and is sent again unchanged.
 *
 * The drain's thread.
 */
#ifndef PRODUCER_DRAIN_DEAD_LETTERS_H
#define PRODUCER_DRAIN_DEAD_LETTERS_H

#include "common/event/event.h"
#include "producer/drain/session.h"

struct dead_letters;

/* `session` outlives it. `resumed`: rows of the window may have been sent before. */
struct dead_letters *dead_letters_create(struct session *session, bool resumed);
void dead_letters_destroy(struct dead_letters *letters);

/* Before the rows after_id < id <= last_id: reads what was stored about them. */
int dead_letters_load(struct dead_letters *letters, int64_t after_id, int64_t last_id,
                      struct error *err);
/* The reason of the row's stored dead letter; NULL: it has none. Row ids grow from call to call. */
const char *dead_letters_find_stored(struct dead_letters *letters, int64_t row_id);

/* Finds the ops of a row as it was accepted and sent before, in `arena`; `*ops` is NULL when no
 * partition has it. Leaves `err` as it is unless it fails. */
int dead_letters_find_accepted(struct dead_letters *letters, int64_t row_id, struct arena *arena,
                               const struct ops **ops, struct error *err);

/* Makes `event` a rejected one; its reason is valid until the next call. */
void dead_letters_reject(struct dead_letters *letters, struct event *event, const char *reason);
/* The same, and keeps a dead letter to be stored. Not when full. */
void dead_letters_add(struct dead_letters *letters, struct event *event, const char *reason);
bool dead_letters_full(const struct dead_letters *letters);
/* Stores what was added. */
int dead_letters_store(struct dead_letters *letters, struct error *err);

#endif
