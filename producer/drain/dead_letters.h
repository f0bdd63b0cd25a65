/* The dead letters of one window: its rows that cannot be events, or not with all their values
 * (L9).
 *
 * A row that cannot be an event goes to the same partitions as a valid row of its kind, and a small
 * rejected event takes its seq in each; so does a row that has lost all its ops. A row with values
 * that no event carries is sent without them (L12). The dead letter is stored before the event is
 * sent.
 *
 * A row must be the same in all partitions (F79). In a window that is resumed, another version of
 * the program, or one with other limits, may have judged rows before, and consumers may have seen
 * what it sent. Therefore a stored dead letter decides again: a rejected row is rejected, and a row
 * lacks the same values. A row of which this version would reject more is searched for on the
 * topic: if any partition has it, it is sent again as it is there.
 *
 * The drain's thread.
 */
#ifndef PRODUCER_DRAIN_DEAD_LETTERS_H
#define PRODUCER_DRAIN_DEAD_LETTERS_H

#include "common/event/event.h"
#include "common/ops/ops_invalid.h"
#include "producer/drain/session.h"

struct dead_letters;

/* `session` outlives it. `resumed`: rows of the window may have been sent before. */
struct dead_letters *dead_letters_create(struct session *session, bool resumed);
void dead_letters_destroy(struct dead_letters *letters);

/* Before the rows after_id < id <= last_id: reads what was stored about them. */
int dead_letters_load(struct dead_letters *letters, int64_t after_id, int64_t last_id,
                      struct error *err);
/* What was stored of a row; `reason` NULL: nothing. */
struct dead_letters_verdict {
    const char *reason;
    bool is_partial;              /* the row is sent without some values, else it is rejected */
    struct ops_invalids invalids; /* partial: these values */
};
/* Row ids grow from call to call. The verdict is valid until the next dead_letters_load(). */
struct dead_letters_verdict dead_letters_find_stored(struct dead_letters *letters, int64_t row_id);

/* Finds the ops of a row as it was accepted and sent before, in `arena`; `*ops` is NULL when no
 * partition has it. Leaves `err` as it is unless it fails. */
int dead_letters_find_accepted(struct dead_letters *letters, int64_t row_id, struct arena *arena,
                               const struct ops **ops, struct error *err);

/* Makes `event` a rejected one; its reason is valid until the next call. */
void dead_letters_reject(struct dead_letters *letters, struct event *event, const char *reason);
/* The same, and keeps a dead letter to be stored. Not when full. */
void dead_letters_add(struct dead_letters *letters, struct event *event, const char *reason);
/* Keeps a dead letter about the values that `event` lacks, and rejects it when it has no op. */
void dead_letters_add_values(struct dead_letters *letters, struct event *event,
                             const struct ops_invalids *invalids);
bool dead_letters_full(const struct dead_letters *letters);
/* Stores what was added. */
int dead_letters_store(struct dead_letters *letters, struct error *err);

#endif
