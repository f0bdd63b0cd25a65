#include "producer/drain/row_event.h"

#include "common/base/check.h"
#include "common/ops/ops_json.h"
#include "producer/sink/numbering.h"

static int
parse_ops(const struct config *config, const struct outbox_row *row,
          const struct ops_invalids *stored, struct arena *arena, struct event *event,
          struct ops_invalids *invalids, struct error *err)
{
    static const enum event_kind kinds[] = {
        [OPS_ROUTE_ENTITY] = EVENT_ROW,
        [OPS_ROUTE_FAN_OUT] = EVENT_FAN_OUT,
        [OPS_ROUTE_REQUESTS] = EVENT_PARENT_REFRESH,
    };
    enum ops_route route = row->to_all ? OPS_ROUTE_FAN_OUT : OPS_ROUTE_ENTITY;
    struct ops_limits limits = ops_limits_default;
    int rc;
    limits.row_bytes = (uint32_t)config->producer.row_bytes;
    if (row->unreadable != NULL)
        rc = error_set(err, ERR_DATA, "%s", row->unreadable);
    else if (row->has_no_ops)
        rc = error_set(err, ERR_DATA, "ops are larger than producer.row_bytes (%u bytes)",
                       limits.row_bytes);
    else
        rc = ops_json_parse_row(row->ops, &limits, stored, arena, &event->ops, &route, invalids,
                                err);
    event->kind = kinds[route];
    return rc;
}

int
row_event_parse(const struct config *config, const struct outbox_row *row,
                const struct ops_invalids *stored, struct arena *arena, struct event *event,
                struct ops_invalids *invalids, struct error *err)
{
    const struct config_topic *topic = &config->topic;
    *event = (struct event){
        .has_created_at = row->has_created_at,
        .created_at_us = row->created_at_us,
        .txid = row->txid,
        .row_id = row->id,
        .entity_id = row->entity_id,
    };
    int rc = parse_ops(config, row, stored, arena, event, invalids, err);
    if (rc == 0 && event->kind == EVENT_ROW &&
        !numbering_has_slot(row->entity_id, topic->partitions, topic->max_slots))
        rc = error_set(err, ERR_DATA,
                       "entity_id %lld has no slot: it is negative, or not below"
                       " topic.max_slots * topic.partitions",
                       (long long)row->entity_id);
    CHECK(rc == 0 || rc == ERR_DATA); /* any other error would make a dead letter of a good row */
    return rc;
}
