#include "common/event/event_schema.h"

#include "common/event/event_codec.h"

const struct event_schema event_schemas[EVENT_SCHEMAS] = {
    {.version = 1, .fingerprint = UINT64_C(0x27c2ef438e24e71d), .json = event_schema_text_1},
};

uint64_t
event_schema_fingerprint(void)
{
    return event_schemas[EVENT_SCHEMAS - 1].fingerprint;
}
