/* Only the ends are examined: the last closing parenthesis before TO STDOUT is that of COPY,
 * whatever the SELECT contains. */
#include "common/config/config_copy.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"

#define BLANKS " \t\r\n"

static const char *
skip_blanks(const char *at)
{
    CHECK(at != NULL);
    return at + strspn(at, BLANKS);
}

/* After the word and at least one blank or another symbol; NULL: another word. */
static const char *
skip_word(const char *at, const char *word)
{
    size_t bytes = strlen(word);
    CHECK(bytes > 0);
    bool is_word = strncasecmp(at, word, bytes) == 0 && strchr(BLANKS "();", at[bytes]) != NULL;
    return is_word ? skip_blanks(at + bytes) : NULL;
}

static bool
is_end(const char *parenthesis)
{
    const char *at = skip_word(skip_blanks(parenthesis + 1), "to");
    return at != NULL && skip_word(at, "stdout") != NULL;
}

bool
config_copy_select(const char *copy_query, struct text *select)
{
    const char *begin = skip_word(skip_blanks(copy_query), "copy");
    if (begin == NULL || *begin != '(')
        return false;
    begin++;
    const char *end = NULL;
    for (const char *at = begin; (at = strchr(at, ')')) != NULL; at++)
        if (is_end(at))
            end = at;
    if (end == NULL || skip_blanks(begin) == end)
        return false;
    *select = (struct text){begin, (size_t)(end - begin)};
    return true;
}
