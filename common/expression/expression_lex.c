/* Words are read from left to right. A symbol is the longest one that fits, so that <= is one
 * symbol. `at` never passes the end of the source.
 */
#include "common/expression/expression_lex.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum { NUMBER_BYTES_MAX = 64 };

uint32_t
expression_character(struct text source, size_t at)
{
    CHECK(at <= source.bytes);
    uint32_t character = 1;
    for (size_t i = 0; i < at; i++)
        character += ((unsigned char)source.data[i] & 0xc0) != 0x80; /* not a UTF-8 tail */
    return character;
}

static int
lex_refuse(const struct expression_lexer *lexer, const char *reason)
{
    return error_set(lexer->err, ERR_DATA, "character %u: %s",
                     expression_character(lexer->source, lexer->begin), reason);
}

static bool
is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Bytes above ASCII are letters, as in PostgreSQL. */
static bool
is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           ((unsigned char)byte & 0x80) != 0;
}

/* '\0' at and after the end. */
static char
lex_byte(const struct expression_lexer *lexer, size_t ahead)
{
    return ahead < lexer->source.bytes - lexer->at ? lexer->source.data[lexer->at + ahead] : '\0';
}

static void
lex_skip_blanks(struct expression_lexer *lexer)
{
    while (lexer->at < lexer->source.bytes && strchr(" \t\r\n", lex_byte(lexer, 0)) != NULL)
        lexer->at++;
    CHECK(lexer->at <= lexer->source.bytes);
}

/* Up to the next `close`; a doubled `close` is one in the text. */
static int
lex_quoted(struct expression_lexer *lexer, enum expression_token token, char close)
{
    size_t limit = lexer->source.bytes - lexer->at;
    char *copy = arena_alloc(lexer->arena, limit + 1);
    size_t bytes = 0;
    lexer->at++; /* the opening quote */
    while (lexer->at < lexer->source.bytes) {
        char byte = lex_byte(lexer, 0);
        lexer->at++;
        if (byte == close && lex_byte(lexer, 0) != close) {
            lexer->token = token;
            lexer->text = (struct text){copy, bytes};
            return 0;
        }
        if (byte == close)
            lexer->at++;
        CHECK(bytes < limit);
        copy[bytes++] = byte;
    }
    return lex_refuse(lexer,
                      close == '}' ? "brace that is not closed" : "quote that is not closed");
}

static size_t
digits_at(const struct expression_lexer *lexer, size_t ahead)
{
    size_t count = 0;
    while (is_digit(lex_byte(lexer, ahead + count)))
        count++;
    return count;
}

/* digits [. digits] [e [sign] digits]: the length, and whether it is a float. */
static size_t
lex_number_bytes(const struct expression_lexer *lexer, bool *is_float)
{
    size_t bytes = digits_at(lexer, 0);
    *is_float = lex_byte(lexer, bytes) == '.';
    if (*is_float)
        bytes += 1 + digits_at(lexer, bytes + 1);
    char exponent = lex_byte(lexer, bytes);
    if (exponent != 'e' && exponent != 'E')
        return bytes;
    size_t sign = lex_byte(lexer, bytes + 1) == '-' || lex_byte(lexer, bytes + 1) == '+' ? 1 : 0;
    size_t digits = digits_at(lexer, bytes + 1 + sign);
    *is_float = *is_float || digits > 0;
    return digits > 0 ? bytes + 1 + sign + digits : bytes;
}

static int
lex_number(struct expression_lexer *lexer)
{
    char copy[NUMBER_BYTES_MAX];
    bool is_float;
    size_t bytes = lex_number_bytes(lexer, &is_float);
    CHECK(bytes > 0);
    if (bytes >= sizeof copy)
        return lex_refuse(lexer, "number of too many digits");
    memcpy(copy, lexer->source.data + lexer->at, bytes);
    copy[bytes] = '\0';
    lexer->at += bytes;
    if (is_letter(lex_byte(lexer, 0)))
        return lex_refuse(lexer, "number that runs into a word");
    lexer->token = is_float ? TOKEN_FLOAT : TOKEN_INTEGER;
    errno = 0;
    if (is_float)
        lexer->real = strtod(copy, NULL);
    else
        lexer->magnitude = strtoull(copy, NULL, 10);
    bool fits =
        is_float ? isfinite(lexer->real) != 0 : errno == 0 && lexer->magnitude <= UINT64_C(1) << 63;
    return fits ? 0 : lex_refuse(lexer, "number out of range");
}

static int
lex_word(struct expression_lexer *lexer)
{
    size_t bytes = 0;
    while (is_letter(lex_byte(lexer, bytes)) || is_digit(lex_byte(lexer, bytes)) ||
           lex_byte(lexer, bytes) == '$')
        bytes++;
    CHECK(bytes > 0);
    lexer->token = TOKEN_WORD;
    lexer->text = (struct text){lexer->source.data + lexer->at, bytes};
    lexer->at += bytes;
    return 0;
}

static int
lex_symbol(struct expression_lexer *lexer)
{
    /* A symbol that begins with another one is listed before it. */
    static const char *const symbols[] = {"<<", ">>", "<=", ">=", "<>", "!=", "==", "&&", "||",
                                          "--", "&",  "|",  "#",  "~",  "<",  ">",  "=",  "!",
                                          "+",  "-",  "*",  "/",  "%",  "(",  ")",  ",",  "^"};
    size_t left = lexer->source.bytes - lexer->at;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        size_t bytes = strlen(symbols[i]);
        if (left < bytes || memcmp(lexer->source.data + lexer->at, symbols[i], bytes) != 0)
            continue;
        lexer->token = TOKEN_SYMBOL;
        lexer->text = (struct text){lexer->source.data + lexer->at, bytes};
        lexer->at += bytes;
        if (text_is(lexer->text, "^"))
            return lex_refuse(lexer, "^ is a power in SQL: exclusive or is #");
        if (text_is(lexer->text, "--"))
            return lex_refuse(lexer, "-- begins a comment in SQL: write - (-...)");
        return 0;
    }
    return lex_refuse(lexer, "unknown symbol");
}

int
expression_lex(struct expression_lexer *lexer)
{
    CHECK(lexer->at <= lexer->source.bytes);
    lex_skip_blanks(lexer);
    lexer->begin = lexer->at;
    lexer->text = (struct text){NULL, 0};
    lexer->token = TOKEN_END;
    if (lexer->at == lexer->source.bytes)
        return 0;
    char byte = lex_byte(lexer, 0);
    if (is_digit(byte))
        return lex_number(lexer);
    if (is_letter(byte))
        return lex_word(lexer);
    if (byte == '\'')
        return lex_quoted(lexer, TOKEN_STRING, '\'');
    if (byte == '"' || byte == '{')
        return lex_quoted(lexer, TOKEN_COLUMN, byte == '"' ? '"' : '}');
    return lex_symbol(lexer);
}

bool
expression_lex_is_before(const struct expression_lexer *lexer, char byte)
{
    struct expression_lexer copy = *lexer;
    CHECK(byte != '\0');
    lex_skip_blanks(&copy);
    return lex_byte(&copy, 0) == byte;
}
