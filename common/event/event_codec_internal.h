/* Inside of the codec: what encoding and decoding share. */
#ifndef COMMON_EVENT_EVENT_CODEC_INTERNAL_H
#define COMMON_EVENT_EVENT_CODEC_INTERNAL_H

#include <avro.h>

#include "common/base/check.h"
#include "common/event/event_codec.h"
#include "common/event/event_layout.h"
#include "common/event/event_schema.h"
#include "common/event/event_walker.h"

/* One released schema, ready for reading. */
struct codec_schema {
    avro_schema_t schema;
    struct event_walker *walker;
    struct layout layout;
};

struct event_codec {
    struct codec_schema schemas[EVENT_SCHEMAS]; /* as in event_schemas; the last one is written */
    avro_value_iface_t *iface;                  /* of the last one */
    avro_value_t encoded;                       /* reused for every message */
    avro_writer_t writer;
};

/* What the schema cannot say. ERR_DATA when `event` has no meaning: both directions refuse it. */
int event_validate(const struct event *event, struct error *err);

/* Fills the reset `value` from `event`. The texts are lent to it, not copied: reset it before they
 * go. */
int event_encode_value(const struct layout *layout, const struct event *event, avro_value_t *value,
                       struct error *err);

/* Reads all of `datum` into `event`; everything is copied into `arena`. ERR_DATA: it is none. */
int event_decode_datum(const struct layout *layout, const struct event_walker *walker,
                       struct text datum, struct arena *arena, struct event *event,
                       struct error *err);

static inline avro_value_t
codec_field(const avro_value_t *record, int index)
{
    avro_value_t field;
    CHECK(avro_value_get_by_index(record, (size_t)index, &field, NULL) == 0);
    return field;
}

#endif
