#include "common/event/event_schema.h"

const struct event_schema event_schemas[EVENT_SCHEMAS] = {
    {.version = 1, .fingerprint = UINT64_C(0x27c2ef438e24e71d), .json = event_schema_text_1},
    {.version = 2, .fingerprint = UINT64_C(0x784c1a75e561429d), .json = event_schema_text_2},
};
