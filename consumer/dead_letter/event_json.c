#include "consumer/dead_letter/event_json.h"

void
event_json_write(const struct event *event, struct json_writer *json)
{
    json_key(json, "source");
    json_text(json, event->source);
    json_key(json, "epoch");
    json_integer(json, event->epoch);
    json_key(json, "generation");
    json_integer(json, event->generation);
    json_key(json, "tick");
    json_integer(json, event->tick);
    json_key(json, "seq");
    json_integer(json, event->seq);
    json_key(json, "row_id");
    json_integer(json, event->row_id);
    json_key(json, "entity_id");
    json_integer(json, event->entity_id);
}
