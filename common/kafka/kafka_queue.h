/* A queue with the messages of one partition, as librdkafka fills it. For this room only. */
#ifndef COMMON_KAFKA_KAFKA_QUEUE_H
#define COMMON_KAFKA_KAFKA_QUEUE_H

#include <librdkafka/rdkafka.h>

#include "common/base/error.h"
#include "common/kafka/kafka_record.h"

/* Initialise with zeros, except for the handle. One thread. */
struct kafka_queue {
    rd_kafka_queue_t *handle;
    int64_t next_offset;  /* messages with smaller offsets are dropped */
    struct error pending; /* an error that followed messages; code 0: none */
};

/* See kafka_partition_read(). */
int kafka_queue_read(struct kafka_queue *queue, int wait_ms, uint32_t max_records, size_t max_bytes,
                     struct kafka_batch *batch, struct error *err);

#endif
