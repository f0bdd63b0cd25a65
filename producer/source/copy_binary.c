#include "producer/source/copy_binary.h"

enum { SIGNATURE_BYTES = 11 };

static const char signature[SIGNATURE_BYTES] = "PGCOPY\n\377\r\n";

int
copy_take_header(struct copy_bytes *bytes, struct error *err)
{
    int32_t flags;
    int32_t extension;
    if (copy_left(bytes) < SIGNATURE_BYTES || memcmp(bytes->at, signature, SIGNATURE_BYTES) != 0)
        return error_set(err, ERR_FATAL, "postgres: the bytes are not a binary copy");
    bytes->at += SIGNATURE_BYTES;
    if (!copy_take_int32(bytes, &flags) || !copy_take_int32(bytes, &extension) || flags != 0 ||
        extension < 0 || (size_t)extension > copy_left(bytes))
        return error_set(err, ERR_FATAL, "postgres: unknown header of a binary copy");
    bytes->at += extension;
    return 0;
}
