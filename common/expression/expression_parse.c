/* Recursive descent, one function for each level of precedence. A function returns NULL when the
 * expression is refused, and lexer.err is then set. The recursion is bounded by NESTING_MAX, and
 * the depth of the tree, which a chain of operators makes too, by EXPRESSION_DEPTH_MAX.
 */
#include "common/expression/expression_parse.h"

#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/expression/expression_lex.h"
#include "common/expression/expression_node.h"

enum { NESTING_MAX = 50, ARGUMENTS_MAX = 100 };

struct parser {
    struct expression_lexer lexer;
    const char *const *columns;
    uint32_t column_count;
    uint32_t nesting;
};

static const struct expression *parse_or(struct parser *parser);
static const struct expression *parse_sum(struct parser *parser);
static const struct expression *parse_unary(struct parser *parser);

static const struct expression *
refuse_at(struct parser *parser, uint32_t character, const char *reason)
{
    CHECK(character > 0);
    error_set(parser->lexer.err, ERR_DATA, "character %u: %s", character, reason);
    return NULL;
}

static uint32_t
parser_character(const struct parser *parser)
{
    return expression_character(parser->lexer.source, parser->lexer.begin);
}

static const struct expression *
refuse(struct parser *parser, const char *reason)
{
    return refuse_at(parser, parser_character(parser), reason);
}

static bool
parser_next(struct parser *parser)
{
    return expression_lex(&parser->lexer) == 0;
}

static bool
is_symbol(const struct parser *parser, const char *symbol)
{
    return parser->lexer.token == TOKEN_SYMBOL && text_is(parser->lexer.text, symbol);
}

static bool
is_word(const struct parser *parser, const char *word)
{
    struct text text = parser->lexer.text;
    return parser->lexer.token == TOKEN_WORD && text.bytes == strlen(word) &&
           strncasecmp(text.data, word, text.bytes) == 0;
}

static struct expression *
node_create(struct parser *parser, enum expression_op op, uint32_t character)
{
    struct expression *made = arena_alloc(parser->lexer.arena, sizeof *made);
    *made = (struct expression){.op = op, .character = character, .depth = 1};
    return made;
}

/* Takes the operands, which have been parsed. */
static const struct expression *
node_apply(struct parser *parser, enum expression_op op, uint32_t character,
           const struct expression *const *operands, uint32_t count)
{
    CHECK(count > 0);
    struct expression *made = node_create(parser, op, character);
    const struct expression **copy = arena_alloc(parser->lexer.arena, count * sizeof *copy);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = operands[i];
        made->depth = made->depth > copy[i]->depth ? made->depth : copy[i]->depth + 1;
    }
    made->operands = copy;
    made->operand_count = count;
    return made->depth <= EXPRESSION_DEPTH_MAX
               ? made
               : refuse_at(parser, character, "the expression is nested too deeply");
}

static const struct expression *
node_apply_one(struct parser *parser, enum expression_op op, uint32_t character,
               const struct expression *operand)
{
    return operand == NULL ? NULL : node_apply(parser, op, character, &operand, 1);
}

static const struct expression *
node_apply_two(struct parser *parser, enum expression_op op, uint32_t character,
               const struct expression *left, const struct expression *right)
{
    CHECK(left != NULL);
    const struct expression *operands[] = {left, right};
    return right == NULL ? NULL : node_apply(parser, op, character, operands, 2);
}

static const struct expression *
parse_constant(struct parser *parser, struct expression_value value)
{
    struct expression *made = node_create(parser, EXPRESSION_CONSTANT, parser_character(parser));
    made->constant = value;
    return parser_next(parser) ? made : NULL;
}

/* 2^63 is an integer only with a minus before it. */
static const struct expression *
parse_integer(struct parser *parser, bool is_negative)
{
    uint64_t magnitude = parser->lexer.magnitude;
    CHECK(magnitude <= UINT64_C(1) << 63);
    if (magnitude > INT64_MAX && !is_negative)
        return refuse(parser, "number out of range");
    int64_t integer = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return parse_constant(parser,
                          (struct expression_value){EXPRESSION_INTEGER, .integer = integer});
}

