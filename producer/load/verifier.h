/* The verifier: works the jobs of verify and check of one session of the producer off, range by
 * range, and patrols while no job waits.
 *
 * It is asked like the loader (loader.h): the drain lets it read in the transaction whose snapshot
 * is the end of a window, and sends what it has read directly after that window: the sums of a
 * range, or its rows as chunks that are only compared. A job has no marks; it moves on when what it
 * sent is acknowledged. The patrol is a verify of everything that begins again when it has come to
 * the end, as job 0; it begins anywhere, so that restarts do not keep it from later ranges.
 *
 * An outage of the reading's session is not one of the drain: the range is read again later. What
 * Postgres or the configuration refuses ends the job as failed, and lets the patrol pause. One
 * thread.
 */
#ifndef PRODUCER_LOAD_VERIFIER_H
#define PRODUCER_LOAD_VERIFIER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/job.h"
#include "producer/load/load_chunk.h"
#include "producer/load/sum_reader.h"
#include "producer/load/window_reading.h"
#include "producer/source/cursor.h"

struct verifier;

/* Everything outlives the verifier. */
struct verifier_options {
    const struct config *config;
    const struct cursor_owner *owner;
    uint32_t event_bytes_max; /* of an encoded event */
    /* Called several times a second while the verifier reads. Anything but 0 ends the reading. */
    int (*heartbeat)(void *context);
    void *context;
};

/* What was read. */
enum verifier_step {
    VERIFIER_NOTHING,
    VERIFIER_SUMS,  /* is to be sent: the sums of a range */
    VERIFIER_CHUNK, /* is to be sent: the rows of a range, to be compared */
    VERIFIER_END,   /* nothing is to be sent: the job ends */
};

/* For the status. */
struct verifier_view {
    int64_t job;       /* 0: none, or the patrol */
    const char *stage; /* of the job, or "patrol"; "": nothing is verified */
    double ratio;      /* of its ranges, 0 to 1; negative: unknown */
    const char *error; /* why its step has to be repeated; "": nothing */
    int64_t rows;      /* values that were summed, or rows that were read */
};

struct verifier *verifier_create(const struct verifier_options *options);
/* NULL does nothing. */
void verifier_destroy(struct verifier *verifier);

/* Looks for a job, or at what was done to the present one; `cursor` is the session of the cursor.
 * Four times a second. */
int verifier_poll(struct verifier *verifier, struct pg *cursor, struct error *err);

/* Something should be read now. */
bool verifier_is_due(const struct verifier *verifier);

/* The same as of the loader (loader.h). */
int verifier_prepare(struct verifier *verifier, struct window_reading *reading, const char **tables,
                     struct error *err);
int verifier_read(struct verifier *verifier, struct window_reading *reading, struct error *err);
void verifier_fail(struct verifier *verifier, const struct error *why);
enum verifier_step verifier_step(const struct verifier *verifier);

/* Of VERIFIER_SUMS, by partition; and of VERIFIER_CHUNK. Valid until the step ends. */
struct sum *verifier_sums(struct verifier *verifier);
const struct load_chunk *verifier_chunk(const struct verifier *verifier);

/* What was read cannot be sent at the end of this window: it will be read again. */
void verifier_drop(struct verifier *verifier);
/* No event can carry the step, for the reason in `why`. The job will end as failed. */
void verifier_reject(struct verifier *verifier, const struct error *why);
/* The step is acknowledged, in window `tick`: saves the place after it, or the end of the job. */
int verifier_acknowledge(struct verifier *verifier, struct pg *cursor, int64_t tick,
                         struct error *err);

struct verifier_view verifier_view(const struct verifier *verifier);

#endif
