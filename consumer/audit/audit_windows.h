/* Are windows whole? Every batch of marks goes to all partitions, so the marks of one tick of one
 * generation are the same in each partition, except for seq, digests and what is owed. A generation
 * may end anywhere, in each partition at another place: a partition may lack its last marks, and
 * what retention has removed, but none between others.
 *
 * Partitions come one after the other. Of the first, the ticks are kept, as hashes of their marks;
 * those of the others are compared with them. When there are more ticks than fit, only one in 2, 4,
 * 8, ... is compared, and `every` says so. One thread.
 */
#ifndef CONSUMER_AUDIT_AUDIT_WINDOWS_H
#define CONSUMER_AUDIT_AUDIT_WINDOWS_H

#include "common/event/event.h"
#include "consumer/audit/audit_findings.h"

struct audit_windows;

struct audit_windows_counts {
    int64_t compared; /* ticks of which at least two partitions have all marks */
    int64_t every;    /* one tick in so many was compared */
};

/* `ticks_max`: how many ticks are kept. The caller owns the result; `findings` must outlive it. */
struct audit_windows *audit_windows_create(int32_t partitions, uint32_t ticks_max,
                                           struct audit_findings *findings);
void audit_windows_destroy(struct audit_windows *windows);

/* The events that follow are those of this partition; `is_cut`: retention has removed its
 * beginning, or what was read of it before is not to be compared. */
void audit_windows_begin(struct audit_windows *windows, int32_t partition, bool is_cut);
/* The next event of the partition in its newest generation, other than a posted one. */
void audit_windows_take(struct audit_windows *windows, int64_t offset, const struct event *event);
/* All partitions were read. */
void audit_windows_finish(struct audit_windows *windows);
void audit_windows_count(const struct audit_windows *windows, struct audit_windows_counts *counts);

#endif
