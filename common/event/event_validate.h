/* What the schema cannot express: whether an event has a meaning. Pure; any thread. */
#ifndef COMMON_EVENT_EVENT_VALIDATE_H
#define COMMON_EVENT_EVENT_VALIDATE_H

#include "common/base/error.h"
#include "common/event/event.h"

/* ERR_DATA with the reason when `event` has no meaning. The codec calls this before it writes an
 * event and after it has read one. */
int event_validate(const struct event *event, struct error *err);

#endif
