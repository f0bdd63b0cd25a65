#include "producer/triggers/digest.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "common/base/check.h"

_Static_assert(DIGEST_HEX_BYTES == 2 * SHA256_DIGEST_LENGTH + 1, "two digits a byte");

void
digest_sha256(struct text text, char hex[DIGEST_HEX_BYTES])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    CHECK(SHA256((const unsigned char *)text.data, text.bytes, digest) != NULL);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
