/* The event: one Kafka message, as plain data. `schemas/event.avsc` is its contract;
 * `event_codec.h` its bytes.
 *
 * Strings and ops point into the arena (or buffers) they were built in.
 */
#ifndef COMMON_EVENT_EVENT_H
#define COMMON_EVENT_EVENT_H

#include "common/ops/op.h"

enum event_kind {
    EVENT_ROW,      /* ops on the slot of `entity_id` */
    EVENT_FAN_OUT,  /* ops of kind OP_FAN_OUT; goes to every partition */
    EVENT_REJECTED, /* an ops row that cannot be applied; takes its seq, changes nothing */
    EVENT_MARK,     /* control: carries the seq it stands at and takes none */
};

enum mark_kind {
    MARK_FENCE,     /* first event of a generation (L3) */
    MARK_WATERMARK, /* everything up to `snapshot` has been sent to this partition */
};

struct mark {
    enum mark_kind kind;
    struct text topic_id; /* our UUID of this topic */
    uint64_t digest;      /* running digest over this partition's row ids, up to the mark's seq
                             (event_digest_next) */
    int64_t last_row_id;  /* greatest outbox id delivered to any partition so far */
    int64_t max_row_id;   /* greatest outbox id that exists */
    int64_t backlog_rows; /* estimate of rows committed and not sent yet */
    int64_t clock_us;     /* wall clock of the source database when the snapshot was taken, Unix
                             microseconds */
    struct text snapshot; /* pg_snapshot in its text form */
    bool source_empty;    /* fence: the source was empty when this epoch began */
    int32_t partitions;   /* P of the topic */
};

struct event {
    int64_t epoch;      /* L2: one unbroken history of the source; from 1 */
    int64_t generation; /* one run of the producer; from 1 */
    int64_t tick;       /* number of the window */
    int64_t seq;        /* dense per partition; 0 = unnumbered */
    struct text source; /* the producer's name, or the source of POST /ops */
    bool has_created_at;
    int64_t created_at_us; /* "BitdexOps".created_at, Unix microseconds */
    enum event_kind kind;
    int64_t row_id;     /* row, fan-out, rejected: "BitdexOps".id (0 for POST /ops) */
    int64_t entity_id;  /* row: the entity; fan-out, rejected: the column as it was, never a slot */
    struct ops ops;     /* row, fan-out */
    struct text reason; /* rejected */
    struct mark mark;   /* mark */
};

/* The digest of L2: FNV-1a (64 bit) continued over the row id's 8 bytes, big-endian. Begins with
 * EVENT_DIGEST_START. */
#define EVENT_DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t event_digest_next(uint64_t digest, int64_t row_id);

#endif
