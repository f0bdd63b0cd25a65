/* What an event says of itself besides its ops, in JSON, as dead letters and dumps of the log show
 * it. Pure.
 */
#ifndef CONSUMER_DEAD_LETTER_EVENT_JSON_H
#define CONSUMER_DEAD_LETTER_EVENT_JSON_H

#include "common/event/event.h"
#include "common/json/json_write.h"

/* "source", "epoch", "generation", "tick", "seq", "row_id", "entity_id": members of the object that
 * is open. */
void event_json_write(const struct event *event, struct json_writer *json);

#endif