static const struct expression *
parse_column(struct parser *parser)
{
    for (uint32_t i = 0; i < parser->column_count; i++) {
        if (!text_is(parser->lexer.text, parser->columns[i]))
            continue;
        struct expression *made = node_create(parser, EXPRESSION_COLUMN, parser_character(parser));
        made->column = i;
        return parser_next(parser) ? made : NULL;
    }
    error_set(parser->lexer.err, ERR_DATA, "character %u: no column %.*s in columns",
              parser_character(parser), TEXT_ARGS(parser->lexer.text));
    return NULL;
}

/* After the name of the function and the opening parenthesis. */
static const struct expression *
parse_call(struct parser *parser, enum expression_op op, uint32_t character)
{
    const struct expression *operands[ARGUMENTS_MAX];
    uint32_t count = 0;
    for (;;) {
        if (count == ARGUMENTS_MAX)
            return refuse(parser, "too many arguments");
        operands[count] = parse_or(parser);
        if (operands[count++] == NULL)
            return NULL;
        if (!is_symbol(parser, ","))
            break;
        if (!parser_next(parser))
            return NULL;
    }
    if (!is_symbol(parser, ")"))
        return refuse(parser, "expected , or )");
    return parser_next(parser) ? node_apply(parser, op, character, operands, count) : NULL;
}

/* A name is a function's only before a parenthesis, so that a column may have it too. */
static const struct expression *
parse_name(struct parser *parser)
{
    static const struct {
        const char *name;
        enum expression_op op;
    } functions[] = {
        {"greatest", EXPRESSION_GREATEST}, {"max", EXPRESSION_GREATEST},
        {"least", EXPRESSION_LEAST},       {"min", EXPRESSION_LEAST},
        {"coalesce", EXPRESSION_COALESCE},
    };
    uint32_t character = parser_character(parser);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (is_word(parser, functions[i].name) && expression_lex_is_before(&parser->lexer, '('))
            return parser_next(parser) && parser_next(parser)
                       ? parse_call(parser, functions[i].op, character)
                       : NULL;
    if (expression_lex_is_before(&parser->lexer, '('))
        return refuse(parser, "unknown function: there are greatest, least, coalesce, max, min");
    return parse_column(parser);
}

static const struct expression *
parse_word(struct parser *parser)
{
    static const char *const reserved[] = {"and", "or", "not", "is"};
    bool is_true = is_word(parser, "true");
    if (is_true || is_word(parser, "false"))
        return parse_constant(parser,
                              (struct expression_value){EXPRESSION_BOOLEAN, .boolean = is_true});
    if (is_word(parser, "null"))
        return parse_constant(parser, (struct expression_value){.kind = EXPRESSION_NULL});
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (is_word(parser, reserved[i]))
            return refuse(parser, "expected a value; a column of this name needs double quotes");
    return parse_name(parser);
}

static const struct expression *
parse_primary(struct parser *parser)
{
    switch (parser->lexer.token) {
    case TOKEN_INTEGER:
        return parse_integer(parser, false);
    case TOKEN_FLOAT:
        return parse_constant(
            parser, (struct expression_value){EXPRESSION_FLOAT, .real = parser->lexer.real});
    case TOKEN_STRING:
        return parse_constant(
            parser, (struct expression_value){EXPRESSION_STRING, .string = parser->lexer.text});
    case TOKEN_COLUMN:
        return parse_column(parser);
    case TOKEN_WORD:
        return parse_word(parser);
    default:
        break;
    }
    if (!is_symbol(parser, "("))
        return refuse(parser, "expected a value");
    const struct expression *inner = parser_next(parser) ? parse_or(parser) : NULL;
    if (inner == NULL)
        return NULL;
    if (!is_symbol(parser, ")"))
        return refuse(parser, "expected )");
    return parser_next(parser) ? inner : NULL;
}

