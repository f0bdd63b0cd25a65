/* SHA-256 (FIPS 180-4), by which generated functions and triggers are named. Owner of libcrypto.
 * Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_DIGEST_H
#define PRODUCER_TRIGGERS_DIGEST_H

#include "common/base/memory.h"

enum { DIGEST_HEX_BYTES = 64 + 1 };

/* Fills `hex` with 64 lower-case hexadecimal digits and a NUL. */
void digest_sha256(struct text text, char hex[DIGEST_HEX_BYTES]);

#endif
