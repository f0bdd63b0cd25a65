/* The seq rule of one partition (laws L2 and L3): which events apply, and what proves the shard
 * complete.
 *
 * A topic has one numbered source, the producer. Inside an epoch it numbers each partition's
 * events 1, 2, 3, ...; whenever it begins anew it raises the generation, writes a fence, and sends
 * what may have been lost again, under the same numbers. So `last + 1` applies, `<= last` was
 * applied before, and a jump proves a loss: it is remembered, and reading goes on behind it. Marks
 * carry the seq they stand at, and a digest over the row ids up to there.
 *
 * Complete: everything since the fence that opened the first epoch was applied, and that fence said
 * that the source was empty. A loss, or a new epoch over state of an old one, voids it.
 *
 * Pure: no I/O, no clock, no memory of its own; a sequence may be copied.
 */
#ifndef CONSUMER_PARTITION_SEQUENCE_H
#define CONSUMER_PARTITION_SEQUENCE_H

#include "common/event/event.h"

enum { SEQUENCE_NAME_BYTES = 128, SEQUENCE_REASON_BYTES = 256 };

/* Why a shard is not complete. The numbers are part of the position's format. */
enum sequence_reason {
    SEQUENCE_COMPLETE = 0,
    SEQUENCE_NOTHING_READ = 1,     /* no numbered event yet */
    SEQUENCE_SOURCE_NOT_EMPTY = 2, /* rows are older than the topic: they must be loaded */
    SEQUENCE_NO_BEGINNING = 3,     /* the fence that opened the epoch was never read */
    SEQUENCE_NEW_EPOCH = 4,        /* a new history over the state of an old one */
    SEQUENCE_GAP = 5,              /* numbers that never came */
    SEQUENCE_NUMBERS_REUSED = 6,   /* other rows under the same numbers */
    SEQUENCE_FENCE_MISSING = 7,    /* a generation that began without its fence */
    SEQUENCE_OTHER_TOPIC = 8,      /* the topic was created again under its name */
    SEQUENCE_SECOND_SOURCE = 9,    /* another producer numbers events of this topic */
    SEQUENCE_REASONS
};

/* What the last watermark said. All 0: none yet. */
struct sequence_watermark {
    int64_t tick; /* of the window whose snapshot the shard is proved to hold, if complete */
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
    int64_t row_id;              /* greatest one applied in this epoch */
    enum sequence_reason reason; /* the first that holds; SEQUENCE_COMPLETE: none */
    int64_t losses;              /* proven losses, of any kind */
    int64_t missing;             /* numbers that never came, altogether */
    int64_t gap_first;           /* the first gap; 0: none */
    int64_t gap_last;
    struct sequence_watermark watermark;
    char source[SEQUENCE_NAME_BYTES];   /* of the numbered source; "": not known yet */
    char topic_id[SEQUENCE_NAME_BYTES]; /* as marks carry it; "": not known yet */
};

enum sequence_verdict {
    SEQUENCE_APPLY,     /* the next one, one behind a gap, or an unnumbered one */
    SEQUENCE_MARK,      /* a mark, taken into account */
    SEQUENCE_DUPLICATE, /* applied before */
    SEQUENCE_FENCED,    /* of an older epoch or generation */
    SEQUENCE_FOREIGN,   /* numbered by a second source */
};

void sequence_init(struct sequence *sequence);
/* Of a log without a numbered source, which holds all there ever was: complete. */
void sequence_init_alone(struct sequence *sequence);

/* Judges the event that comes next in the partition, and moves behind it. */
enum sequence_verdict sequence_take(struct sequence *sequence, const struct event *event);

/* Does the event prove a loss? Then `reason`, SEQUENCE_REASON_BYTES of it, says which. */
bool sequence_would_lose(const struct sequence *sequence, const struct event *event, char *reason,
                         size_t bytes);

bool sequence_complete(const struct sequence *sequence);

/* The reason for people; "" when complete. `bytes` >= SEQUENCE_REASON_BYTES. */
void sequence_describe(const struct sequence *sequence, char *out, size_t bytes);

#endif
