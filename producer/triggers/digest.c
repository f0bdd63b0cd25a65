#include "producer/triggers/digest.h"

#include <openssl/sha.h>
#include <stdio.h>

void
digest_sha256(struct text text, char hex[DIGEST_HEX_BYTES])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)text.data, text.bytes, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
