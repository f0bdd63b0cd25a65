#include "producer/drain/trimmer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/shutdown.h"
#include "common/base/thread.h"
#include "producer/source/letters.h"

/* Counting the dead letters takes at most a twentieth of the time. */
enum {
    STEP_MS = 100,
    LETTERS_INTERVAL_S = 2,
    LETTERS_PAUSE_FACTOR = 20,
    OLD_LETTERS_INTERVAL_S = 3600,
    OLD_LETTERS_BATCH = 1000,
};

struct trimmer {
    const struct config *config;
    struct status *status;
    pthread_t thread;
    _Atomic bool stopping;

    /* Of the thread. */
    struct pg *pg; /* NULL: not connected; owned */
    int64_t retention_due_us;
    int64_t letters_due_us;
    int64_t old_letters_due_us;
    struct retention retention;
    struct status_retention shown;
};

static bool
trimmer_ends(struct trimmer *trimmer)
{
    return atomic_load(&trimmer->stopping) || shutdown_requested();
}

static bool
trimmer_may_work(struct trimmer *trimmer)
{
    struct status_view view;
    status_read(trimmer->status, &view);
    return view.phase == STATUS_DRAINING;
}

/* Reports the cursor that holds rows back, unless it is our own: those rows are the backlog. */
static void
trimmer_show_holder(struct trimmer *trimmer)
{
    const struct retention *retention = &trimmer->retention;
    struct status_retention *shown = &trimmer->shown;
    bool warn = strcmp(shown->held_by, retention->held_by) != 0 &&
                strcmp(retention->held_by, trimmer->config->producer.name) != 0;
    snprintf(shown->held_by, sizeof shown->held_by, "%s", retention->held_by);
    shown->held_s = retention->held_s;
    if (warn && shown->held_by[0] != '\0')
        log_warn("retention",
                 "rows older than retention.min_age_s wait for the cursor of producer \"%s\"; if it"
                 " is gone for good: bitdex-producer cursor remove %s",
                 shown->held_by, shown->held_by);
}

static int
trimmer_count_letters(struct trimmer *trimmer, struct error *err)
{
    int64_t begin_us = clock_monotonic_us();
    int64_t open;
    CHECK(trimmer->pg != NULL);
    int rc = letters_count_open(trimmer->pg, trimmer->config->producer.name, &open, err);
    if (rc != 0)
        return rc;
    status_publish_letters(trimmer->status, open);
    int64_t end_us = clock_monotonic_us();
    trimmer->letters_due_us =
        end_us + LETTERS_INTERVAL_S * US_PER_S + LETTERS_PAUSE_FACTOR * (end_us - begin_us);
    return 0;
}

static int
trimmer_pass(struct trimmer *trimmer, struct error *err)
{
    enum retention_next next;
    int64_t rows = 0;
    CHECK(trimmer->pg != NULL);
    int rc = retention_poll(&trimmer->retention, trimmer->pg, &next, err);
    if (rc != 0)
        return rc;
    trimmer_show_holder(trimmer);
    while (rc == 0 && next == RETENTION_MORE && !trimmer_ends(trimmer)) {
        int64_t before = rows;
        rc = retention_remove(&trimmer->retention, trimmer->pg, &rows, &next, err);
        CHECK(rows >= before);
        trimmer->shown.removed_rows += (uint64_t)(rows - before);
        status_publish_retention(trimmer->status, &trimmer->shown);
    }
    if (rows > 0)
        log_debug("retention", "removed %" PRId64 " rows", rows);
    return rc;
}

/* A failure costs nothing else: the role may lack the right, which earlier versions did not need.
 */
