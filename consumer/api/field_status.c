#include "consumer/api/field_status.h"

#include "common/base/check.h"
#include "common/config/config_exempt.h"
#include "consumer/partition/shard.h"

bool
field_status_is_complete(const struct partition_status_list *list, uint32_t number)
{
    CHECK(number < FIELD_NUMBERS);
    for (uint32_t i = 0; i < list->count; i++)
        if (!field_set_has(&list->items[i].complete_fields, number))
            return false;
    return list->count > 0;
}

/* Does the partition answer queries, without this field? */
static bool
partition_lacks(const struct partition_status *status, uint32_t number)
{
    return status->shard.state != SHARD_RECOVERING && status->shard.state != SHARD_STALLED &&
           !field_set_has(&status->complete_fields, number);
}

const struct partition_status *
field_status_find(const struct partition_status_list *list, uint32_t number)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (partition_lacks(&list->items[i], number))
            return &list->items[i];
    return NULL;
}

static void
field_write(const struct partition_status_list *list, uint32_t number,
            const struct config_fields *fields, struct json_writer *json)
{
    char reason[ERROR_MESSAGE_BYTES];
    const struct partition_status *first = field_status_find(list, number);
    if (first == NULL)
        return;
    CHECK(!shard_field_complete(&first->shard, fields, number, reason, sizeof reason));
    json_object_begin(json);
    json_key(json, "field");
    json_string(json, config_fields_name(fields, number));
    json_key(json, "reason");
    json_string(json, reason);
    json_key(json, "partitions");
    json_array_begin(json);
    for (uint32_t i = 0; i < list->count; i++)
        if (partition_lacks(&list->items[i], number))
            json_integer(json, list->items[i].partition);
    json_array_end(json);
    json_object_end(json);
}

void
field_status_write(const struct partition_status_list *list, const struct config_fields *fields,
                   struct json_writer *json)
{
    json_key(json, "incomplete_fields");
    json_array_begin(json);
    field_write(list, FIELD_ALIVE, fields, json);
    for (uint32_t i = 0; i < fields->count; i++)
        field_write(list, i, fields, json);
    json_array_end(json);
}

void
field_status_write_exempt(const struct config *config, struct json_writer *json)
{
    const char *field;
    const char *reason;
    uint32_t cursor = 0;
    json_key(json, "exempt_fields");
    json_array_begin(json);
    while (config_next_exempt(config, &cursor, &field, &reason))
        json_string(json, field);
    json_array_end(json);
}
