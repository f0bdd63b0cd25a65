/* Bytes to event; a part of the codec (event_codec.h). */
#ifndef COMMON_EVENT_EVENT_DECODE_H
#define COMMON_EVENT_EVENT_DECODE_H

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/event_layout.h"
#include "common/event/event_walker.h"

/* Reads all of `datum` into `event`, and copies everything into `arena`. ERR_DATA: `datum` is not
 * an event of the schema that `layout` and `walker` were made from. The event is not validated. */
int event_decode_datum(const struct layout *layout, const struct event_walker *walker,
                       struct text datum, struct arena *arena, struct event *event,
                       struct error *err);

#endif
