#include "producer/triggers/object_name.h"

#include <string.h>

#include "common/base/check.h"
#include "common/config/config_trigger.h"

enum {
    HASH_DIGITS = 8,
    NAME_BYTES_MAX = 63, /* PostgreSQL's NAMEDATALEN - 1: a longer name would be cut */
};

void
object_name_append(struct buffer *out, const char *table, const char *what, const char *hash,
                   const char *suffix)
{
    size_t begin = out->bytes;
    CHECK(strlen(hash) >= HASH_DIGITS);
    config_trigger_prefix(table, out);
    buffer_append_format(out, "%s%s%.*s%s", what, *what != '\0' ? "_" : "", HASH_DIGITS, hash,
                         suffix);
    CHECK(out->bytes - begin <= NAME_BYTES_MAX);
}
