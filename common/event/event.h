/* The event: one Kafka message, as plain data. `schemas/event.avsc` is its contract, and
 * event_codec.h has its bytes.
 *
 * Texts and ops point into the arena or buffers that they were built in.
 */
#ifndef COMMON_EVENT_EVENT_H
#define COMMON_EVENT_EVENT_H

#include "common/event/chunk.h"
#include "common/ops/op.h"

/* The limit on ops, nested ops, columns, and strings of arrays of one event, in total. Numbers of
 * arrays do not count. */
enum { EVENT_ITEMS_MAX = 128 * 1024 };

enum event_kind {
    EVENT_ROW,      /* ops on the slot of `entity_id` */
    EVENT_FAN_OUT,  /* ops of kind OP_FAN_OUT; goes to every partition */
    EVENT_REJECTED, /* an ops row that cannot be applied: it takes a seq and changes nothing */
    EVENT_MARK,     /* control: it takes no seq and carries the last one of its partition */
    EVENT_PARENT_REFRESH, /* requests for parents' fields: ops of kind OP_REFRESH with entry and
                             key; goes to every partition and takes a seq in each */
    /* These take no seq and carry the last one of their partition, like marks. */
    EVENT_CHUNK,
    EVENT_PASS,
    EVENT_SUM,
    EVENT_SUM_POINT,
    EVENT_JOB,    /* begin or end of a job */
    EVENT_VOIDED, /* completeness is taken away */
    EVENT_KINDS,
};

/* Does an event of this kind take a seq, and carry the id and the txid of an ops row? */
static inline bool
event_kind_is_numbered(enum event_kind kind)
{
    return kind == EVENT_ROW || kind == EVENT_FAN_OUT || kind == EVENT_REJECTED ||
           kind == EVENT_PARENT_REFRESH;
}

/* "row", "fan-out", "rejected", ... */
const char *event_kind_name(enum event_kind kind);

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
    /* Marks of schema version 1 have none of these: */
    bool has_content;          /* false: `content_digest` is not known */
    uint64_t content_digest;   /* over the numbered events' content (event_content_next) */
    struct text start_name;    /* random name of this start of the producer (L3) */
    const struct text *fields; /* that the triggers in place cover; "" is existence (alive) */
    uint32_t field_count;
    int64_t owed;   /* requests of this partition that are not answered yet */
    int64_t voided; /* number of the newest voided event; 0: none */
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
    uint64_t txid; /* of a numbered event: "BitdexOps".txid; 0: of schema version 1, or posted */
    uint32_t body_crc;  /* of a decoded numbered event, see event_content_next() */
    int64_t row_id;     /* numbered kinds: "BitdexOps".id (0 for POST /ops) */
    int64_t entity_id;  /* row: the entity; other numbered kinds: the column, never a slot */
    struct ops ops;     /* row, fan-out, parent refresh */
    struct text reason; /* rejected */
    /* In the arena; NULL unless the event is of that kind. */
    struct chunk *chunk;
    struct pass *pass;
    struct sum *sum;
    struct sum_point *sum_point;
    struct job_mark *job;
    struct voided *voided;
    struct mark mark; /* mark; the last member, because it is large and most events are no marks */
};

/* Continues the digest of L2: FNV-1a (64 bit) over the 8 bytes of the row id, big-endian. The first
 * digest is EVENT_DIGEST_START. */
#define EVENT_DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t event_digest_next(uint64_t digest, int64_t row_id);

/* Continues the content digest, which begins with EVENT_DIGEST_START: for each of the words row id,
 * txid and `body_crc`, digest = (digest ^ word) * 0x9e3779b97f4a7c15, then digest ^= digest >> 32.
 * `body_crc` is the CRC32C of the bytes of the field `body` in the encoded event, with the index of
 * its branch (L2). */
uint64_t event_content_next(uint64_t digest, int64_t row_id, uint64_t txid, uint32_t body_crc);

#endif
