/* Reads connection strings as libpq does (PostgreSQL manual, "Connection Strings"), and hides too
 * much rather than too little: everything after a syntax error, and everything between the first
 * ':' of a URI and its last '@', because a password may contain an '@' that is not escaped.
 */
#include "common/config/config_redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"

#define SPACE " \t\r\n\f\v"

static bool
keyword_is_secret(const char *keyword)
{
    static const char *const parts[] = {"password", "secret", "scram_client_key",
                                        "scram_server_key"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strcasestr(keyword, parts[i]) != NULL)
            return true;
    return false;
}

/* Returns the end of a value, '...' or up to a space, with '\' as the escape in both. NULL: the
 * quote is not closed. */
static const char *
skip_value(const char *at)
{
    bool is_quoted = *at == '\'';
    at += is_quoted;
    while (*at != '\0' && (is_quoted ? *at != '\'' : strchr(SPACE, *at) == NULL))
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    if (is_quoted && *at == '\0')
        return NULL;
    return at + is_quoted;
}

/* "keyword = value ...", with optional spaces around the sign. */
static void
redact_keywords(const char *at, struct buffer *out)
{
    for (;;) {
        size_t space = strspn(at, SPACE);
        buffer_append(out, at, space);
        at += space;
        if (*at == '\0')
            return;
        size_t word = strcspn(at, SPACE "=");
        size_t sign = word + strspn(at + word, SPACE);
        const char *value = at + sign + 1 + (at[sign] == '=' ? strspn(at + sign + 1, SPACE) : 0);
        const char *end = at[sign] == '=' ? skip_value(value) : NULL;
        if (end == NULL) {
            buffer_append_text(out, "***");
            return;
        }
        char *keyword = memory_format("%.*s", (int)word, at);
        bool is_secret =
            keyword_is_secret(keyword) || memmem(value, (size_t)(end - value), "://", 3);
        free(keyword);
        CHECK(value > at);
        CHECK(end >= value);
        buffer_append(out, at, (size_t)(value - at));
        buffer_append(out, is_secret ? "***" : value, is_secret ? 3 : (size_t)(end - value));
        at = end;
    }
}

/* A copy with %XX decoded. Owned by the caller. */
static char *
percent_decode(const char *text, size_t bytes)
{
    char *copy = memory_format("%.*s", (int)bytes, text);
    char *to = copy;
    for (const char *from = copy; *from != '\0'; to++) {
        char hex[3] = {from[0] == '%' ? from[1] : '\0', '\0', '\0'};
        hex[1] = hex[0] != '\0' ? from[2] : '\0';
        bool is_escape = isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]);
        *to = is_escape ? (char)strtol(hex, NULL, 16) : *from;
        from += is_escape ? 3 : 1;
    }
    CHECK((size_t)(to - copy) <= bytes);
    *to = '\0';
    return copy;
}

/* "?keyword=value&...", with optional escapes in the keywords. */
static void
redact_parameters(const char *at, struct buffer *out)
{
    while (*at != '\0') {
        size_t separator = strspn(at, "?&");
        buffer_append(out, at, separator);
        at += separator;
        size_t parameter = strcspn(at, "&");
        size_t word = strcspn(at, "=&");
        char *keyword = percent_decode(at, word);
        bool is_secret = word < parameter && keyword_is_secret(keyword);
        free(keyword);
        CHECK(word <= parameter);
        buffer_append(out, at, is_secret ? word + 1 : parameter);
        buffer_append_text(out, is_secret ? "***" : "");
        at += parameter;
    }
}

static void
redact_uri(const char *uri, struct buffer *out)
{
    const char *user = strstr(uri, "://") + 3;
    const char *at_sign = strrchr(user, '@');
    const char *rest = at_sign != NULL ? at_sign : user;
    CHECK(user > uri);
    CHECK(rest >= user);
    size_t shown = at_sign != NULL ? strcspn(user, ":@") : 0; /* the name of the user */
    buffer_append(out, uri, (size_t)(user - uri) + shown);
    if (user + shown < rest)
        buffer_append_text(out, ":***");
    size_t host = strcspn(rest, "?");
    buffer_append(out, rest, host);
    redact_parameters(rest + host, out);
}

void
config_redact(const char *connection_string, struct buffer *out)
{
    bool is_uri = strncmp(connection_string, "postgres://", 11) == 0 ||
                  strncmp(connection_string, "postgresql://", 13) == 0;
    if (is_uri)
        redact_uri(connection_string, out);
    else
        redact_keywords(connection_string, out);
}
