/* A batch: the messages of one WAL frame, from bytes to what the frame holds and the engine
 * applies.
 *
 * Each message is decoded, judged by the seq rule, and its ops checked against the index. What can
 * be applied goes into the payload as it was received; an event of which ops had to be dropped is
 * written anew without them. Whatever is dropped as invalid leaves a dead letter; duplicates and
 * fenced events only a count. Closing a batch compacts it: ops that later ones override go the same
 * way, so that the frame holds what was applied.
 *
 *     payload    [4 bytes length, little-endian][event, framed as in event_codec.h] ...
 *
 * No I/O. A batch belongs to one thread.
 */
#ifndef CONSUMER_PARTITION_BATCH_H
#define CONSUMER_PARTITION_BATCH_H

#include "common/config/config.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_record.h"
#include "consumer/compact/compact.h"
#include "consumer/dead_letter/dead_letter.h"
#include "consumer/engine/engine.h"
#include "consumer/partition/sequence.h"

/* What a batch is made for; all must outlive it. The engine is only asked what it could apply. */
struct batch_context {
    const struct config *config;
    int32_t partition;
    const struct engine *engine;
    struct event_codec *codec;
};

struct batch_counts {
    uint64_t records;
    uint64_t bytes;     /* of all records */
    uint64_t events;    /* to apply */
    uint64_t ops;       /* to apply; a fan-out is one */
    uint64_t compacted; /* of these, dropped again: overridden by later ones */
    uint64_t duplicates;
    uint64_t fenced;
    uint64_t foreign;
    uint64_t rejected; /* by the producer: they take a seq and change nothing */
};

struct batch {
    struct batch_context context;
    struct arena arena; /* holds what the events point to */
    struct compact *compact;
    struct event *events; /* to apply, in order */
    uint32_t event_count;
    uint32_t event_capacity;
    struct buffer payload;
    struct buffer received; /* what the payload was before it was compacted */
    struct dead_letter_list letters;
    struct batch_counts counts;
    struct sequence sequence; /* as it stands behind the last message */
    int64_t first_offset;     /* of the messages; -1: none */
    int64_t next_offset;
};

enum { BATCH_EVENT_BYTES_MAX = 64 * 1024 * 1024 }; /* a larger message is a dead letter */

void batch_init(struct batch *batch, const struct batch_context *context);
void batch_free(struct batch *batch);

/* Empties the batch; the next message stands behind `sequence`. */
void batch_begin(struct batch *batch, const struct sequence *sequence);

/* Takes the next message. ERR_RETRY: it is written with a schema that this program does not know.
 * ERR_DATA: it proves that something is missing, and consumer.on_gap says stop. The batch is then
 * as it was before. */
int batch_add(struct batch *batch, const struct kafka_record *record, struct error *err);

/* Is it as large as the configuration allows? */
bool batch_full(const struct batch *batch);

/* No more messages: compacts what is to be applied (compact.h). */
void batch_close(struct batch *batch);

/* The largest payload that a batch can have. */
size_t batch_payload_bytes_max(const struct config_consumer *config);

void batch_apply(const struct batch *batch, struct engine *engine);

typedef void (*batch_visit)(void *context, const struct event *event);

/* Calls `visit` with each event of the payload of a frame that was read back; the event dies when
 * it returns. The context needs no engine; `arena` is reset for each event. ERR_FATAL: the payload
 * is not what this configuration wrote. */
int batch_read(const struct batch_context *context, struct text payload, struct arena *arena,
               batch_visit visit, void *visit_context, struct error *err);

/* Applies such a payload. */
int batch_replay(const struct batch_context *context, struct engine *engine, struct text payload,
                 struct arena *arena, struct error *err);

#endif
