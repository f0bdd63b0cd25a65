/* The schemas of the event ever released, newest last, as they are compiled into both programs.
 *
 * The texts come from `schemas/`. A fingerprint is written down here and computed again when a
 * codec is created, so that a schema cannot change under the number that topics carry. Constant
 * data; any thread.
 */
#ifndef COMMON_EVENT_EVENT_SCHEMA_H
#define COMMON_EVENT_EVENT_SCHEMA_H

#include <stdint.h>

extern const char event_schema_text_1[];

enum { EVENT_SCHEMAS = 1 };

struct event_schema {
    int version;
    uint64_t fingerprint; /* CRC-64-AVRO over the Parsing Canonical Form */
    const char *json;     /* terminated, static */
};

extern const struct event_schema event_schemas[EVENT_SCHEMAS];

#endif