static const struct expression *
parse_prefixed(struct parser *parser)
{
    uint32_t character = parser_character(parser);
    bool is_negation = is_symbol(parser, "-");
    bool is_not = is_symbol(parser, "!");
    bool is_complement = is_symbol(parser, "~");
    if (!is_negation && !is_not && !is_complement && !is_symbol(parser, "+"))
        return parse_primary(parser);
    if (!parser_next(parser))
        return NULL;
    if (is_negation && parser->lexer.token == TOKEN_INTEGER)
        return parse_integer(parser, true);
    /* As in PostgreSQL, ~ binds less than + and *, also on their right. */
    if (is_complement)
        return node_apply_one(parser, EXPRESSION_COMPLEMENT, character, parse_sum(parser));
    const struct expression *operand = parse_unary(parser);
    if (is_negation || is_not)
        return node_apply_one(parser, is_not ? EXPRESSION_NOT : EXPRESSION_NEGATE, character,
                              operand);
    return operand;
}

static const struct expression *
parse_unary(struct parser *parser)
{
    if (parser->nesting == NESTING_MAX)
        return refuse(parser, "the expression is nested too deeply");
    parser->nesting++;
    const struct expression *made = parse_prefixed(parser);
    CHECK(parser->nesting > 0);
    parser->nesting--;
    return made;
}

struct binary {
    const char *symbol;
    enum expression_op op;
};

static const struct binary *
find_binary(const struct parser *parser, const struct binary *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_symbol(parser, list[i].symbol))
            return &list[i];
    return NULL;
}

/* operand { operator operand }, from left to right. */
static const struct expression *
parse_chain(struct parser *parser, const struct binary *list, size_t count,
            const struct expression *(*parse_operand)(struct parser *parser))
{
    const struct expression *left = parse_operand(parser);
    const struct binary *found;
    while (left != NULL && (found = find_binary(parser, list, count)) != NULL) {
        uint32_t character = parser_character(parser);
        const struct expression *right = parser_next(parser) ? parse_operand(parser) : NULL;
        left = node_apply_two(parser, found->op, character, left, right);
    }
    return left;
}

static const struct expression *
parse_product(struct parser *parser)
{
    static const struct binary list[] = {
        {"*", EXPRESSION_MULTIPLY}, {"/", EXPRESSION_DIVIDE}, {"%", EXPRESSION_MODULO}};
    return parse_chain(parser, list, sizeof list / sizeof list[0], parse_unary);
}

static const struct expression *
parse_sum(struct parser *parser)
{
    static const struct binary list[] = {{"+", EXPRESSION_ADD}, {"-", EXPRESSION_SUBTRACT}};
    return parse_chain(parser, list, sizeof list / sizeof list[0], parse_product);
}

static const struct expression *
parse_bits(struct parser *parser)
{
    static const struct binary list[] = {{"&", EXPRESSION_BIT_AND},
                                         {"|", EXPRESSION_BIT_OR},
                                         {"#", EXPRESSION_BIT_XOR},
                                         {"<<", EXPRESSION_SHIFT_LEFT},
                                         {">>", EXPRESSION_SHIFT_RIGHT}};
    return parse_chain(parser, list, sizeof list / sizeof list[0], parse_sum);
}

static bool
is_null_constant(const struct expression *operand)
{
    return operand->op == EXPRESSION_CONSTANT && operand->constant.kind == EXPRESSION_NULL;
}

/* `= null` is IS NULL, whichever side the null is on. */
static const struct expression *
compare(struct parser *parser, enum expression_op op, uint32_t character,
        const struct expression *left, const struct expression *right)
{
    bool is_test = op == EXPRESSION_EQ || op == EXPRESSION_NOT_EQ;
    if (!is_test || (!is_null_constant(left) && !is_null_constant(right)))
        return node_apply_two(parser, op, character, left, right);
    const struct expression *tested = is_null_constant(right) ? left : right;
    const struct expression *is_null =
        node_apply_one(parser, EXPRESSION_IS_NULL, character, tested);
    return op == EXPRESSION_EQ ? is_null
                               : node_apply_one(parser, EXPRESSION_NOT, character, is_null);
}

