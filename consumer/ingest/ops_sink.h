/* Events that POST /ops has accepted and encoded, and where they are stored: in the topic
 * (ops_topic.h), or in the queues of a stand-alone index (feed_local.h).
 *
 * Events of one partition keep their order. A post is not a transaction: if storing it fails
 * halfway, some of its events may be stored. The client may send it again, because ops apply in the
 * order in which they arrive.
 */
#ifndef CONSUMER_INGEST_OPS_SINK_H
#define CONSUMER_INGEST_OPS_SINK_H

#include "common/base/error.h"
#include "common/base/memory.h"

enum {
    OPS_ALL_PARTITIONS = -1,
    OPS_OFFSET_NONE = -1,    /* no event of the post is in the partition, or it is applied */
    OPS_OFFSET_UNKNOWN = -2, /* the broker has acknowledged it without its offset */
};

/* One encoded event: bytes `begin` to `begin + bytes` of its post. */
struct ops_span {
    size_t begin;
    size_t bytes;
    int64_t entity_id; /* the message's key */
    int32_t partition; /* or OPS_ALL_PARTITIONS: a fan-out */
};

/* The events of one request. Zero-initialise. */
struct ops_post {
    struct buffer bytes;
    struct ops_span *spans;
    uint32_t count;
    uint32_t capacity;
    /* By partition: the offset of the last event, which store() sets. NULL: not asked for. */
    int64_t *offsets;
};

/* Asks for the offsets; all are OPS_OFFSET_NONE until the post is stored. */
void ops_post_want_offsets(struct ops_post *post, int32_t partitions);

/* Appends an event: the bytes of the post after `begin`, where the previous event ends. */
void ops_post_add(struct ops_post *post, size_t begin, int64_t entity_id, int32_t partition);
void ops_post_free(struct ops_post *post);

/* ERR_DATA with the entry: an event has more than `bytes_max` bytes. */
int ops_post_check_bytes(const struct ops_post *post, int64_t bytes_max, struct error *err);

/* The partitions of a span: `*first` and the following ones; returns how many. */
int32_t ops_span_partitions(const struct ops_span *span, int32_t partitions, int32_t *first);

/* Adds to `err` what the client must know about a failed post. Returns the code of `err`. */
int ops_post_fail(struct error *err, bool nothing_stored);

struct ops_sink {
    /* 0: every event is durable, and applied unless its partition has an offset. ERR_RETRY after a
     * bounded wait (about consumer.post_timeout_ms, twice that if another round runs): the message
     * states whether anything may be stored. ERR_DATA: an event is too large; nothing was stored.
     * Any thread. */
    int (*store)(struct ops_sink *sink, const struct ops_post *post, struct error *err);
    /* No thread may be in store(). */
    void (*destroy)(struct ops_sink *sink);
};

#endif
