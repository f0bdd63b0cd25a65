#include "common/http/target.h"

#include <stddef.h>
#include <string.h>

#include "common/base/check.h"

static int
http_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place: the result is not longer. False: a broken escape or a control character. */
static bool
http_decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        int c = (unsigned char)*in;
        if (c == '%') {
            int high = http_hex_digit(in[1]);
            int low = high < 0 ? -1 : http_hex_digit(in[2]);
            if (low < 0)
                return false;
            c = high * 16 + low;
            in += 2;
        }
        if (c < ' ' || c == 0x7f)
            return false;
        CHECK(out <= in);
        *out++ = (char)c;
    }
    *out = '\0';
    return true;
}

/* Has the path a ".." segment? */
static bool
http_climbs(const char *path)
{
    CHECK(path[0] == '/');
    for (const char *segment = path; segment != NULL; segment = strchr(segment, '/')) {
        segment++;
        if (segment[0] == '.' && segment[1] == '.' && (segment[2] == '/' || segment[2] == '\0'))
            return true;
    }
    return false;
}

bool
http_target_parse(char *target, const char **path, const char **query)
{
    CHECK(target != NULL);
    char *question = strchr(target, '?');
    *query = NULL;
    if (question != NULL) {
        *question = '\0';
        *query = question + 1;
    }
    *path = target;
    return *target == '/' && http_decode(target) && !http_climbs(target);
}
