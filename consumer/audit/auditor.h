/* The auditor: whether a topic proves what it says. It is fed with the messages of each partition,
 * one partition after the other, and gives a certificate: what was read, and what was found wrong.
 * The rules of a partition are in audit_stream.h, those between partitions in audit_windows.h.
 *
 * Memory is bounded by `audit_limits`. Pure; one thread.
 */
#ifndef CONSUMER_AUDIT_AUDITOR_H
#define CONSUMER_AUDIT_AUDITOR_H

#include "consumer/audit/audit_stream.h"
#include "consumer/audit/audit_windows.h"

struct audit_limits {
    uint32_t ring_size; /* how far back what is sent again is compared, in events */
    uint32_t ticks_max; /* how many ticks are compared between partitions */
};

extern const struct audit_limits audit_limits_default;

struct auditor;

/* The caller owns the result. */
struct auditor *auditor_create(int32_t partitions, const struct audit_limits *limits);
void auditor_destroy(struct auditor *auditor);

/* The messages that follow are those of this partition, which comes once: begin <= offset < end. */
void auditor_begin(struct auditor *auditor, int32_t partition, int64_t begin, int64_t end);
void auditor_take(struct auditor *auditor, const struct audit_record *record);
/* All messages were read. */
void auditor_finish(struct auditor *auditor);

/* They live as long as the auditor. */
const struct audit_findings *auditor_findings(const struct auditor *auditor);
const struct audit_partition *auditor_partition(const struct auditor *auditor, int32_t partition);
void auditor_count_windows(const struct auditor *auditor, struct audit_windows_counts *counts);

#endif