static const struct expression *
parse_comparison(struct parser *parser)
{
    static const struct binary list[] = {{"=", EXPRESSION_EQ},      {"==", EXPRESSION_EQ},
                                         {"<>", EXPRESSION_NOT_EQ}, {"!=", EXPRESSION_NOT_EQ},
                                         {"<", EXPRESSION_LT},      {"<=", EXPRESSION_LTE},
                                         {">", EXPRESSION_GT},      {">=", EXPRESSION_GTE}};
    const struct expression *left = parse_bits(parser);
    const struct binary *found = find_binary(parser, list, sizeof list / sizeof list[0]);
    if (left == NULL || found == NULL)
        return left;
    uint32_t character = parser_character(parser);
    const struct expression *right = parser_next(parser) ? parse_bits(parser) : NULL;
    if (right != NULL && find_binary(parser, list, sizeof list / sizeof list[0]) != NULL)
        return refuse(parser, "a comparison of a comparison needs parentheses");
    return right == NULL ? NULL : compare(parser, found->op, character, left, right);
}

/* After IS. */
static const struct expression *
parse_test(struct parser *parser, uint32_t character, const struct expression *tested)
{
    bool is_not = is_word(parser, "not");
    if (is_not && !parser_next(parser))
        return NULL;
    enum expression_op op = EXPRESSION_IS_NULL;
    if (is_word(parser, "true"))
        op = EXPRESSION_IS_TRUE;
    else if (is_word(parser, "false"))
        op = EXPRESSION_IS_FALSE;
    else if (!is_word(parser, "null"))
        return refuse(parser, "expected NULL, TRUE or FALSE");
    if (!parser_next(parser))
        return NULL;
    const struct expression *test = node_apply_one(parser, op, character, tested);
    return is_not ? node_apply_one(parser, EXPRESSION_NOT, character, test) : test;
}

static const struct expression *
parse_is(struct parser *parser)
{
    const struct expression *left = parse_comparison(parser);
    while (left != NULL && is_word(parser, "is")) {
        uint32_t character = parser_character(parser);
        left = parser_next(parser) ? parse_test(parser, character, left) : NULL;
    }
    return left;
}

static const struct expression *
parse_not(struct parser *parser)
{
    if (!is_word(parser, "not"))
        return parse_is(parser);
    if (parser->nesting == NESTING_MAX)
        return refuse(parser, "the expression is nested too deeply");
    uint32_t character = parser_character(parser);
    parser->nesting++;
    const struct expression *operand = parser_next(parser) ? parse_not(parser) : NULL;
    parser->nesting--;
    return node_apply_one(parser, EXPRESSION_NOT, character, operand);
}

/* operand { word operand }, from left to right; the symbol means the same as the word. */
static const struct expression *
parse_logic(struct parser *parser, const char *word, const char *symbol, enum expression_op op,
            const struct expression *(*parse_operand)(struct parser *parser))
{
    const struct expression *left = parse_operand(parser);
    while (left != NULL && (is_word(parser, word) || is_symbol(parser, symbol))) {
        uint32_t character = parser_character(parser);
        const struct expression *right = parser_next(parser) ? parse_operand(parser) : NULL;
        left = node_apply_two(parser, op, character, left, right);
    }
    return left;
}

static const struct expression *
parse_and(struct parser *parser)
{
    return parse_logic(parser, "and", "&&", EXPRESSION_AND, parse_not);
}

static const struct expression *
parse_or(struct parser *parser)
{
    return parse_logic(parser, "or", "||", EXPRESSION_OR, parse_and);
}

int
expression_parse(struct text text, const char *const *columns, uint32_t column_count,
                 struct arena *arena, const struct expression **expression, struct error *err)
{
    struct error local;
    struct parser parser = {
        .lexer = {.source = text, .arena = arena, .err = err != NULL ? err : &local},
        .columns = columns,
        .column_count = column_count,
    };
    const struct expression *made = parser_next(&parser) ? parse_or(&parser) : NULL;
    CHECK(parser.nesting == 0);
    if (made != NULL && parser.lexer.token != TOKEN_END)
        made = refuse(&parser, "expected an operator, or the end");
    *expression = made;
    return made != NULL ? 0 : ERR_DATA;
}

bool
expression_is_column(const struct expression *expression, uint32_t *column)
{
    CHECK(expression != NULL);
    if (expression->op != EXPRESSION_COLUMN)
        return false;
    *column = expression->column;
    return true;
}
