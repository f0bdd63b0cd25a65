#include "common/kafka/kafka_record.h"

#include <librdkafka/rdkafka.h>

#include "common/base/check.h"

void
kafka_batch_release(struct kafka_batch *batch)
{
    CHECK(batch->count <= KAFKA_BATCH_RECORDS_MAX);
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->messages[i] != NULL)
            rd_kafka_message_destroy(batch->messages[i]);
    batch->count = 0;
    batch->bytes = 0;
}
