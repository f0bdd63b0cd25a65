#include "common/kafka/kafka_reader.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_conf.h"
#include "common/kafka/kafka_error.h"
#include "common/kafka/kafka_queue.h"

enum { READER_BATCH_BYTES = 16 << 20, NO_PARTITION = -1 };

struct kafka_reader {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    int32_t partition; /* NO_PARTITION: there is no queue */
    struct kafka_queue queue;
};

int
kafka_reader_create(const struct config_kafka *config, const char *topic,
                    struct kafka_reader **reader, struct error *err)
{
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;
    CHECK(topic != NULL);
    int rc = kafka_conf_create(config, KAFKA_CONSUMER, &conf, err);
    if (rc == 0)
        rd_kafka_conf_set(conf, "check.crcs", "true", NULL, 0); /* whatever the disks did to it */
    /* A client has one request for messages on its way to a broker. At the end of a partition the
     * broker answers it after this time, and the next partition waits for that. */
    if (rc == 0)
        rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", NULL, 0);
    if (rc == 0)
        rc = kafka_client_create(RD_KAFKA_CONSUMER, conf, &client, err);
    if (rc != 0)
        return rc;
    struct kafka_reader *new_reader = memory_zalloc(sizeof *new_reader);
    new_reader->client = client;
    new_reader->topic = rd_kafka_topic_new(client, topic, NULL);
    new_reader->partition = NO_PARTITION;
    if (new_reader->topic == NULL) {
        kafka_reader_destroy(new_reader);
        return error_set(err, ERR_USAGE, "kafka: invalid topic name \"%s\"", topic);
    }
    *reader = new_reader;
    return 0;
}

void
kafka_reader_stop(struct kafka_reader *reader)
{
    if (reader->partition == NO_PARTITION)
        return;
    CHECK(reader->queue.handle != NULL);
    rd_kafka_consume_stop(reader->topic, reader->partition);
    rd_kafka_queue_destroy(reader->queue.handle);
    reader->partition = NO_PARTITION;
}

void
kafka_reader_destroy(struct kafka_reader *reader)
{
    if (reader == NULL)
        return;
    kafka_reader_stop(reader);
    if (reader->topic != NULL)
        rd_kafka_topic_destroy(reader->topic);
    rd_kafka_destroy(reader->client);
    free(reader);
}

int
kafka_reader_start(struct kafka_reader *reader, int32_t partition, int64_t offset,
                   struct error *err)
{
    CHECK(partition >= 0);
    kafka_reader_stop(reader);
    reader->queue = (struct kafka_queue){.handle = rd_kafka_queue_new(reader->client)};
    if (rd_kafka_consume_start_queue(reader->topic, partition, offset, reader->queue.handle) != 0) {
        rd_kafka_queue_destroy(reader->queue.handle);
        return kafka_error_set(err, rd_kafka_last_error(), "could not start reading");
    }
    reader->partition = partition;
    return 0;
}

int
kafka_reader_read_some(struct kafka_reader *reader, int wait_ms, uint32_t max_records,
                       size_t max_bytes, struct kafka_batch *batch, struct error *err)
{
    CHECK(reader->partition != NO_PARTITION);
    return kafka_queue_read(&reader->queue, wait_ms, max_records, max_bytes, batch, err);
}

int
kafka_reader_read(struct kafka_reader *reader, int wait_ms, struct kafka_batch *batch,
                  struct error *err)
{
    return kafka_reader_read_some(reader, wait_ms, KAFKA_BATCH_RECORDS_MAX, READER_BATCH_BYTES,
                                  batch, err);
}

void
kafka_reader_watermarks(const struct kafka_reader *reader, int64_t *low, int64_t *high)
{
    CHECK(reader->partition != NO_PARTITION);
    int64_t known[2];
    rd_kafka_resp_err_t code =
        rd_kafka_get_watermark_offsets(reader->client, rd_kafka_topic_name(reader->topic),
                                       reader->partition, &known[0], &known[1]);
    *low = code == 0 && known[0] >= 0 ? known[0] : -1;
    *high = code == 0 && known[1] >= 0 ? known[1] : -1;
}
