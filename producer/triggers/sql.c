/* Quoted text is what the PostgreSQL manual describes in "Lexical Structure": '...' with '' inside,
 * E'...' with \' as well, "...", $tag$...$tag$. Comments are -- to the end of the line, and nested
 * C comments.
 */
#include "producer/triggers/sql.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

void
sql_append_name(struct buffer *out, const char *name)
{
    CHECK(*name != '\0'); /* Postgres has no empty identifier */
    buffer_append(out, "\"", 1);
    for (; *name != '\0'; name++)
        buffer_append(out, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
    buffer_append(out, "\"", 1);
}

void
sql_append_column(struct buffer *out, const char *row, const char *column)
{
    CHECK(*row != '\0');
    buffer_append_format(out, "%s.", row);
    sql_append_name(out, column);
}

void
sql_append_literal(struct buffer *out, const char *text)
{
    buffer_append_text(out, strchr(text, '\\') != NULL ? "E'" : "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            buffer_append(out, text, 1);
        buffer_append(out, text, 1);
    }
    buffer_append(out, "'", 1);
}

static bool
is_word(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || (unsigned char)byte >= 0x80;
}

/* The end of the text in `quote` that begins at `at`. A doubled quote ends one text and begins the
 * next, which comes to the same. */
static const char *
skip_quoted(const char *at, char quote, bool has_escapes)
{
    CHECK(*at == quote);
    for (at++; *at != '\0' && *at != quote; at++)
        if (has_escapes && *at == '\\' && at[1] != '\0')
            at++;
    return *at == '\0' ? at : at + 1;
}

/* The end of the dollar-quoted text that begins at `at`; `at` if none does. */
static const char *
skip_dollars(const char *at)
{
    size_t tag = 1;
    CHECK(*at == '$');
    while (is_word(at[tag]))
        tag++;
    if (at[tag] != '$' || isdigit((unsigned char)at[1]))
        return at;
    tag++;
    for (const char *end = at + tag; *end != '\0'; end++)
        if (strncmp(end, at, tag) == 0)
            return end + tag;
    return at + strlen(at);
}

static const char *
skip_comment(const char *at)
{
    int depth = 0;
    CHECK(strncmp(at, "/*", 2) == 0);
    do {
        bool opens = strncmp(at, "/*", 2) == 0;
        bool closes = strncmp(at, "*/", 2) == 0;
        depth += opens - closes;
        at += opens || closes ? 2 : 1;
    } while (depth > 0 && *at != '\0');
    return at;
}

/* The end of the quoted text or comment that begins at `at` in `text`; `at` if none does. */
static const char *
skip_opaque(const char *text, const char *at)
{
    CHECK(at >= text);
    bool in_word = at > text && is_word(at[-1]);
    bool has_e =
        in_word && tolower((unsigned char)at[-1]) == 'e' && (at - 1 == text || !is_word(at[-2]));
    if (*at == '\'' || *at == '"')
        return skip_quoted(at, *at, *at == '\'' && has_e);
    if (*at == '$' && !in_word)
        return skip_dollars(at);
    if (strncmp(at, "--", 2) == 0)
        return at + strcspn(at, "\n");
    return strncmp(at, "/*", 2) == 0 ? skip_comment(at) : at;
}

/* Does a {name} begin at `at`? */
static bool
is_placeholder(const char *at, struct text *name)
{
    if (*at != '{')
        return false;
    *name = (struct text){at + 1, strcspn(at + 1, "{}\"'()\n")};
    return name->bytes > 0 && name->data[name->bytes] == '}';
}

bool
sql_next_placeholder(const char **at, struct text *name)
{
    const char *text = *at;
    for (const char *next = text; *next != '\0';) {
        const char *end = skip_opaque(text, next);
        CHECK(end >= next);
        if (end == next && is_placeholder(next, name)) {
            *at = name->data + name->bytes + 1;
            return true;
        }
        next = end > next ? end : next + 1;
    }
    return false;
}

/* The word that begins at `at`; false: none does. */
static bool
read_word(const char *at, struct sql_word *word)
{
    const char *end = at;
    *word = (struct sql_word){.is_quoted = *at == '"'};
    if (word->is_quoted) {
        end = skip_quoted(at, '"', false);
        word->name = (struct text){at + 1, (size_t)(end - at) - 1 - (end[-1] == '"')};
    } else {
        while (is_word(*end))
            end++;
        word->name = (struct text){at, (size_t)(end - at)};
    }
    word->is_called = end[strspn(end, " \t\r\n")] == '(';
    return word->is_quoted || (end > at && !isdigit((unsigned char)*at));
}

bool
sql_next_word(const char **at, struct sql_word *word)
{
    const char *text = *at;
    for (const char *next = text; *next != '\0';) {
        struct text name;
        bool in_word = next > text && is_word(next[-1]);
        const char *end = skip_opaque(text, next);
        if (end == next && is_placeholder(next, &name))
            end = name.data + name.bytes + 1;
        if (tolower((unsigned char)*next) == 'e' && next[1] == '\'' && !in_word)
            end = skip_quoted(next + 1, '\'', true); /* the word is the beginning of a literal */
        if ((end == next || *next == '"') && !in_word && read_word(next, word)) {
            *at = word->is_quoted ? end : word->name.data + word->name.bytes;
            return true;
        }
        next = end > next ? end : next + 1;
    }
    return false;
}

bool
sql_is_column(const char *expression)
{
    struct text name;
    return is_placeholder(expression, &name) && name.data[name.bytes + 1] == '\0';
}

void
sql_append_expression(struct buffer *out, const char *expression, const char *row)
{
    struct text name;
    for (const char *at = expression; sql_next_placeholder(&at, &name); expression = at) {
        CHECK(name.data > expression && name.data < at);
        buffer_append(out, expression, (size_t)(name.data - 1 - expression));
        char *column = memory_format("%.*s", TEXT_ARGS(name));
        sql_append_column(out, row, column);
        free(column);
    }
    buffer_append_text(out, expression);
}

const char *
sql_take(struct arena *arena, struct buffer *buffer)
{
    const char *text =
        arena_strdup(arena, (struct text){(const char *)buffer->data, buffer->bytes});
    CHECK(strlen(text) == buffer->bytes);
    buffer_free(buffer);
    return text;
}
