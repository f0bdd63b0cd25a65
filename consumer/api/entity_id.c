#include "consumer/api/entity_id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

bool
entity_id_read(struct text text, int64_t *id)
{
    char digits[24];
    if (text.bytes == 0 || text.bytes >= sizeof digits || text.data[0] < '0' || text.data[0] > '9')
        return false;
    snprintf(digits, sizeof digits, "%.*s", TEXT_ARGS(text));
    char *end;
    errno = 0;
    *id = strtoll(digits, &end, 10);
    CHECK(*id >= 0); /* the text begins with a digit */
    return errno == 0 && *end == '\0';
}
