/* The targets of owed requests, each with the rows that ask for it: found by the target, and in the
 * order in which they became owed. Pure; one thread. For this room only.
 *
 * A target without rows is forgotten, unless it is paused: then the next row that asks for it waits
 * until the pause is over. Whole sources, which a load answers, are a list of their own.
 */
#ifndef PRODUCER_REFRESH_OWED_TARGETS_H
#define PRODUCER_REFRESH_OWED_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include "producer/refresh/request.h"

struct owed_row;

struct owed_target {
    struct request request; /* its texts are in the memory of the target */
    uint64_t hash;
    struct owed_target *chain;          /* of the same bucket */
    struct owed_list *list;             /* that it is in */
    struct owed_target *before, *after; /* in its list */
    int64_t due_us;                     /* the end of the pause */
    struct owed_row **rows; /* that ask for it, from `begin` on, in the order in which they came */
    int64_t *ids;           /* of these rows */
    uint32_t begin;
    uint32_t end;
    uint32_t capacity;
    uint64_t bytes; /* of its texts */
};

struct owed_list {
    struct owed_target *first, *last;
};

struct owed_targets {
    struct owed_target **buckets;
    uint32_t bucket_count; /* a power of 2; 0 before the first target */
    uint32_t count;
    uint64_t text_bytes;
    struct owed_list queue;   /* with rows, oldest first */
    struct owed_list paused;  /* perhaps without rows */
    struct owed_list sources; /* with rows: REQUEST_SOURCE */
};

void owed_targets_free(struct owed_targets *targets);

/* The target of the request, which is copied if it is a new one. A new one has no row yet, and the
 * caller appends one. */
struct owed_target *owed_targets_get(struct owed_targets *targets, const struct request *request);
void owed_target_append(struct owed_target *target, struct owed_row *row, int64_t id);

/* Takes the first `count` rows from the target, which then waits until `due_us` (0: it does not).
 * The target may be forgotten. */
void owed_targets_answer(struct owed_targets *targets, struct owed_target *target, uint32_t count,
                         int64_t now_us, int64_t due_us);

/* Ends the pauses that are over at `now_us`. */
void owed_targets_wake(struct owed_targets *targets, int64_t now_us);

#endif
