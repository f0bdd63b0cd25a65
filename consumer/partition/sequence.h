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
 * The answers to requests are chunks, so no number shows that one was lost. Therefore a watermark
 * that owes nothing, a sum and a chunk to be compared prove a loss while requests are unanswered.
 * Any loss and a new epoch empty the record of requests: otherwise each later mark would end the
 * load that repairs the shard. Which requests these are is in unanswered.h; a sequence has their
 * number.
 *
 * A generation opens no window after the fence of a later one, and a generation has one start of
 * one producer. So two producers run on two copies of one database (F101) when the tick of a fenced
 * event is above that of the fence that ended its generation, when that of a fence is below what
 * was read before, or when a mark of the current generation has the name of another start. Topic id
 * and source are looked at before epoch and generation, because the events of another topic's
 * history may all be of older ones (F102). Marks may be far away, and show nothing of what was
 * posted; so the last message is read again at each start, and must be the same.
 *
 * Pure: no I/O, no clock, no memory of its own; a sequence may be copied.
 */
#ifndef CONSUMER_PARTITION_SEQUENCE_H
#define CONSUMER_PARTITION_SEQUENCE_H

#include "common/config/config_fields.h"
#include "common/event/event.h"
#include "consumer/partition/coverage.h"

enum { SEQUENCE_NAME_BYTES = 128, SEQUENCE_REASON_BYTES = 256, SEQUENCE_FENCES = 4 };

/* The last watermark. All 0: none yet. A watermark that owes answers proves no snapshot: tick and
 * clock_us stay those of the last one that owed nothing. */
struct sequence_watermark {
    int64_t tick; /* of the window whose snapshot the partition is proved to hold, if complete */
    int64_t clock_us;
    int64_t last_row_id;
    int64_t max_row_id;
    int64_t backlog_rows;
    int64_t owed;          /* requests that the source has not answered yet */
    int64_t owed_since_us; /* clock of the first watermark since something is owed; else 0 */
    int64_t newest_us;     /* clock of this one, whatever it owes */
};

/* The fence that began a generation, or the first event of it that was read. */
struct sequence_fence {
    int64_t generation; /* 0: none */
    int64_t tick;
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
    int64_t skip_first;    /* the newest reset that has left messages out since: these offsets, */
    int64_t skip_next;     /* up to the one before this; 0: none */
    uint64_t last_message; /* hash of the message before the next offset; 0: not known */
    int64_t unanswered;    /* requests in the record of the partition (unanswered.h) */
    struct sequence_watermark watermark;
    struct sequence_fence fences[SEQUENCE_FENCES]; /* of the epoch, the newest first */
    uint64_t start; /* hash of the name of the start that the generation is of; 0: not known */
    struct coverage coverage;
    char source[SEQUENCE_NAME_BYTES];   /* of the numbered source; "": not known yet */
    char topic_id[SEQUENCE_NAME_BYTES]; /* as marks carry it; "": not known yet */
    bool topic_id_is_older;             /* it is that of an earlier epoch */
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

/* The messages from `first` up to the one before `next` are left out, because the group's offset
 * was reset. They may be some that no number would miss, or whose numbers nothing follows yet
 * (F105, F106), so this is a loss whatever is read afterwards. */
void sequence_skip(struct sequence *sequence, int64_t first, int64_t next);

/* The event of the message at this offset was taken. Its hash is not known until
 * sequence_keep_message(), which the last one of a batch needs. */
void sequence_take_offset(struct sequence *sequence, int64_t offset);
/* `hash`: of the message that was taken last, never 0. */
void sequence_keep_message(struct sequence *sequence, uint64_t hash);
/* At a start the message before the next offset is read again. False: it is not the one that was
 * read, so the topic is another one, or has lost its end and grown again (F102). */
bool sequence_is_message(const struct sequence *sequence, int64_t offset, uint64_t hash);
/* That was found, which is a loss: what the topic has before the next offset was never read. */
void sequence_change_topic(struct sequence *sequence);

/* A row that was just taken has a request, which enters the record; at `requests_max` it does not
 * fit, which is a loss and empties the record. */
void sequence_add_request(struct sequence *sequence, int64_t requests_max);
/* A chunk that was just taken has answered a request of the record. */
void sequence_remove_request(struct sequence *sequence);

/* Are existence and all fields complete? */
bool sequence_complete(const struct sequence *sequence);

/* Do the members agree with each other, as they do after any events? */
bool sequence_is_consistent(const struct sequence *sequence);

/* Checks that `after` comes from `before` by taking events: numbers and losses only grow. */
void sequence_check_growth(const struct sequence *before, const struct sequence *after);

/* A reason that the seq rule has found (coverage_is_from_rule) as text, without what to do
 * about it; "" for COVERAGE_COMPLETE. `bytes` >= SEQUENCE_REASON_BYTES. */
void sequence_describe(const struct sequence *sequence, enum coverage_reason reason, char *out,
                       size_t bytes);

#endif
