#include "consumer/api/page.h"

#include <inttypes.h>

#include "common/base/check.h"
#include "consumer/api/field_status.h"
#include "consumer/api/partition_status.h"
#include "consumer/partition/shard.h"

static void
page_write_head(const struct config *config, const struct partition_status_list *list,
                struct buffer *out)
{
    CHECK(list->count <= (uint32_t)config->topic.partitions);
    if (config->kafka.present)
        buffer_append_format(out, "bitdex-consumer: index %s, topic %s, group %s\n", config->index,
                             config->topic.name, config->consumer.group);
    else
        buffer_append_format(out, "bitdex-consumer: index %s, stand-alone\n", config->index);
    buffer_append_format(out, "this process has %u of %d partitions\n\n", list->count,
                         config->topic.partitions);
    if (list->broker_error[0] != '\0')
        buffer_append_format(out, "Kafka: %s\n\n", list->broker_error);
    if (list->cursor_table_error[0] != '\0')
        buffer_append_format(out, "bitdex_cursors: %s\n\n", list->cursor_table_error);
}

static void
page_write_partition(const struct partition_status *status, struct buffer *out)
{
    const struct shard_status *shard = &status->shard;
    CHECK(status->complete == (status->reason[0] == '\0'));
    buffer_append_format(out, "partition %-4d %-10s offset %" PRId64 " seq %" PRId64,
                         status->partition, shard_state_name(shard->state), shard->offset,
                         shard->sequence.seq);
    if (status->lag_s >= 0)
        buffer_append_format(out, " %.1f s behind", status->lag_s);
    if (shard->sequence.watermark.owed > 0)
        buffer_append_format(out, ", %" PRId64 " refreshes owed", shard->sequence.watermark.owed);
    if (shard->open_letters > 0)
        buffer_append_format(out, ", %" PRId64 " dead letters", shard->open_letters);
    buffer_append_format(out, " %s%s\n",
                         status->complete ? "complete" : "INCOMPLETE: ", status->reason);
}

static void
page_write_field(const struct partition_status_list *list, const struct config_fields *fields,
                 uint32_t number, struct buffer *out)
{
    char reason[ERROR_MESSAGE_BYTES];
    const struct partition_status *status = field_status_find(list, number);
    if (status == NULL)
        return;
    CHECK(!shard_field_complete(&status->shard, fields, number, reason, sizeof reason));
    buffer_append_format(out, "INCOMPLETE field %s: %s\n", config_fields_name(fields, number),
                         reason);
}

void
api_answer_page(struct api_call *call)
{
    struct buffer *out = &call->response->body;
    struct partition_status_list list;
    partition_status_read(call->api, false, &list);
    call->response->content_type = "text/plain; charset=utf-8";
    page_write_head(call->api->config, &list, out);
    for (uint32_t i = 0; i < list.count; i++)
        page_write_partition(&list.items[i], out);
    page_write_field(&list, &call->api->fields, FIELD_ALIVE, out);
    for (uint32_t i = 0; i < call->api->fields.count; i++)
        page_write_field(&list, &call->api->fields, i, out);
    buffer_append_text(out, "\n/api/internal/sync-lag /api/health /api/ready /metrics\n");
    partition_status_free(&list);
}
