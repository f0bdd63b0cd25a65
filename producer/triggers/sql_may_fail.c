/* The text is read word by word, from left to right. What is not known to be safe is not: a mistake
 * in this direction costs the time of a guard (row_function.c), and nothing else. */
#include "producer/triggers/sql_may_fail.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/base/memory.h"

#define BLANKS " \t\r\n"

static bool
is_one_of(struct text word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == word.bytes && strncasecmp(word.data, *words, word.bytes) == 0)
            return true;
    return false;
}

/* The end of a word, a number, or a symbol of several characters that begins at `at`. */
static const char *
word_end(const char *at)
{
    const char *end = at;
    CHECK(*at != '\0');
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    if (end > at)
        return end;
    if (*at == '{' || *at == '\'') { /* a column, or a literal */
        end = strchr(at + 1, *at == '{' ? '}' : '\'');
        return end != NULL ? end + 1 : at + strlen(at);
    }
    end = at + strspn(at, "<>=!&|#+-*/%^~@?:");
    return end > at ? end : at + 1;
}

/* Skips the type after `::`; false: it is not a text, which every value has. */
static bool
skip_text_type(const char **at)
{
    static const char *const texts[] = {"text", "varchar", NULL};
    *at += strspn(*at, BLANKS);
    const char *end = *at;
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    struct text type = {*at, (size_t)(end - *at)};
    *at = end;
    return is_one_of(type, texts) && *end != '.' && *end != '"' && *end != '[' && *end != '(';
}

static bool
is_number(struct text word)
{
    for (size_t i = 0; i < word.bytes; i++)
        if (!isdigit((unsigned char)word.data[i]))
            return false;
    return word.bytes > 0;
}

/* A word that has a result for all values of its operands. */
static bool
is_safe(struct text word)
{
    static const char *const safe[] = {
        "(",    ")",        ",",        "=",        "<>",    "!=",      "<",    ">",    "<=",
        ">=",   "&",        "|",        "#",        ">>",    "<<",      "and",  "or",   "not",
        "is",   "null",     "true",     "false",    "case",  "when",    "then", "else", "end",
        "from", "distinct", "coalesce", "greatest", "least", "unknown", NULL,
    };
    return is_number(word) || *word.data == '{' || *word.data == '\'' || is_one_of(word, safe);
}

bool
sql_may_fail(const char *expression)
{
    const char *at = expression + strspn(expression, BLANKS);
    while (*at != '\0') {
        const char *end = word_end(at);
        struct text word = {at, (size_t)(end - at)};
        CHECK(end > at);
        at = end;
        bool is_known = text_is(word, "::") ? skip_text_type(&at) : is_safe(word);
        if (!is_known)
            return true;
        at += strspn(at, BLANKS);
    }
    return false;
}
