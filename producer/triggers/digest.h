/* SHA-256 (FIPS 180-4), which names what the generator makes. Owner of libcrypto. Pure; any thread.
 */
#ifndef PRODUCER_TRIGGERS_DIGEST_H
#define PRODUCER_TRIGGERS_DIGEST_H

#include "common/base/memory.h"

enum { DIGEST_HEX_BYTES = 64 + 1 };

/* Fills `hex` with lower-case digits, terminated. */
void digest_sha256(struct text text, char hex[DIGEST_HEX_BYTES]);

#endif
