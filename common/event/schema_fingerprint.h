/* The fingerprint of an Avro schema: CRC-64-AVRO over its Parsing Canonical Form (Avro
 * specification 1.11, "Parsing Canonical Form for Schemas" and "Schema Fingerprints"), which avro-c
 * does not have.
 */
#ifndef COMMON_EVENT_SCHEMA_FINGERPRINT_H
#define COMMON_EVENT_SCHEMA_FINGERPRINT_H

#include "common/base/error.h"
#include "common/base/memory.h"

/* CRC-64-AVRO (Rabin) of `size` bytes; 0xc15d213aa4d7a795 of none. */
uint64_t schema_fingerprint_bytes(const void *bytes, size_t size);

/* Appends the Parsing Canonical Form of the schema in `json` to `out`. ERR_DATA: `json` is not a
 * schema, or has a type that events do not use (bytes, fixed, float, map); `out` may then hold a
 * part. */
int schema_canonical_form(struct text json, struct buffer *out, struct error *err);

/* The fingerprint of the canonical form of the schema in `json`. */
int schema_fingerprint(struct text json, uint64_t *fingerprint, struct error *err);

#endif
