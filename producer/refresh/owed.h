/* What is owed: the requests of delivered outbox rows that no acknowledged answer has named yet.
 *
 * A row is owed until each of its targets is answered. Rows belong to the windows that contained
 * them. The oldest window that owes something determines `answered`, which is saved with every
 * window: all requests that this snapshot sees are answered. After a restart the owed rows are
 * those of the outbox that `answered` does not see.
 *
 *     window --> held rows --> targets, oldest first --> answered
 *           \--> rest: a part of the outbox that is read (again) when there is room
 *
 * At most a given number of requests is held. Above it the rows of a window, and of all windows
 * after it, are only counted: they are its rest. What a restart finds is a rest as well, of which
 * not even the number is known, so that each partition owes one more. Pure; one thread.
 */
#ifndef PRODUCER_REFRESH_OWED_H
#define PRODUCER_REFRESH_OWED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/event/snapshot.h"
#include "producer/refresh/request.h"
#include "producer/refresh/row_requests.h"
#include "producer/source/cursor.h"

struct owed;
struct owed_target;

/* The window of a row, which is delivered or about to be. */
struct owed_place {
    int64_t tick;
    const struct snapshot *s1; /* copied where they are kept */
    const struct snapshot *s2;
    int64_t now_us; /* monotonic */
};

/* A row of the outbox that asks for something. */
struct owed_entry {
    int64_t row_id;
    int32_t partition;            /* of its entity; -1: all of them, it asks for parents */
    struct row_requests requests; /* at least one */
};

/* One target to be read, and the rows that ask for it. Valid until the next change. */
struct owed_item {
    struct owed_target *target;
    const struct request *request;
    const int64_t *rows; /* in the order in which they became owed */
    uint32_t row_count;
};

/* A part of the outbox: the rows between two snapshots with after_id < id <= up_to_id. */
struct owed_rest {
    const struct snapshot *s1;
    const struct snapshot *s2;
    int64_t after_id; /* OUTBOX_FIRST_ROW: from the first on */
    int64_t up_to_id;
};

/* Holds up to about `requests_max` requests. */
struct owed *owed_create(int32_t partitions, int64_t requests_max);
/* NULL does nothing. */
void owed_destroy(struct owed *owed);

/* After a restart at the saved window: what of it and before it is owed becomes a rest. Rows of the
 * window that are sent again are added as they are sent. */
void owed_restore(struct owed *owed, const struct cursor_window *window, int64_t now_us);

/* A row becomes owed. Windows follow in the order of their ticks, and rows of a window in that of
 * their ids. */
void owed_add(struct owed *owed, const struct owed_place *place, const struct owed_entry *entry);

/* There is a rest, and room for it. */
bool owed_wants_rest(const struct owed *owed);
/* The oldest rest. */
struct owed_rest owed_rest(const struct owed *owed);
/* Takes a row of it. False: there is no room any more, and the row stays in the rest. */
bool owed_take(struct owed *owed, const struct owed_entry *entry);
/* All rows of the rest up to `last_id` were taken; `is_last`: so were the others. */
void owed_pass_rest(struct owed *owed, int64_t last_id, bool is_last);

/* Fills `items` with up to `max` targets that may be read at `now_us`, oldest first; returns their
 * number. */
uint32_t owed_list(struct owed *owed, int64_t now_us, struct owed_item *items, uint32_t max);
/* The source after `item` (zeroed: the first) that waits for a load. False: there are no more. */
bool owed_next_source(const struct owed *owed, struct owed_item *item);
/* That of one entry, or of REQUEST_UNKNOWN_ENTRY. False: nothing waits for its load. */
bool owed_find_source(const struct owed *owed, uint32_t entry, struct owed_item *item);
/* How many targets of the item's row `index` are not answered. */
uint32_t owed_item_pending(const struct owed_item *item, uint32_t index);

/* The first `count` rows that ask for the target are answered, as far as they do that. Rows that
 * ask for it later wait until `due_us`; 0: they do not wait. */
void owed_answer(struct owed *owed, struct owed_target *target, uint32_t count, int64_t now_us,
                 int64_t due_us);

bool owed_is_empty(const struct owed *owed);
/* How many rows are owed to a partition; of a rest that was not counted, one. */
int64_t owed_count(const struct owed *owed, int32_t partition);
/* The same of all partitions, each row once. */
int64_t owed_count_all(const struct owed *owed);
/* Monotonic: when the oldest became owed, or was found after a restart; 0: nothing is owed. */
int64_t owed_oldest_us(const struct owed *owed);
/* The s1 of the oldest window that owes; NULL: nothing is owed. */
const struct snapshot *owed_answered(const struct owed *owed);

#endif
