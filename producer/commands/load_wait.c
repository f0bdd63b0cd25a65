/* Happy path: look at the job at growing intervals, print a line about it, and return when it has
 * ended. When nobody holds the lock on the producer's name, a thread runs the drain, in which jobs
 * get all of the time; the end of the waiting stops it as a signal stops a producer.
 *
 * Failure: an outage of the database is waited for. A drain that cannot run ends the waiting with
 * its error. A producer that stops while the command waits is given time to start again before the
 * command takes over its work.
 */
#include "producer/commands/load_wait.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"
#include "common/pg/pg.h"
#include "producer/commands/jobs.h"
#include "producer/drain/drain.h"
#include "producer/drain/status.h"
#include "producer/source/cursor.h"
#include "producer/source/source_connection.h"

enum {
    FIRST_PAUSE_MS = 10, /* a short job is over soon */
    PAUSE_MS = 200,
    LINE_EVERY_US = 5 * US_PER_S, /* where the output is not a terminal */
    LINE_BYTES = 256,
    RESTART_US = 10 * US_PER_S, /* that a producer has to start again */
};

/* The drain of this process. */
struct worker {
    struct config config; /* the command's, with all of the time for loads */
    const struct csv_request *csv;
    struct status status;
    bool started;
    pthread_t thread;
    _Atomic bool ended;
    int rc; /* when it has ended */
    struct error err;
};

struct load_waiter {
    const struct config *config;
    int64_t job;
    struct pg *pg; /* NULL: not connected */
    struct job_view view;
    bool has_view;
    int64_t free_us; /* monotonic: since when nobody holds the lock; 0: somebody does */
    bool was_locked; /* by another process, at some time */
    bool is_terminal;
    int64_t line_us;  /* monotonic: when the last line was printed */
    int64_t first_us; /* monotonic: when the job was first seen running, with */
    double first_ratio;
    int64_t first_rows;
    struct worker worker;
};

static void *
worker_run(void *context)
{
    struct worker *worker = context;
    worker->rc = drain_run(&worker->config, worker->csv, &worker->status, &worker->err);
    atomic_store(&worker->ended, true);
    return NULL;
}

static int
worker_start(struct worker *worker, const struct config *config, struct error *err)
{
    CHECK(!worker->started);
    worker->config = *config;
    worker->config.producer.load.share = 1;
    status_init(&worker->status);
    int rc = thread_start(&worker->thread, "drain", worker_run, worker, err);
    worker->started = rc == 0;
    if (rc != 0)
        status_free(&worker->status);
    return rc;
}

/* Stops the drain, which saves its position, and waits for it. */
static int
worker_stop(struct worker *worker, struct error *err)
{
    if (!worker->started)
        return 0;
    shutdown_request();
    thread_join(worker->thread);
    status_free(&worker->status);
    worker->started = false;
    if (worker->rc != 0)
        *err = worker->err;
    return worker->rc;
}

/* The rest of the time, if the job continues as it has since the command began to wait. */
static void
append_time_left(const struct load_waiter *waiter, int64_t elapsed_us, char *line, size_t bytes)
{
    double done = waiter->view.ratio - waiter->first_ratio;
    CHECK(elapsed_us > 0);
    if (waiter->view.ratio < 0 || waiter->view.ratio >= 1 || done <= 0)
        return;
    double left_s = (double)elapsed_us / US_PER_S * (1 - waiter->view.ratio) / done;
    size_t used = strlen(line);
    if (left_s < 120)
        snprintf(line + used, bytes - used, ", about %.0f s left", left_s);
    else
        snprintf(line + used, bytes - used, ", about %.0f min left", left_s / 60);
}

static void
format_running(struct load_waiter *waiter, char *line, size_t bytes)
{
    const struct job_view *view = &waiter->view;
    int64_t now_us = clock_monotonic_us();
    char percent[16] = "";
    if (waiter->first_us == 0 || view->rows < waiter->first_rows) {
        waiter->first_us = now_us;
        waiter->first_ratio = view->ratio;
        waiter->first_rows = view->rows;
    }
    if (view->ratio >= 0)
        snprintf(percent, sizeof percent, "%.0f %%, ", 100 * view->ratio);
    snprintf(line, bytes, "job %" PRId64 ": %s%" PRId64 " rows", view->id, percent, view->rows);
    int64_t elapsed_us = now_us - waiter->first_us;
    if (elapsed_us < US_PER_S)
        return;
    size_t used = strlen(line);
    snprintf(line + used, bytes - used, ", %.0f rows/s",
             (double)(view->rows - waiter->first_rows) * US_PER_S / (double)elapsed_us);
    append_time_left(waiter, elapsed_us, line, bytes);
}

