/* The header of an event in JSON, that is, all but its ops and values: for dead letters and dumps
 * of the log. Pure.
 */
#ifndef CONSUMER_DEAD_LETTER_EVENT_JSON_H
#define CONSUMER_DEAD_LETTER_EVENT_JSON_H

#include "common/event/event.h"
#include "common/json/json_write.h"

/* Adds "source", "epoch", "generation", "tick" and "seq" to the object that is open; then, of an
 * ops row, "row_id" and "entity_id", and of other events the numbers that say what they are about.
 */
void event_json_write(const struct event *event, struct json_writer *json);

#endif
