/* Event to bytes; a part of the codec (event_codec.h). */
#ifndef COMMON_EVENT_EVENT_ENCODE_H
#define COMMON_EVENT_EVENT_ENCODE_H

#include <stddef.h>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/event_layout.h"

/* Where the bytes of the field `body` are in the buffer. */
struct event_body_place {
    size_t begin;
    size_t end;
};

/* Appends the datum of the valid `event` to `out`, in the newest schema, whose layout is `layout`.
 * ERR_DATA: the schema cannot express the event, and `out` has a part of the datum. */
int event_encode_datum(const struct layout *layout, const struct event *event, struct buffer *out,
                       struct event_body_place *body, struct error *err);

#endif
