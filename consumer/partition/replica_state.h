/* The state of a replica, for those who feed it (replica.h), recover it (replica_recovery.h) and
 * copy it to checkpoints (replica_checkpoint.h); and how it is changed while other threads read. */
#ifndef CONSUMER_PARTITION_REPLICA_STATE_H
#define CONSUMER_PARTITION_REPLICA_STATE_H

#include "consumer/checkpoint/checkpoint.h"
#include "consumer/checkpoint/checkpoint_write.h"
#include "consumer/partition/history.h"
#include "consumer/partition/position.h"
#include "consumer/partition/position_order.h"
#include "consumer/partition/recorded_config.h"
#include "consumer/partition/replica_options.h"
#include "consumer/partition/shard.h"
#include "consumer/partition/unanswered.h"
#include "consumer/partition/verdicts.h"
#include "consumer/wal/wal.h"

/* With more changes of the record than these, a position does not wait for events. */
enum { CHANGES_WAITING = 16 * 1024 };

struct replica {
    struct replica_options options;
    char *directory;
    struct engine *engine;
    struct config_fields fields;       /* of the index */
    struct shard *shard;               /* serves the engine; NULL: no other thread reads it */
    int64_t locked_us;                 /* since when the engine is being written */
    struct wal *wal;                   /* NULL: not open */
    struct position_order order;       /* followed from replica_open() on */
    struct position position;          /* after the last batch */
    struct position durable_position;  /* after the last frame */
    struct unanswered *record;         /* the record that is part of the position */
    struct unanswered_changes changes; /* of the record, since the last frame */
    struct proof proof;                /* after the last batch */
    bool proof_changed;                /* since the last frame */
    struct verdicts verdicts;          /* of comparisons with the source */
    struct verdicts_summary summary;   /* of these */
    struct buffer encoded;             /* a position as bytes */
    int64_t next_offset;               /* after the last batch; -1: nothing was read yet */
    int64_t unsaved_offset;            /* the first offset that no frame covers; -1: none */
    int64_t unsaved_us;                /* since when */
    struct buffer identity;            /* of log and checkpoints; terminated */
    char *checkpoint_directory;
    struct checkpoint_place place;
    struct history history;           /* of the checkpoints */
    int64_t frame_bytes;              /* written or replayed since the newest checkpoint */
    int64_t checkpoint_us;            /* when it was begun, or the replica opened; monotonic */
    int64_t checkpoint_bytes;         /* the size of the newest checkpoint; 0: no checkpoint yet */
    struct checkpoint_writer *writer; /* of the checkpoint that is being written; NULL: none */
    int64_t writer_offset;
    int64_t writer_begin_us;
    /* During recovery: */
    struct recorded_config *recorded; /* of engine and position; NULL: the present configuration */
    struct event_codec *codec;
    struct arena arena;
};

/* `recorded`: NULL for the present configuration. */
int replica_create_engine(const struct replica_options *options,
                          const struct recorded_config *recorded, struct engine **engine,
                          struct error *err);
struct checkpoint_place replica_place(const struct replica *replica, const char *directory);
/* The fields of engine and position. */
const struct config_fields *replica_fields(const struct replica *replica);
/* What holds of an open replica between two calls. */
void replica_check(const struct replica *replica);
/* `*since_us` becomes now. */
void replica_observe(struct replica *replica, enum stage stage, int64_t *since_us);

/* Between these, no other thread reads the engine. */
struct engine *replica_write_begin(struct replica *replica);
void replica_write_end(struct replica *replica);
/* Lets the queries in that wait, if they have waited long enough. `context`: the replica. */
void replica_yield(void *context);
/* Between these, no other thread reads the verdicts. */
void replica_verdicts_begin(struct replica *replica);
void replica_verdicts_end(struct replica *replica);
/* Compares the engine with what the source has said of a range. Queries read it meanwhile, unless
 * the caller holds the shard's lock. `context`: the replica. */
void replica_compare(void *context, const struct event *event);
/* `context`: the engine. */
void replica_hold(void *context, uint32_t slot, bool is_held);

#endif