static void
trimmer_remove_old_letters(struct trimmer *trimmer)
{
    const struct config *config = trimmer->config;
    struct error err = {0};
    int64_t count = OLD_LETTERS_BATCH;
    int64_t removed = 0;
    int rc = 0;
    if (config->retention.dead_letter_days == 0 ||
        clock_monotonic_us() < trimmer->old_letters_due_us)
        return;
    CHECK(trimmer->pg != NULL);
    while (rc == 0 && count == OLD_LETTERS_BATCH && !trimmer_ends(trimmer)) {
        rc =
            letters_remove_old(trimmer->pg, config->producer.name,
                               config->retention.dead_letter_days, OLD_LETTERS_BATCH, &count, &err);
        removed += rc == 0 ? count : 0;
    }
    trimmer->old_letters_due_us = clock_monotonic_us() + (int64_t)OLD_LETTERS_INTERVAL_S * US_PER_S;
    if (rc != 0)
        log_warn("retention", "%s", err.message);
    if (removed > 0)
        log_info("retention",
                 "removed %" PRId64 " dead letters older than retention.dead_letter_days (%d)",
                 removed, config->retention.dead_letter_days);
}

/* `error`: "" without one. */
static void
trimmer_set_error(struct trimmer *trimmer, const char *error)
{
    struct status_retention *shown = &trimmer->shown;
    bool before = shown->error[0] != '\0';
    snprintf(shown->error, sizeof shown->error, "%.*s", STATUS_ERROR_BYTES - 1, error);
    CHECK((shown->error[0] != '\0') == (*error != '\0'));
    if (!before && *error != '\0')
        log_warn("retention", "%s", error);
    else if (before && *error == '\0')
        log_info("retention", "recovered from the error");
    status_publish_retention(trimmer->status, shown);
}

/* Does what is due. */
static void
trimmer_work(struct trimmer *trimmer)
{
    struct error err = {0};
    int64_t now_us = clock_monotonic_us();
    int64_t interval_us = (int64_t)trimmer->config->retention.interval_s * US_PER_S;
    bool letters_due = now_us >= trimmer->letters_due_us;
    bool retention_due = now_us >= trimmer->retention_due_us;
    int rc = 0;
    if (!letters_due && !retention_due)
        return;
    if (trimmer->pg == NULL)
        rc = retention_connect(trimmer->config->postgres, &trimmer->pg, &err);
    if (rc == 0 && letters_due)
        rc = trimmer_count_letters(trimmer, &err);
    if (rc == 0 && retention_due)
        rc = trimmer_pass(trimmer, &err);
    if (rc == 0 && retention_due)
        trimmer_remove_old_letters(trimmer);
    if (rc != 0 || retention_due)
        trimmer->retention_due_us = clock_monotonic_us() + interval_us;
    if (rc != 0)
        trimmer->letters_due_us = trimmer->retention_due_us;
    CHECK(rc == 0 || err.message[0] != '\0'); /* an empty message would mean: no error */
    trimmer_set_error(trimmer, rc == 0 ? "" : err.message);
    if (rc != 0 && trimmer->pg != NULL) {
        pg_close(trimmer->pg);
        trimmer->pg = NULL;
    }
}

static void *
trimmer_main(void *context)
{
    struct trimmer *trimmer = context;
    while (!trimmer_ends(trimmer)) {
        if (trimmer_may_work(trimmer))
            trimmer_work(trimmer);
        clock_sleep_ms(STEP_MS);
    }
    return NULL;
}

static void
trimmer_free(struct trimmer *trimmer)
{
    pg_close(trimmer->pg);
    retention_free(&trimmer->retention);
    free(trimmer);
}

int
trimmer_start(const struct config *config, struct status *status, struct trimmer **out,
              struct error *err)
{
    CHECK(status != NULL);
    struct trimmer *trimmer = memory_zalloc(sizeof *trimmer);
    trimmer->config = config;
    trimmer->status = status;
    retention_init(&trimmer->retention, &config->retention);
    int rc = thread_start(&trimmer->thread, "trimmer", trimmer_main, trimmer, err);
    if (rc != 0) {
        trimmer_free(trimmer);
        return rc;
    }
    *out = trimmer;
    return 0;
}

void
trimmer_stop(struct trimmer *trimmer)
{
    CHECK(!atomic_exchange(&trimmer->stopping, true)); /* stopped once */
    thread_join(trimmer->thread);
    trimmer_free(trimmer);
}
