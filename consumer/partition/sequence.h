/* The seq rule of one partition (laws L2 and L3): which events apply, and which losses they prove.
 * What the losses, marks and loads mean for each field is in coverage.h.
 *
 * A topic has one numbered source, the producer. Inside an epoch it numbers each partition's events
 * 1, 2, 3, ... Each of its sessions raises the generation, writes a fence, and sends again whatever
 * may have been lost, under the same numbers. So `last + 1` applies, `<= last` was applied before,
 * and a greater number proves a loss: the loss is remembered, and reading continues after it.
 *
 * Marks, chunks, passes, the marks of jobs, sums and voided events take no number and carry the
 * last one before them; a greater one proves a loss too. Marks also carry a digest over the row ids
 * up to it. A chunk, a pass, a mark of a job or a sum with a smaller number is stale and dropped,
 * because the shard has gone further.
 *
 * Pure: no I/O, no clock, no memory of its own; a sequence may be copied.
 */
#ifndef CONSUMER_PARTITION_SEQUENCE_H
#define CONSUMER_PARTITION_SEQUENCE_H

#include "common/config/config_fields.h"
#include "common/event/event.h"
#include "consumer/partition/coverage.h"

enum { SEQUENCE_NAME_BYTES = 128, SEQUENCE_REASON_BYTES = 256 };

/* The last watermark. All 0: none yet. */
struct sequence_watermark {
    int64_t tick; /* of the window whose snapshot the partition is proved to hold, if complete */
    int64_t clock_us;
    int64_t last_row_id;
    int64_t max_row_id;
    int64_t backlog_rows;
};

struct sequence {
    int64_t epoch; /* 0: nothing numbered was read yet */
    int64_t generation;
    int64_t tick;
    int64_t seq;     /* of the last event that took one */
    uint64_t digest; /* over the row ids up to seq */
    bool digest_known;
    uint64_t content_digest; /* over the content of the same events */
    bool content_known;      /* false: the next mark with a content digest is believed */
    int64_t row_id;          /* the greatest one applied in this epoch */
    /* Why the shard was incomplete: the first reason since it was complete. A load that covers all
     * fields leaves it as it is. */
    enum coverage_reason reason;
    int64_t losses;    /* proven losses of any kind */
    int64_t missing;   /* events that never came, in all gaps */
    int64_t gap_first; /* the first gap since, from here to gap_last; 0: no gap */
    int64_t gap_last;
    struct sequence_watermark watermark;
    struct coverage coverage;
    char source[SEQUENCE_NAME_BYTES];   /* of the numbered source; "": not known yet */
    char topic_id[SEQUENCE_NAME_BYTES]; /* as marks carry it; "": not known yet */
};

enum sequence_verdict {
    SEQUENCE_APPLY,     /* the next one, the first one after a gap, an unnumbered row or fan-out,
                           a chunk or a pass */
    SEQUENCE_CONTROL,   /* any other event that takes no number: it has been taken over */
    SEQUENCE_DUPLICATE, /* applied before */
    SEQUENCE_FENCED,    /* of an older epoch or generation */
    SEQUENCE_STALE,     /* takes no number, and the shard has gone further */
    SEQUENCE_FOREIGN,   /* numbered by a second source */
};

void sequence_init(struct sequence *sequence, const struct config_fields *fields);
/* Of a stand-alone index: its log holds everything that was ever sent to it, so it is complete. */
void sequence_init_alone(struct sequence *sequence, const struct config_fields *fields);

/* Judges the next event of the partition, which is valid (event_codec.h), and moves after it.
 * `fields`: of the index, the same in all calls. */
enum sequence_verdict sequence_take(struct sequence *sequence, const struct config_fields *fields,
                                    const struct event *event);

/* Does the event prove a loss? Then `reason` says which; `bytes` >= SEQUENCE_REASON_BYTES. */
bool sequence_would_lose(const struct sequence *sequence, const struct config_fields *fields,
                         const struct event *event, char *reason, size_t bytes);

/* Are existence and all fields complete? */
bool sequence_complete(const struct sequence *sequence);

/* Do the members agree with each other, as they do after any events? */
bool sequence_is_consistent(const struct sequence *sequence);

/* Checks that `after` comes from `before` by taking events: numbers and losses only grow. */
void sequence_check_growth(const struct sequence *before, const struct sequence *after);

/* A reason that the seq rule has found (up to COVERAGE_SECOND_SOURCE) as text, without what to do
 * about it; "" for COVERAGE_COMPLETE. `bytes` >= SEQUENCE_REASON_BYTES. */
void sequence_describe(const struct sequence *sequence, enum coverage_reason reason, char *out,
                       size_t bytes);

#endif
