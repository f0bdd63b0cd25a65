/* The loader: works the jobs of one session of the producer off, step by step (job_place.h).
 *
 * The drain asks it four times a second which job is next, and at the end of a window to read in
 * the transaction whose snapshot is that end (window_reading.h). What was read is kept until the
 * drain has sent it after that window, and the job moves on when the drain says that all of it is
 * acknowledged. A loader that is destroyed before that loses only what it has read.
 *
 * An outage of the reading's session is not one of the drain: the step is repeated later. What
 * Postgres or the configuration refuses ends the job as failed. One thread.
 */
#ifndef PRODUCER_LOAD_LOADER_H
#define PRODUCER_LOAD_LOADER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/csv_source.h"
#include "producer/load/job.h"
#include "producer/load/load_chunk.h"
#include "producer/load/window_reading.h"
#include "producer/source/cursor.h"
#include "producer/triggers/covered.h"

struct loader;

/* Everything outlives the loader. */
struct loader_options {
    const struct config *config;
    const struct cursor_owner *owner;
    uint32_t event_bytes_max; /* of an encoded event */
    /* NULL: jobs read the database. Otherwise the loader works only on this job. */
    const struct csv_request *csv;
    /* Called several times a second while the loader reads. Anything but 0 ends the reading. */
    int (*heartbeat)(void *context);
    void *context;
};

/* What was read and is to be sent. */
enum loader_step {
    LOADER_NOTHING,
    LOADER_BEGIN,  /* the begin mark */
    LOADER_CHUNK,  /* a chunk of the ranges */
    LOADER_PASS,   /* a part of a pass */
    LOADER_END,    /* the end mark */
    LOADER_SILENT, /* nothing: the job ended before it began */
};

/* For the status. */
struct loader_view {
    int64_t job;       /* 0: none */
    const char *stage; /* of the job; "" without one */
    double ratio;      /* of its ranges, 0 to 1; negative: unknown */
    const char *error; /* why its step has to be repeated; "": nothing */
    struct job_counts counts;
};

struct loader *loader_create(const struct loader_options *options);
/* NULL does nothing. */
void loader_destroy(struct loader *loader);

/* Looks for a job, or at what was done to the present one; `cursor` is the session of the cursor.
 * Four times a second. */
int loader_poll(struct loader *loader, struct pg *cursor, struct error *err);

/* A step of a job should be read now. */
bool loader_is_due(const struct loader *loader);

/* Before the transaction at the end of the window is begun: prepares the reading of the step that
 * is due. `*tables` is what has to be locked before the snapshot is taken; NULL: this step reads
 * nothing there (files, or the end of a job that was cancelled or cannot continue), or it has to be
 * repeated later. Then loader_step() says whether it may be sent at the end of any window. Returns
 * 0, or what the heartbeat returned (`err` is then not filled). */
int loader_prepare(struct loader *loader, struct window_reading *reading, const char **tables,
                   struct error *err);
/* Reads the step that was prepared in the open transaction, which is dropped if the reading fails.
 * What was read is to be sent when everything is sent that its snapshot sees. Returns as
 * loader_prepare(); after it loader_step() may be LOADER_NOTHING. */
int loader_read(struct loader *loader, struct window_reading *reading, struct error *err);
/* The transaction could not be begun, for the reason in `why`. */
void loader_fail(struct loader *loader, const struct error *why);
enum loader_step loader_step(const struct loader *loader);

/* Of LOADER_CHUNK and LOADER_PASS; the job is set in their chunks. */
const struct load_chunk *loader_chunk(const struct loader *loader);
struct load_pass_part *loader_pass(struct loader *loader);
/* Of LOADER_BEGIN and LOADER_END. Valid until the next call. */
struct job_mark *loader_mark(struct loader *loader);

/* The fields that the triggers in place cover, if the last reading has asked; else NULL. Marks must
 * name them before the begin mark of a job, and when its end mark says that they have changed. */
const struct covered_fields *loader_covered(const struct loader *loader);

/* Before the step is sent in window `tick`: stores its dead letters, or that the job has begun. A
 * job that was removed has no step after it. */
int loader_announce(struct loader *loader, struct pg *cursor, int64_t tick, struct error *err);

/* The step cannot be sent, for the reason in `why`. The job will end as failed. */
void loader_reject(struct loader *loader, const struct error *why);
/* The step is acknowledged: saves the place after it, or the end of the job. */
int loader_acknowledge(struct loader *loader, struct pg *cursor, struct error *err);

struct loader_view loader_view(const struct loader *loader);

#endif
