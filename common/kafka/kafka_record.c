#include "common/kafka/kafka_record.h"

#include <librdkafka/rdkafka.h>

#include "common/base/check.h"

void
kafka_batch_cut(struct kafka_batch *batch, uint32_t count)
{
    CHECK(count <= batch->count);
    CHECK(batch->count <= KAFKA_BATCH_RECORDS_MAX);
    for (uint32_t i = count; i < batch->count; i++) {
        batch->bytes -= batch->records[i].value_bytes;
        if (batch->messages[i] != NULL)
            rd_kafka_message_destroy(batch->messages[i]);
    }
    batch->count = count;
}

void
kafka_batch_release(struct kafka_batch *batch)
{
    kafka_batch_cut(batch, 0);
    batch->bytes = 0;
}

void
kafka_batch_check(const struct kafka_batch *batch)
{
    size_t bytes = 0;
    CHECK(batch->count <= KAFKA_BATCH_RECORDS_MAX);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct kafka_record *record = &batch->records[i];
        CHECK(batch->messages[i] != NULL);
        CHECK(record->offset >= 0);
        CHECK(i == 0 || batch->records[i - 1].offset < record->offset);
        CHECK(record->value != NULL || record->value_bytes == 0);
        bytes += record->value_bytes;
    }
    CHECK(bytes == batch->bytes);
}
