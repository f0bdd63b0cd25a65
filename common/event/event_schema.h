/* All released schemas of the event, newest last, as both programs contain them.
 *
 * The texts come from `schemas/`. The fingerprints are constants, and a codec computes them again
 * when it is created, so that the text of a released schema cannot change. Constant data; any
 * thread.
 */
#ifndef COMMON_EVENT_EVENT_SCHEMA_H
#define COMMON_EVENT_EVENT_SCHEMA_H

#include <stdint.h>

extern const char event_schema_text_1[];
extern const char event_schema_text_2[];

enum { EVENT_SCHEMAS = 2 };

struct event_schema {
    int version;
    uint64_t fingerprint; /* CRC-64-AVRO over the Parsing Canonical Form */
    const char *json;     /* terminated, static */
};

extern const struct event_schema event_schemas[EVENT_SCHEMAS];

#endif
