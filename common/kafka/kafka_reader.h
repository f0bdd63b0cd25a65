/* Reads a partition from an offset, without a consumer group. The producer checks with it what is
 * on the topic before its fence (L3). One thread.
 */
#ifndef COMMON_KAFKA_KAFKA_READER_H
#define COMMON_KAFKA_KAFKA_READER_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/kafka/kafka_record.h"

struct kafka_reader;

/* Does not wait for the broker. The caller owns `*reader`. */
int kafka_reader_create(const struct config_kafka *config, const char *topic,
                        struct kafka_reader **reader, struct error *err);
void kafka_reader_destroy(struct kafka_reader *reader);

/* Starts at `offset` of `partition`, and stops what the reader was reading. */
int kafka_reader_start(struct kafka_reader *reader, int32_t partition, int64_t offset,
                       struct error *err);

/* Stops what the reader was reading: nothing is fetched any more. */
void kafka_reader_stop(struct kafka_reader *reader);

/* After kafka_reader_start(): waits up to `wait_ms` for the first message. ERR_DATA: the partition
 * does not have the offset any more, or not yet. ERR_RETRY: the client retries. */
int kafka_reader_read(struct kafka_reader *reader, int wait_ms, struct kafka_batch *batch,
                      struct error *err);
/* The same, with limits as kafka_partition_read() has them. */
int kafka_reader_read_some(struct kafka_reader *reader, int wait_ms, uint32_t max_records,
                           size_t max_bytes, struct kafka_batch *batch, struct error *err);

/* The first offset of the partition that is read and the offset after its last one, from the last
 * response (-1: none yet). Makes no request. */
void kafka_reader_watermarks(const struct kafka_reader *reader, int64_t *low, int64_t *high);

#endif