/* A line on a terminal is written over the one before. */
static void
print_line(struct load_waiter *waiter)
{
    char line[LINE_BYTES];
    int64_t now_us = clock_monotonic_us();
    if (!waiter->is_terminal && waiter->line_us != 0 && now_us - waiter->line_us < LINE_EVERY_US)
        return;
    if (waiter->view.state == JOB_STATE_QUEUED)
        snprintf(line, sizeof line, "job %" PRId64 " is queued", waiter->view.id);
    else
        format_running(waiter, line, sizeof line);
    if (waiter->is_terminal)
        fprintf(stderr, "\r%s\033[K", line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
    waiter->line_us = now_us;
}

static void
end_line(struct load_waiter *waiter)
{
    if (waiter->is_terminal && waiter->line_us != 0)
        fputc('\n', stderr);
    waiter->line_us = 0;
}

static int
look_at_job(struct load_waiter *waiter, bool *locked, struct error *err)
{
    bool found = true;
    int rc = 0;
    if (waiter->pg == NULL)
        rc = source_connect(waiter->config->postgres, "bitdex-producer load command", NULL,
                            &waiter->pg, err);
    if (rc == 0)
        rc = job_queue_view(waiter->pg, waiter->config->producer.name, waiter->job, &waiter->view,
                            &found, err);
    if (rc == 0 && !found)
        return error_set(err, ERR_FATAL, "job %" PRId64 " was removed", waiter->job);
    if (rc == 0)
        rc = cursor_find_lock(waiter->pg, waiter->config->producer.name, locked, err);
    waiter->has_view = rc == 0;
    return rc;
}

/* Does the work when no producer does it. */
static int
take_over(struct load_waiter *waiter, bool locked, struct error *err)
{
    int64_t now_us = clock_monotonic_us();
    if (waiter->worker.started)
        return 0;
    if (locked) {
        waiter->was_locked = true;
        waiter->free_us = 0;
        return 0;
    }
    if (waiter->free_us == 0)
        waiter->free_us = now_us;
    if (waiter->was_locked && now_us - waiter->free_us < RESTART_US)
        return 0;
    end_line(waiter);
    fprintf(stderr, "no producer named \"%s\" runs: this command does the work\n",
            waiter->config->producer.name);
    return worker_start(&waiter->worker, waiter->config, err);
}

/* One look at the job. `*ended`: there is no need for another one. */
static int
wait_step(struct load_waiter *waiter, bool *ended, struct error *err)
{
    bool locked = false;
    int rc = look_at_job(waiter, &locked, err);
    if (rc == ERR_RETRY) {
        end_line(waiter);
        fprintf(stderr, "waiting for the database: %s\n", err->message);
        pg_close(waiter->pg);
        waiter->pg = NULL;
        return 0;
    }
    if (rc != 0)
        return rc;
    *ended = waiter->view.state == JOB_STATE_ENDED;
    if (!*ended) {
        print_line(waiter);
        rc = take_over(waiter, locked, err);
    }
    return rc;
}

static int
wait_for_end(struct load_waiter *waiter, struct error *err)
{
    bool ended = false;
    int rc = 0;
    int pause_ms = FIRST_PAUSE_MS;
    while (rc == 0 && !ended && !shutdown_requested() && !atomic_load(&waiter->worker.ended)) {
        rc = wait_step(waiter, &ended, err);
        if (rc == 0 && !ended)
            clock_sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < PAUSE_MS ? pause_ms * 2 : PAUSE_MS;
    }
    end_line(waiter);
    if (rc != 0 || ended || !shutdown_requested())
        return rc;
    if (waiter->worker.csv != NULL)
        return error_set(err, ERR_FATAL,
                         "interrupted: the same command continues with job %" PRId64, waiter->job);
    if (waiter->worker.started)
        return error_set(err, ERR_FATAL,
                         "interrupted: job %" PRId64 " continues with the same command, or with"
                         " bitdex-producer run",
                         waiter->job);
    return error_set(err, ERR_FATAL,
                     "stopped waiting: the running producer continues with job %" PRId64
                     "; bitdex-producer jobs show %" PRId64 " shows it, and jobs cancel ends it",
                     waiter->job, waiter->job);
}

struct load_waiter *
load_waiter_create(const struct config *config, const struct csv_request *csv)
{
    struct load_waiter *waiter = memory_zalloc(sizeof *waiter);
    waiter->config = config;
    waiter->is_terminal = isatty(STDERR_FILENO) != 0;
    waiter->worker.csv = csv;
    shutdown_install();
    return waiter;
}

void
load_waiter_destroy(struct load_waiter *waiter)
{
    struct error ignored = {0};
    worker_stop(&waiter->worker, &ignored);
    pg_close(waiter->pg);
    free(waiter);
}

int
load_waiter_wait(struct load_waiter *waiter, int64_t job, struct job_view *view, struct error *err)
{
    CHECK(job > 0);
    CHECK(waiter->worker.csv == NULL || waiter->job == 0);
    waiter->job = job;
    waiter->first_us = 0;
    int rc = wait_for_end(waiter, err);
    if (rc == 0 && atomic_load(&waiter->worker.ended)) {
        rc = worker_stop(&waiter->worker, err);
        if (rc != 0)
            return error_wrap(err, ERR_FATAL, "job %" PRId64 " cannot be done", job);
    }
    *view = waiter->view;
    return rc;
}

int
load_wait(const struct config *config, const struct csv_request *csv, int64_t job,
          struct job_view *view, struct error *err)
{
    struct load_waiter *waiter = load_waiter_create(config, csv);
    int rc = load_waiter_wait(waiter, job, view, err);
    load_waiter_destroy(waiter);
    return rc;
}

int
load_check_done(const struct job_view *view, struct error *err)
{
    CHECK(view->state == JOB_STATE_ENDED);
    if (strcmp(view->state_name, "done") == 0)
        return 0;
    return error_set(err, ERR_FATAL, "job %" PRId64 " %s%s%s", view->id,
                     strcmp(view->state_name, "failed") == 0 ? "failed" : "was cancelled",
                     view->error[0] != '\0' ? ": " : "", view->error);
}

int
load_report(const struct cli *cli, const struct job_view *view, struct error *err)
{
    int rc = 0;
    if (cli->json)
        rc = jobs_print(cli, view->id, err);
    else if (strcmp(view->state_name, "done") == 0)
        printf("job %" PRId64 " is done: %" PRId64 " rows\n", view->id, view->rows);
    if (rc == 0 && !cli->json && view->rejected > 0)
        printf("rejected: %" PRId64 ", see bitdex-producer dead-letters list\n", view->rejected);
    return rc == 0 ? load_check_done(view, err) : rc;
}
