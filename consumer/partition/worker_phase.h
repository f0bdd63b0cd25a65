/* The phases of a worker and the transitions between them. Pure.
 *
 *     RECOVERING --> RESUMING --+--> RUNNING <-> REBUILDING
 *                               |       |            |  ^
 *                               |       +--> LOST <--+  |
 *                               +-----------------------+
 *     any of these --> STOPPING --> STOPPED
 *
 * The phase says what the worker does. It is not the state that the shard publishes: a worker that
 * is RUNNING may be published as waiting, stalled or full (shard.h).
 */
#ifndef CONSUMER_PARTITION_WORKER_PHASE_H
#define CONSUMER_PARTITION_WORKER_PHASE_H

#include <stdbool.h>

enum worker_phase {
    WORKER_RECOVERING, /* loads the newest checkpoint and replays the log; nothing is served */
    WORKER_RESUMING,   /* finds out from the committed offset where to continue (resumer.h) */
    WORKER_RUNNING,    /* reads the partition into the replica that queries read */
    WORKER_REBUILDING, /* the same, and into a second replica (rebuilder.h) */
    WORKER_LOST,       /* serves what it holds: another member may own the partition */
    WORKER_STOPPING,   /* saves the position, commits it, ends checkpoints */
    WORKER_STOPPED,    /* the thread does nothing more */
    WORKER_PHASES
};

/* "recovering", "resuming", ... */
const char *worker_phase_name(enum worker_phase phase);

/* Does the picture above have an arrow from `from` to `to`? */
bool worker_phase_leads_to(enum worker_phase from, enum worker_phase to);

/* The only function that changes a phase. Any other transition is a programming error. */
void worker_phase_move(enum worker_phase *phase, enum worker_phase to);

#endif
