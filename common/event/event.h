/* The event: one Kafka message, as plain data. `schemas/event.avsc` is its contract, and
 * event_codec.h has its bytes.
 *
 * Texts and ops point into the arena or buffers that they were built in.
 */
#ifndef COMMON_EVENT_EVENT_H
#define COMMON_EVENT_EVENT_H

#include "common/ops/op.h"

/* The limit on ops, nested ops and strings of arrays of one event, in total. */
enum { EVENT_ITEMS_MAX = 128 * 1024 };

enum event_kind {
    EVENT_ROW,      /* ops on the slot of `entity_id` */
    EVENT_FAN_OUT,  /* ops of kind OP_FAN_OUT; goes to every partition */
    EVENT_REJECTED, /* an ops row that cannot be applied: it takes a seq and changes nothing */
    EVENT_MARK,     /* control: it takes no seq and carries the last one of its partition */
};

enum mark_kind {
    MARK_FENCE,     /* first event of a generation (L3) */
    MARK_WATERMARK, /* everything up to `snapshot` has been sent to this partition */
};

struct mark {
    enum mark_kind kind;
    struct text topic_id; /* the UUID that the producer gave to this topic */
    uint64_t digest;      /* over the row ids of the partition's numbered events, up to the seq of
                             the mark (event_digest_next) */
    int64_t last_row_id;  /* greatest outbox id sent to any partition so far */
    int64_t max_row_id;   /* greatest outbox id that exists */
    int64_t backlog_rows; /* estimate of the rows that are committed and not yet sent */
    int64_t clock_us;     /* wall clock of the source database when the snapshot was taken, Unix
                             microseconds */
    struct text snapshot; /* pg_snapshot in its text form */
    bool source_empty;    /* fence: the source was empty when this epoch began */
    int32_t partitions;   /* P of the topic */
};

struct event {
    int64_t epoch;      /* number of an unbroken history of the source (L2); from 1 */
    int64_t generation; /* number of a session of the producer; from 1 */
    int64_t tick;       /* number of the window */
    int64_t seq;        /* dense per partition; 0: unnumbered */
    struct text source; /* name of the producer, or of the HTTP source */
    bool has_created_at;
    int64_t created_at_us; /* "BitdexOps".created_at, Unix microseconds */
    enum event_kind kind;
    int64_t row_id;     /* row, fan-out, rejected: "BitdexOps".id (0 for POST /ops) */
    int64_t entity_id;  /* row: the entity; fan-out, rejected: the column, never a slot */
    struct ops ops;     /* row, fan-out */
    struct text reason; /* rejected */
    struct mark mark;   /* mark */
};

/* Continues the digest of L2: FNV-1a (64 bit) over the 8 bytes of the row id, big-endian. The first
 * digest is EVENT_DIGEST_START. */
#define EVENT_DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t event_digest_next(uint64_t digest, int64_t row_id);

#endif
