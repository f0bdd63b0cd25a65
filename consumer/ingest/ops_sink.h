/* What POST /ops has accepted, on its way to the log, and where it goes: the topic (ops_topic.h),
 * or the queues of a stand-alone index (feed_local.h).
 *
 * Events of one partition keep their order. A post is not one transaction: when storing it fails
 * half-way, some of its events may be stored. Ops are applied as they come, so it may be posted
 * again.
 */
#ifndef CONSUMER_INGEST_OPS_SINK_H
#define CONSUMER_INGEST_OPS_SINK_H

#include "common/base/error.h"
#include "common/base/memory.h"

enum { OPS_ALL_PARTITIONS = -1 };

/* One encoded event: bytes `begin` to `begin + bytes` of its post. */
struct ops_span {
    size_t begin;
    size_t bytes;
    int64_t entity_id; /* the message's key */
    int32_t partition; /* or OPS_ALL_PARTITIONS: a fan-out */
};

/* Zero-initialise. */
struct ops_post {
    struct buffer bytes;
    struct ops_span *spans;
    uint32_t count;
    uint32_t capacity;
};

/* Appends a span for the bytes that were written since `begin`. */
void ops_post_add(struct ops_post *post, size_t begin, int64_t entity_id, int32_t partition);
void ops_post_free(struct ops_post *post);

/* ERR_DATA, naming the entry, when an event has more than `bytes_max` bytes. */
int ops_post_check_bytes(const struct ops_post *post, int64_t bytes_max, struct error *err);

/* The partitions of a span: from `*first` on, as many as returned. */
int32_t ops_span_partitions(const struct ops_span *span, int32_t partitions, int32_t *first);

/* Tells whoever posted what an error has left behind; returns the error's code. */
int ops_post_fail(struct error *err, bool nothing_stored);

struct ops_sink {
    /* Returns 0 when every event is durable. ERR_RETRY after a bounded wait (about
     * consumer.post_timeout_ms, twice that when others are before it): the message says whether
     * anything may be stored. ERR_DATA: an event that is too large; nothing was stored. Any
     * thread. */
    int (*store)(struct ops_sink *sink, const struct ops_post *post, struct error *err);
    /* Nobody may be storing. */
    void (*destroy)(struct ops_sink *sink);
};

#endif
