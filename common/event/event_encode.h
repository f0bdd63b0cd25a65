/* Event to avro-c value; a part of the codec (event_codec.h). */
#ifndef COMMON_EVENT_EVENT_ENCODE_H
#define COMMON_EVENT_EVENT_ENCODE_H

#include <avro.h>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/event_layout.h"

/* Fills the reset `value` from the valid `event`. `value` does not copy the texts: reset it before
 * they are released. ERR_DATA: the schema of `layout` cannot express the event. */
int event_encode_value(const struct layout *layout, const struct event *event, avro_value_t *value,
                       struct error *err);

#endif
