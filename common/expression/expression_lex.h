/* The words of an expression. Pure; for this room only. */
#ifndef COMMON_EXPRESSION_EXPRESSION_LEX_H
#define COMMON_EXPRESSION_EXPRESSION_LEX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/base/memory.h"

enum expression_token {
    TOKEN_END,
    TOKEN_SYMBOL,  /* an operator, a parenthesis or a comma: `text` */
    TOKEN_WORD,    /* a keyword, a function or a column: `text` */
    TOKEN_COLUMN,  /* a column in braces or double quotes: `text` without them */
    TOKEN_STRING,  /* `text` without the quotes */
    TOKEN_INTEGER, /* `magnitude`, at most 2^63 */
    TOKEN_FLOAT,   /* `real`, finite */
};

struct expression_lexer {
    struct text source;
    size_t at; /* after the token */
    struct arena *arena;
    struct error *err;

    enum expression_token token;
    size_t begin; /* of the token */
    struct text text;
    uint64_t magnitude;
    double real;
};

/* Reads the next token. ERR_DATA with the character and the reason. */
int expression_lex(struct expression_lexer *lexer);

/* Whether `byte` is what follows the token, after blanks. */
bool expression_lex_is_before(const struct expression_lexer *lexer, char byte);

/* The number of the character at byte `at`, from 1. */
uint32_t expression_character(struct text source, size_t at);

#endif
