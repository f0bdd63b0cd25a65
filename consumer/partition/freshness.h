/* Freshness: the age of the source snapshot that a partition is proved to hold, when the clocks of
 * the source, the broker and this host may differ by hours (F121). Pure.
 *
 * A watermark carries the source's wall clock. Its age by this host's wall clock is a claim. What
 * is known without any wall clock bounds the claim:
 *
 *     time of the monotonic clock   ----+------------------+----------------------+---> now
 *                                  mark n-2          snapshot of mark n         mark n
 *                                  is appended          is taken             is appended
 *                                       |<------------ the truth is here -------->|
 *
 * The producer takes the snapshot of a watermark after the broker has acknowledged the last
 * watermark but one: an idle producer sends none while something is outstanding, and a window is
 * opened when nothing is. The snapshot is older than its own message.
 *
 * When a message was appended follows from its offset. The end of the partition, which the client
 * knows after each read, divides what was appended before the read from what was appended after it.
 *
 * So the age grows by the monotonic clock from when a message was received, whatever a wall clock
 * does: an outage is always visible. And while marks arrive from the end of the partition, about
 * one each second, it is at most some seconds, whatever the wall clocks differ by. If they agree,
 * the claim is within the bounds and is the answer. Until three marks were received there is no
 * upper bound, and clocks that differ may show too large an age.
 */
#ifndef CONSUMER_PARTITION_FRESHNESS_H
#define CONSUMER_PARTITION_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

enum { FRESHNESS_ENDS = 2, FRESHNESS_MARKS = 2 };

#define FRESHNESS_NO_BOUND INT64_MIN

/* The end of the partition was here at some time of a read. Times are of the monotonic clock. */
struct freshness_end {
    int64_t high;     /* the next offset of the partition; -1: not known */
    int64_t begin_us; /* of that read */
    int64_t end_us;
};

/* May be copied. */
struct freshness {
    struct freshness_end ends[FRESHNESS_ENDS]; /* the newer one first */
    int64_t read_us;                           /* when the last read ended */
    int64_t marks_after_us[FRESHNESS_MARKS];   /* of the last marks, the newest first: appended
                                                  after this, or FRESHNESS_NO_BOUND */
    int64_t clock_us;                          /* of the source; 0: no snapshot is proved */
    int64_t after_us;  /* the snapshot was taken after this, or FRESHNESS_NO_BOUND */
    int64_t before_us; /* and before this */
};

void freshness_init(struct freshness *freshness);

/* A read has returned messages, the first of which has the offset `first`; it lasted from
 * `begin_us` to `end_us`. `high`: the end of the partition, as known after the read, and more than
 * the offset of each message. To be called before the marks among the messages are taken. */
void freshness_take_end(struct freshness *freshness, int64_t first, int64_t high, int64_t begin_us,
                        int64_t end_us);

/* The next watermark, at `offset`. `clock_us`: of the source, if the watermark proves a snapshot;
 * 0: it owes something. */
void freshness_take_mark(struct freshness *freshness, int64_t offset, int64_t clock_us);

/* The proof of an earlier run: it is older than now. */
void freshness_recover(struct freshness *freshness, int64_t clock_us, int64_t now_us);
/* Nothing is proved any more. */
void freshness_clear(struct freshness *freshness);

/* The age at `now_us` of the monotonic clock, when this host's wall clock shows `wall_us`; -1: no
 * snapshot is proved. */
int64_t freshness_age_us(const struct freshness *freshness, int64_t now_us, int64_t wall_us);

/* The age of what the source did at `clock_us` of its own clock, which is measured from the proved
 * snapshot; -1: no snapshot is proved. */
int64_t freshness_age_of_us(const struct freshness *freshness, int64_t clock_us, int64_t now_us,
                            int64_t wall_us);

#endif
