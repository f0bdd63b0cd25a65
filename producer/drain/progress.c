#include "producer/drain/progress.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum { MEASURE_US = US_PER_S, LETTERS_WARN_US = 60 * US_PER_S };

void
progress_init(struct progress *progress, struct status *status)
{
    CHECK(status != NULL);
    *progress = (struct progress){.status = status};
}

void
progress_fail(struct progress *progress, const struct error *err)
{
    CHECK(err->code < 0);
    progress->failure = *err;
    progress->shown.failing = true;
    status_set_error(progress->status, err->message);
    status_publish(progress->status, &progress->shown);
}

void
progress_recover(struct progress *progress)
{
    CHECK(progress->shown.outstanding == 0);
    progress->failure = (struct error){0};
    progress->shown.failing = false;
}

void
progress_add_letters(struct progress *progress, uint64_t count, const char *reason)
{
    int64_t now_us = clock_monotonic_us();
    CHECK(count > 0);
    CHECK(reason[0] != '\0');
    progress->shown.dead_letters += count;
    progress->letters_to_warn += count;
    if (progress->letters_warned_us != 0 && now_us - progress->letters_warned_us < LETTERS_WARN_US)
        return;
    log_warn("drain",
             "%llu dead letters since the last warning, one of them: %s (bitdex-producer"
             " dead-letters list)",
             (unsigned long long)progress->letters_to_warn, reason);
    progress->letters_to_warn = 0;
    progress->letters_warned_us = now_us;
}

int64_t
progress_backlog_rows(int64_t max_row_id, int64_t last_row_id)
{
    int64_t rows;
    if (max_row_id <= last_row_id)
        return 0;
    return __builtin_sub_overflow(max_row_id, last_row_id, &rows) ? INT64_MAX : rows;
}

void
progress_observe(struct progress *progress, const struct publisher_counts *counts,
                 uint64_t outstanding, const char *broker_error)
{
    struct status_progress *shown = &progress->shown;
    CHECK((progress->failure.code != 0) == shown->failing);
    if (outstanding < shown->outstanding)
        shown->acked_us = clock_realtime_us();
    if (outstanding == 0 || outstanding < shown->outstanding)
        shown->moved_us = clock_monotonic_us();
    shown->outstanding = outstanding;
    shown->events = progress->closed.events + counts->events;
    shown->marks = progress->closed.marks + counts->marks;
    shown->bytes = progress->closed.bytes + counts->bytes;
    status_set_error(progress->status,
                     *broker_error != '\0' ? broker_error : progress->failure.message);
}

void
progress_close_publisher(struct progress *progress, const struct publisher_counts *counts)
{
    progress->closed.events += counts->events;
    progress->closed.marks += counts->marks;
    progress->closed.bytes += counts->bytes;
    CHECK(progress->closed.events >= progress->shown.events);
    progress->shown.outstanding = 0;
}

void
progress_publish(struct progress *progress)
{
    struct status_progress *shown = &progress->shown;
    int64_t now_us = clock_monotonic_us();
    CHECK(now_us >= progress->measured_us);
    CHECK(shown->rows >= progress->measured_rows);
    if (now_us - progress->measured_us >= MEASURE_US) {
        shown->rows_per_second = (double)(shown->rows - progress->measured_rows) * US_PER_S /
                                 (double)(now_us - progress->measured_us);
        progress->measured_rows = shown->rows;
        progress->measured_us = now_us;
    }
    status_publish(progress->status, shown);
}
