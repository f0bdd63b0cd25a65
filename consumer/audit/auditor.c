#include "consumer/audit/auditor.h"

#include <stdlib.h>

#include "common/base/check.h"

const struct audit_limits audit_limits_default = {.ring_size = 64 * 1024, .ticks_max = 1 << 20};

struct auditor {
    int32_t partitions;
    struct audit_limits limits;
    struct audit_findings findings;
    struct audit_windows *windows;
    struct audit_partition *reports; /* by partition */
    struct audit_stream stream;      /* of the partition that is read */
    bool is_reading;
};

struct auditor *
auditor_create(int32_t partitions, const struct audit_limits *limits)
{
    CHECK(partitions > 0);
    CHECK(limits->ring_size > 0);
    struct auditor *auditor = memory_zalloc(sizeof *auditor);
    auditor->partitions = partitions;
    auditor->limits = *limits;
    auditor->windows = audit_windows_create(partitions, limits->ticks_max, &auditor->findings);
    auditor->reports = memory_zalloc((size_t)partitions * sizeof *auditor->reports);
    return auditor;
}

static void
auditor_end(struct auditor *auditor)
{
    if (auditor->is_reading)
        audit_stream_free(&auditor->stream);
    auditor->is_reading = false;
}

void
auditor_destroy(struct auditor *auditor)
{
    if (auditor == NULL)
        return;
    auditor_end(auditor);
    for (int32_t i = 0; i < auditor->partitions; i++)
        free(auditor->reports[i].epochs);
    audit_windows_destroy(auditor->windows);
    audit_findings_free(&auditor->findings);
    free(auditor->reports);
    free(auditor);
}

void
auditor_begin(struct auditor *auditor, int32_t partition, int64_t begin, int64_t end)
{
    CHECK(partition >= 0 && partition < auditor->partitions);
    struct audit_partition *report = &auditor->reports[partition];
    CHECK(report->counts.messages == 0);
    auditor_end(auditor);
    report->begin = begin;
    report->end = end;
    audit_stream_init(&auditor->stream, partition, auditor->partitions, auditor->limits.ring_size,
                      report, &auditor->findings);
    audit_windows_begin(auditor->windows, partition, begin > 0);
    auditor->is_reading = true;
}

void
auditor_take(struct auditor *auditor, const struct audit_record *record)
{
    CHECK(auditor->is_reading);
    CHECK(record->offset >= auditor->stream.report->begin);
    CHECK(record->offset < auditor->stream.report->end);
    enum audit_verdict verdict = audit_stream_take(&auditor->stream, record);
    if (verdict == AUDIT_RESTART)
        audit_windows_begin(auditor->windows, auditor->stream.partition, true);
    if (verdict != AUDIT_IGNORED)
        audit_windows_take(auditor->windows, record->offset, record->event);
}

void
auditor_finish(struct auditor *auditor)
{
    auditor_end(auditor);
    audit_windows_finish(auditor->windows);
}

const struct audit_findings *
auditor_findings(const struct auditor *auditor)
{
    return &auditor->findings;
}

const struct audit_partition *
auditor_partition(const struct auditor *auditor, int32_t partition)
{
    CHECK(partition >= 0 && partition < auditor->partitions);
    return &auditor->reports[partition];
}

void
auditor_count_windows(const struct auditor *auditor, struct audit_windows_counts *counts)
{
    audit_windows_count(auditor->windows, counts);
}
