/* The rules of one partition, for an audit: what a consumer examines (sequence.h of its partition),
 * and what it need not, because it applies every event once.
 *
 * - A generation begins with its fence, and its numbered events are dense after it. Those up to the
 *   last seq that was read are sent again: they are equal to what was sent first, as far back as
 *   the ring goes.
 * - A mark has the digests of the events that were read, of its generation and of all.
 * - Ticks do not go back; no numbered event of a window follows its watermark; inside a window row
 *   ids ascend.
 * - After a fence, events of older generations are dropped by every consumer. They belong to
 *   windows up to that of the fence.
 * - One source, one topic id, and one start in each generation; keys and partitions fit.
 * - Every request is answered before a watermark that owes nothing.
 *
 * A partition whose beginning retention has removed is audited from its first event on; what
 * precedes its first fence may have been dropped, by the fence that retention has removed. After a
 * finding the rules continue from what the event says. Pure; one thread.
 */
#ifndef CONSUMER_AUDIT_AUDIT_STREAM_H
#define CONSUMER_AUDIT_AUDIT_STREAM_H

#include "common/base/key_table.h"
#include "common/base/memory.h"
#include "common/event/event.h"
#include "consumer/audit/audit_findings.h"
#include "consumer/audit/audit_ring.h"

enum { AUDIT_NAME_BYTES = 128, AUDIT_FENCES = 16, AUDIT_REQUESTS_MAX = 1 << 20 };

/* A message as it was read. */
struct audit_record {
    int64_t offset;
    struct text key;
    const struct event *event; /* valid; NULL: the message is not an event */
    const char *problem;       /* then: why */
};

/* Of a partition, or of all. */
struct audit_counts {
    int64_t messages;
    int64_t numbered;     /* events, each once */
    int64_t sent_again;   /* by a later generation */
    int64_t not_compared; /* of these: too far back */
    int64_t fenced;
    int64_t posted; /* unnumbered */
    int64_t marks;
    int64_t controls; /* other events that take no seq */
    int64_t digests;  /* that marks have confirmed */
    int64_t contents; /* content digests */
};

struct audit_epoch {
    int64_t epoch;
    int64_t first_generation;
    int64_t last_generation;
    int64_t generations;
    int64_t first_seq; /* of the events that were read, as is the next */
    int64_t last_seq;
    int64_t marked_seq;       /* of the last mark: up to it, the digests are confirmed */
    struct audit_chain chain; /* after last_seq */
};

struct audit_partition {
    int64_t begin; /* offsets: begin <= offset < end */
    int64_t end;
    int64_t first_offset; /* of the messages that were read; -1: none */
    int64_t last_offset;
    int64_t watermark_tick; /* of the last watermark; -1: none */
    int64_t clock_us;       /* of it */
    struct audit_counts counts;
    struct audit_epoch *epochs;
    uint32_t epoch_count;
    char source[AUDIT_NAME_BYTES];
    char topic_id[AUDIT_NAME_BYTES];
};

/* What began a generation. */
struct audit_fence {
    int64_t generation; /* 0: none */
    int64_t tick;
};

struct audit_stream {
    int32_t partition;
    int32_t partitions;
    struct audit_findings *findings;
    struct audit_partition *report;
    int64_t offset; /* of the event that is taken */
    /* Of the newest generation: */
    int64_t epoch; /* 0: nothing numbered was read yet */
    int64_t generation;
    int64_t tick;
    int64_t generation_seq;
    struct audit_chain generation_chain;
    bool has_content;       /* its fence had a content digest */
    int64_t watermark_tick; /* of its last watermark; -1: none */
    int64_t window_row_id;  /* of its last numbered event in `tick`; has_window_row: there is one */
    bool has_window_row;
    uint64_t start; /* hash of its name; has_start: it is known */
    bool has_start;
    bool is_cut;  /* retention removed the beginning, and no fence was read yet */
    bool was_cut; /* the same, when the epoch began */
    /* Of the epoch: */
    int64_t seq; /* the greatest */
    struct audit_chain chain;
    struct audit_fence fences[AUDIT_FENCES]; /* the newest first */
    struct audit_ring ring;
    struct key_table requests; /* row ids that are not answered yet */
};

/* `report` and `findings` must outlive the stream. */
void audit_stream_init(struct audit_stream *stream, int32_t partition, int32_t partitions,
                       uint32_t ring_size, struct audit_partition *report,
                       struct audit_findings *findings);
void audit_stream_free(struct audit_stream *stream);

enum audit_verdict {
    AUDIT_TAKEN,   /* an event of the newest generation */
    AUDIT_RESTART, /* the same, and what was read before it was fenced off */
    AUDIT_IGNORED, /* fenced off, posted, or not an event */
};

/* The next message. */
enum audit_verdict audit_stream_take(struct audit_stream *stream,
                                     const struct audit_record *record);

#endif
