/* A batch: messages on their way into one frame of the log, as bytes for the frame and as events
 * for the engine.
 *
 * Each message is decoded, judged by the seq rule, and checked against the index (event_check.h). A
 * row, fan-out, chunk or pass that can be applied goes into the payload as it was received. If some
 * of its ops or values cannot be applied, it is encoded again without them. Whatever is dropped as
 * invalid becomes a dead letter; duplicates and fenced events are only counted. Closing the batch
 * compacts it: ops that later ones override are dropped in the same way, so that the frame has
 * exactly what is applied. A chunk or a pass is a barrier to compaction.
 *
 * A sum, and a chunk that is to be compared, change nothing. They are in the payload, so that a
 * replay compares at the same place, and end their batch, so that the position of the frame is the
 * position at that place.
 *
 *     payload    [4 bytes length, little-endian][event, framed as in event_codec.h] ...
 *
 * No I/O. A batch belongs to one thread.
 */
#ifndef CONSUMER_PARTITION_BATCH_H
#define CONSUMER_PARTITION_BATCH_H

#include "common/base/error.h"
#include "common/config/config_fields.h"
#include "common/event/event_codec.h"
#include "common/kafka/kafka_record.h"
#include "consumer/compact/compact.h"
#include "consumer/dead_letter/dead_letter.h"
#include "consumer/dumps/dump_list.h"
#include "consumer/engine/engine.h"
#include "consumer/engine/engine_chunk.h"
#include "consumer/partition/proof.h"
#include "consumer/partition/record_rule.h"
#include "consumer/partition/sequence.h"
#include "consumer/partition/unanswered.h"
#include "consumer/partition/verdicts.h"

/* What a batch is for; all of it must outlive the batch. */
struct batch_context {
    const struct config *config;
    int32_t partition;
    const struct engine *engine; /* checks what it could apply; not changed */
    struct event_codec *codec;
};

struct batch_counts {
    uint64_t records;
    uint64_t bytes;     /* of all records */
    uint64_t events;    /* to apply */
    uint64_t ops;       /* to apply; a fan-out is one, and so is each value of a chunk */
    uint64_t compacted; /* ops among these that later ones override */
    uint64_t duplicates;
    uint64_t fenced;
    uint64_t stale; /* parts of a load that the shard has gone beyond */
    uint64_t foreign;
    uint64_t rejected; /* rejected events and chunks: they change nothing */
};

struct batch {
    struct batch_context context;
    struct config_fields fields;
    struct arena arena; /* the events point into it */
    struct compact *compact;
    struct event *events; /* to apply, in order */
    uint32_t event_count;
    uint32_t event_capacity;
    struct buffer payload;
    struct buffer received; /* the payload before compaction */
    struct dead_letter_list dead_letters;
    struct dump_mark *jobs; /* the marks of loads, in order */
    uint32_t job_count;
    uint32_t job_capacity;
    struct batch_counts counts;
    struct sequence sequence;          /* after the last message */
    struct unanswered_changes changes; /* of the record, by the messages */
    struct proof proof;                /* after the last message */
    bool proof_changed;                /* by a message */
    bool is_at_proof;                  /* batch_at_proof() */
    int64_t first_offset;              /* of the messages; -1: the batch is empty */
    int64_t next_offset;               /* after the last message; -1 likewise */
    struct kafka_record last;          /* the last message, when there is one */
    bool compares;                     /* the last event is to be compared: the batch is full */
    bool is_closed;
};

enum {
    BATCH_EVENT_BYTES_MAX = 64 * 1024 * 1024, /* a larger message is a dead letter */
    BATCH_OPS_MAX = 1024 * 1024,              /* then the batch is full; a bound on memory */
};

void batch_init(struct batch *batch, const struct batch_context *context);
/* A zeroed batch is nothing to free. */
void batch_free(struct batch *batch);

/* Empties and opens the batch. `sequence` and `record` are those before its first message; the
 * record must not change until the batch is begun again. NULL: an empty one. */
void batch_begin(struct batch *batch, const struct sequence *sequence,
                 const struct unanswered *record);

/* `proof`: before the first message, which was not added yet. Without this call nothing is proved.
 */
void batch_set_proof(struct batch *batch, const struct proof *proof);

/* The topic is not the one that was read (sequence_is_message()): a loss before the first message.
 * ERR_DATA: consumer.on_gap is stop. */
int batch_change_topic(struct batch *batch, struct error *err);

/* Of a message, as sequence_keep_message() keeps it. */
uint64_t batch_hash(const struct kafka_record *record);

/* Takes the next message, whose bytes must stay until the batch is closed or begun again.
 * ERR_RETRY: its schema is not known. ERR_DATA: it proves a loss, and consumer.on_gap is stop. On
 * error the batch is unchanged. */
int batch_add(struct batch *batch, const struct kafka_record *record, struct error *err);

/* Has the batch reached consumer.batch_rows, consumer.batch_bytes or BATCH_OPS_MAX, or a place of
 * comparison? */
bool batch_full(const struct batch *batch);

/* Was the last message a watermark that proves the source snapshot at the end of its window? Then
 * the batch holds the numbered events up to that window, and none of a later one. */
bool batch_at_proof(const struct batch *batch);

/* Takes no more messages, and compacts the events (compact.h). */
void batch_close(struct batch *batch);

/* The size of the largest payload of a batch. */
size_t batch_payload_bytes_max(const struct config_consumer *config);

/* What takes part while events are applied. All of it may be NULL. */
struct batch_hooks {
    /* Readers may come in while a chunk or a pass is applied (engine_chunk.h). */
    const struct engine_yield *yield;
    /* Where fields are damaged; a chunk mends them. */
    const struct verdicts *verdicts;
    /* Receives an event that is to be compared (comparison.h), when all before it is applied. */
    void (*compare)(void *context, const struct event *event);
    void *context;
};

/* `hooks` may be NULL. An event that is to be compared is only skipped: batch_compared() has it. */
void batch_apply(const struct batch *batch, struct engine *engine, const struct batch_hooks *hooks);
/* The event of the batch that is to be compared, which is the last one; NULL: none is. */
const struct event *batch_compared(const struct batch *batch);

typedef void (*batch_visit)(void *context, const struct event *event);

/* Calls `visit` with each event of the payload of a frame that was read back; an event is valid
 * until `visit` returns. `arena` is reset for each event. ERR_FATAL, with the byte in the payload:
 * it is damaged, or was not written with this configuration, or (unless the context has no engine)
 * an op cannot be applied. */
int batch_read(const struct batch_context *context, struct text payload, struct arena *arena,
               batch_visit visit, void *visit_context, struct error *err);

/* Applies such a payload, as batch_apply() does, and compares. */
int batch_replay(const struct batch_context *context, struct engine *engine, struct text payload,
                 struct arena *arena, const struct batch_hooks *hooks, struct error *err);

#endif
