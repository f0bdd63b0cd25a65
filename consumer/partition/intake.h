/* The way of messages into a replica: each call makes one batch of records that were read, delivers
 * its dead letters, and advances the replica by it. A worker has one for the replica that serves,
 * and during a rebuild one for the rebuilt replica. One thread, the worker's.
 */
#ifndef CONSUMER_PARTITION_INTAKE_H
#define CONSUMER_PARTITION_INTAKE_H

#include "common/kafka/kafka_record.h"
#include "consumer/dead_letter/dead_letter_topic.h"
#include "consumer/dumps/dump_registry.h"
#include "consumer/partition/batch.h"
#include "consumer/partition/rendezvous.h"
#include "consumer/partition/replica.h"
#include "consumer/partition/stage_times.h"
#include "consumer/partition/worker_control.h"

/* All pointers must outlive the intake. */
struct intake_options {
    const struct config *config;
    const struct worker_control *control;
    struct stage_times *times;
    struct event_codec *codec;
    struct dead_letter_topic *dead_letter_topic; /* NULL: a batch has no dead letters */
    struct dump_registry *dumps;                 /* NULL: marks of loads are not registered */
    int32_t partition;
    bool is_as_of;                       /* nothing becomes a dead letter */
    const struct rendezvous *rendezvous; /* NULL: none */
    /* Pauses while dead letters are not acknowledged. `reason`: "", or why, when it takes long. */
    void (*wait)(void *context, const char *reason);
    /* The batch will be applied; it was. Each may be NULL. */
    void (*applying)(void *context, const struct batch *batch);
    void (*applied)(void *context, const struct batch *batch);
    void *context;
};

struct intake {
    struct intake_options options;
    struct replica *replica;
    struct batch batch;
    struct kafka_batch *read;
    uint32_t next;       /* of `read`: the first record that is in no batch */
    bool is_other_topic; /* than before: batch_change_topic(); until `applied` takes it back */
};

/* The records go into `replica`, which need not be open before the first one. */
void intake_init(struct intake *intake, const struct intake_options *options,
                 struct replica *replica);
/* Also after an intake of zeros. */
void intake_free(struct intake *intake);

/* Another replica, or another engine of it, gets the records from now on. */
void intake_feed(struct intake *intake, struct replica *replica);
/* Drops the records that were read. */
void intake_drop(struct intake *intake);

/* After a read into `intake->read`: records that the replica has gone beyond are dropped. */
void intake_begin(struct intake *intake);
bool intake_has_records(const struct intake *intake);

/* Takes one batch. `*stuck` becomes 0, or says why the first record cannot be taken yet: ERR_RETRY
 * for one with an unknown schema, ERR_DATA for the first one after a gap when an operator has to
 * decide; then the replica is unchanged, and the record is taken again by the next call. When the
 * worker is asked to stop before the dead letters are acknowledged, the batch is dropped: its
 * messages are read again. An error is one of the log or of the dump registry, and final. */
int intake_take(struct intake *intake, struct error *stuck, struct error *err);

#endif
