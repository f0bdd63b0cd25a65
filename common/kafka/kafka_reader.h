/* Reads one partition between two offsets, without a group: the look at the topic that a producer
 * takes behind its fence (L3), and tests.
 *
 * One thread.
 */
#ifndef COMMON_KAFKA_KAFKA_READER_H
#define COMMON_KAFKA_KAFKA_READER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/kafka/kafka_record.h"

struct kafka_reader;

int kafka_reader_create(const struct config_kafka *config, const char *topic,
                        struct kafka_reader **reader, struct error *err);
void kafka_reader_destroy(struct kafka_reader *reader);

/* Starts at `offset` of `partition`, leaving whatever was read before. */
int kafka_reader_start(struct kafka_reader *reader, int32_t partition, int64_t offset,
                       struct error *err);

/* After kafka_reader_start(): waits up to `wait_ms` for the first message. ERR_DATA when the
 * offset is not there any more (or not yet). */
int kafka_reader_read(struct kafka_reader *reader, int wait_ms, struct kafka_batch *batch,
                      struct error *err);

#endif
