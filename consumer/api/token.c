#include "consumer/api/token.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/memory.h"

enum { TOKEN_BYTES_MAX = 1024 };

/* Visible ASCII, which an HTTP header can carry. */
static bool
token_is_visible(char byte)
{
    return byte > ' ' && byte < 0x7f;
}

static int
token_cut(struct text text, char **token, struct error *err)
{
    CHECK(text.bytes <= TOKEN_BYTES_MAX + 2);
    while (text.bytes > 0 && !token_is_visible(text.data[text.bytes - 1]))
        text.bytes--;
    while (text.bytes > 0 && !token_is_visible(text.data[0])) {
        text.data++;
        text.bytes--;
    }
    if (text.bytes == 0)
        return error_set(err, ERR_USAGE, "has no token");
    if (text.bytes > TOKEN_BYTES_MAX)
        return error_set(err, ERR_USAGE, "has more than %d bytes", TOKEN_BYTES_MAX);
    for (size_t i = 0; i < text.bytes; i++)
        if (!token_is_visible(text.data[i]))
            return error_set(err, ERR_USAGE, "must have exactly one word of visible ASCII");
    *token = memory_format("%.*s", TEXT_ARGS(text));
    CHECK(strlen(*token) == text.bytes);
    return 0;
}

int
token_read(const char *path, char **token, struct error *err)
{
    char bytes[TOKEN_BYTES_MAX + 2]; /* one more, to detect a longer file */
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return error_set_errno(err, ERR_USAGE, "consumer.token_file %s", path);
    size_t count = fread(bytes, 1, sizeof bytes, stream);
    int rc = ferror(stream) ? error_set_errno(err, ERR_USAGE, "cannot be read")
                            : token_cut((struct text){bytes, count}, token, err);
    fclose(stream);
    return rc == 0 ? 0 : error_wrap(err, rc, "consumer.token_file %s", path);
}
