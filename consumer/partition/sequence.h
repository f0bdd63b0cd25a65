/* The seq rule of one partition (laws L2 and L3): which events apply, and what proves the partition
 * complete.
 *
 * A topic has one numbered source, the producer. Inside an epoch it numbers each partition's events
 * 1, 2, 3, ... Each of its sessions raises the generation, writes a fence, and sends again whatever
 * may have been lost, under the same numbers. So `last + 1` applies, `<= last` was applied before,
 * and a greater number proves a loss: the loss is remembered, and reading continues after it. Marks
 * carry the last seq before them, and a digest over the row ids up to it.
 *
 * Complete: everything since the fence that opened the first epoch was applied, and that fence
 * found the source empty. A loss voids it, and so does a new epoch, because the partition then
 * holds values of an old one.
 *
 * Pure: no I/O, no clock, no memory of its own; a sequence may be copied.
 */
#ifndef CONSUMER_PARTITION_SEQUENCE_H
#define CONSUMER_PARTITION_SEQUENCE_H

#include "common/event/event.h"

enum { SEQUENCE_NAME_BYTES = 128, SEQUENCE_REASON_BYTES = 256 };

/* Why a partition is not complete. The numbers are part of the position's format. */
enum sequence_reason {
    SEQUENCE_COMPLETE = 0,
    SEQUENCE_NOTHING_READ = 1,     /* no numbered event yet */
    SEQUENCE_SOURCE_NOT_EMPTY = 2, /* the source had rows before the topic began */
    SEQUENCE_NO_BEGINNING = 3,     /* the fence that opened the epoch was never read */
    SEQUENCE_NEW_EPOCH = 4,        /* a new epoch, over values of an old one */
    SEQUENCE_GAP = 5,              /* events that never came */
    SEQUENCE_NUMBERS_REUSED = 6,   /* other rows under the same numbers */
    SEQUENCE_FENCE_MISSING = 7,    /* a generation began without its fence */
    SEQUENCE_OTHER_TOPIC = 8,      /* the topic was created again under its name */
    SEQUENCE_SECOND_SOURCE = 9,    /* another producer numbers events of this topic */
    SEQUENCE_REASONS
};

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
    int64_t row_id;              /* the greatest one applied in this epoch */
    enum sequence_reason reason; /* the first that held */
    int64_t losses;              /* proven losses of any kind */
    int64_t missing;             /* events that never came, in all gaps */
    int64_t gap_first;           /* the first gap, from here to gap_last; 0: no gap */
    int64_t gap_last;
    struct sequence_watermark watermark;
    char source[SEQUENCE_NAME_BYTES];   /* of the numbered source; "": not known yet */
    char topic_id[SEQUENCE_NAME_BYTES]; /* as marks carry it; "": not known yet */
};

enum sequence_verdict {
    SEQUENCE_APPLY,     /* the next one, the first one after a gap, or an unnumbered one */
    SEQUENCE_MARK,      /* a mark: its contents were taken over */
    SEQUENCE_DUPLICATE, /* applied before */
    SEQUENCE_FENCED,    /* of an older epoch or generation */
    SEQUENCE_FOREIGN,   /* numbered by a second source */
};

void sequence_init(struct sequence *sequence);
/* Of a stand-alone index: its log holds everything that was ever sent to it, so it is complete. */
void sequence_init_alone(struct sequence *sequence);

/* Judges the next event of the partition, which is valid (event_codec.h), and moves after it. */
enum sequence_verdict sequence_take(struct sequence *sequence, const struct event *event);

/* Does the event prove a loss? Then `reason` says which; `bytes` >= SEQUENCE_REASON_BYTES. */
bool sequence_would_lose(const struct sequence *sequence, const struct event *event, char *reason,
                         size_t bytes);

bool sequence_complete(const struct sequence *sequence);

/* Do the members agree with each other, as they do after any events? */
bool sequence_is_consistent(const struct sequence *sequence);

/* Checks that `after` comes from `before` by taking events: numbers and losses only grow. */
void sequence_check_growth(const struct sequence *before, const struct sequence *after);

/* Why the partition is not complete, as text; "" when it is. `bytes` >= SEQUENCE_REASON_BYTES. */
void sequence_describe(const struct sequence *sequence, char *out, size_t bytes);

#endif
