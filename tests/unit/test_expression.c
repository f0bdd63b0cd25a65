/* The expressions of dump phases. With --evaluate the program reads expressions, one a line, and
 * prints their values over all rows of a small table; tests/integration/test_expression.py compares
 * them with PostgreSQL. */
#include "common/expression/expression_evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/number.h"
#include "common/expression/expression_parse.h"
#include "common/expression/expression_types.h"
#include "tests/unit/random_input.h"
#include "tests/unit/unit_test.h"

static const char *const columns[] = {"a", "b", "x", "y", "p", "q", "s", "t", "naïve Name"};
enum { INTEGER_A, INTEGER_B, FLOAT_X, FLOAT_Y, BOOLEAN_P, BOOLEAN_Q, STRING_S, STRING_T, NAIVE };
enum { COLUMNS = COUNT_OF(columns) };

static struct arena arena;

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void
show(struct buffer *out, struct expression_value value)
{
    char number[NUMBER_TEXT_BYTES];
    switch (value.kind) {
    case EXPRESSION_NULL:
        buffer_append_text(out, "null");
        break;
    case EXPRESSION_BOOLEAN:
        buffer_append_text(out, value.boolean ? "true" : "false");
        break;
    case EXPRESSION_INTEGER:
        buffer_append_format(out, "%" PRId64, value.integer);
        break;
    case EXPRESSION_FLOAT:
        number_format(value.real, number, sizeof number);
        buffer_append_format(out, "float %s", number);
        break;
    case EXPRESSION_STRING:
        buffer_append_format(out, "'%.*s'", TEXT_ARGS(value.string));
        break;
    }
}

static struct expression_value
integer(int64_t value)
{
    return (struct expression_value){EXPRESSION_INTEGER, .integer = value};
}

static struct expression_value
boolean(bool value)
{
    return (struct expression_value){EXPRESSION_BOOLEAN, .boolean = value};
}

static struct expression_value
real(double value)
{
    return (struct expression_value){EXPRESSION_FLOAT, .real = value};
}

static struct expression_value
string(const char *value)
{
    return (struct expression_value){EXPRESSION_STRING, .string = text_of(value)};
}

/* a = 5, x = 1.5, p = true, s = 'image', and the others null. */
static void
fill_row(struct expression_value row[COLUMNS])
{
    memset(row, 0, COLUMNS * sizeof *row);
    row[INTEGER_A] = integer(5);
    row[FLOAT_X] = real(1.5);
    row[BOOLEAN_P] = boolean(true);
    row[STRING_S] = string("image");
    row[NAIVE] = integer(-1);
}

static const struct expression *
parse(const char *text)
{
    const struct expression *expression;
    struct error err = {0};
    if (expression_parse(text_of(text), columns, COLUMNS, &arena, &expression, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return expression;
}

static const struct {
    const char *text;
    const char *value;
} values_of_sql[] = {
    {"(a >> 1) & 1 = 0 AND (a >> 2) & 1 = 1", "true"},
    {"(a >> 1) & 1 == 0 && (a >> 2) & 1 == 1", "true"},
    {"a & 4 == 4", "true"},
    {"a | 2 * 3 + 4", "15"},
    {"1 + 1 << 1 + 2", "16"},
    {"a # 1 & 3", "0"},
    {"~a & 7", "2"},
    {"~1 + 2", "-4"},
    {"2 * ~1 + 2", "-8"},
    {"- 2 - -3", "1"},
    {"-7 / 2 * 10 + -7 % 2", "-31"},
    {"7 / 2.0", "float 3.5"},
    {"a * x", "float 7.5"},
    {"1e3 = 1000 and 3.0 = 3", "true"},
    {"9007199254740993 = 9007199254740992.0", "false"},
    {"-9223372036854775808 - 1", "null"},
    {"9223372036854775807 + 1", "null"},
    {"-(-9223372036854775808)", "null"},
    {"-9223372036854775808 % -1", "0"},
    {"-9223372036854775808 / -1", "null"},
    {"3037000500 * 3037000500", "null"},
    {"a / 0", "null"},
    {"1 << 64", "null"},
    {"-1 >> 63", "-1"},
    {"1e308 * 10", "null"},
    {"b = 1", "null"},
    {"b = null", "true"},
    {"b == NULL", "true"},
    {"null != a", "true"},
    {"a <> null", "true"},
    {"b is null", "true"},
    {"b is not null", "false"},
    {"a = 5 is true", "true"},
    {"b = 1 is not true and b = 1 is not false", "true"},
    {"not p or p", "true"},
    {"not (p or q)", "false"},
    {"q or p", "true"},
    {"q and not p", "false"},
    {"q and p", "null"},
    {"q or not p", "null"},
    {"NOT a = 4 OR b = 3 AND p", "true"},
    {"!p = false", "true"},
    {"! (a = 5)", "false"},
    {"p == true", "true"},
    {"s = 'image'", "true"},
    {"s < 'imagf' and s > 'Image'", "true"},
    {"'it''s'", "'it's'"},
    {"''", "''"},
    {"greatest(a, b, 9, x)", "9"},
    {"least({a}, \"x\")", "float 1.5"},
    {"MAX(a, 1) + min(a, 1)", "6"},
    {"greatest(b, null)", "null"},
    {"coalesce(t, s, 'z')", "'image'"},
    {"\"naïve Name\" + {naïve Name}", "-2"},
    {" ( ( a ) ) ", "5"},
    {"null", "null"},
};

static void
test_expressions_have_the_values_of_sql(void **state)
{
    (void)state;
    struct expression_value row[COLUMNS];
    fill_row(row);
    for (size_t i = 0; i < COUNT_OF(values_of_sql); i++) {
        struct expression_errors errors = {0};
        struct buffer out;
        buffer_init(&out);
        show(&out, expression_evaluate(parse(values_of_sql[i].text), row, &errors));
        if (strcmp(buffer_string(&out), values_of_sql[i].value) != 0)
            fail_msg("%s is %s, not %s", values_of_sql[i].text, buffer_string(&out),
                     values_of_sql[i].value);
        buffer_free(&out);
    }
}

static void
test_what_has_no_value_is_null_and_counted(void **state)
{
    (void)state;
    struct expression_value row[COLUMNS];
    struct expression_errors errors = {0};
    fill_row(row);
    row[INTEGER_A] = integer(INT64_MAX);
    const struct expression *sum = parse("a + 1");
    assert_int_equal(expression_evaluate(sum, row, &errors).kind, EXPRESSION_NULL);
    assert_string_equal(errors.reason, "an integer is out of range");
    assert_int_equal(expression_evaluate(parse("1 / (a - a)"), row, &errors).kind, EXPRESSION_NULL);
    assert_string_equal(errors.reason, "a division by zero");
    assert_int_equal(expression_evaluate(parse("1 << a"), row, &errors).kind, EXPRESSION_NULL);
    assert_int_equal(errors.count, 3);
    row[INTEGER_A] = integer(1);
    assert_int_equal(expression_evaluate(sum, row, &errors).integer, 2);
    assert_int_equal(errors.count, 3);
    row[INTEGER_A] = string("not what the types say");
    assert_int_equal(expression_evaluate(sum, row, &errors).kind, EXPRESSION_NULL);
    assert_int_equal(errors.count, 4);
}

static void
test_bad_expressions_are_refused_with_their_character(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "character 1: expected a value"},
        {"a +", "character 4: expected a value"},
        {"a b", "character 3: expected an operator, or the end"},
        {"A", "character 1: no column A in columns"},
        {"{nix} = 1", "character 1: no column nix in columns"},
        {"\"naïve Name\" + nix", "character 16: no column nix in columns"},
        {"a < b < 3", "character 7: a comparison of a comparison needs parentheses"},
        {"(a", "character 3: expected )"},
        {"greatest(a, ", "character 13: expected a value"},
        {"greatest(a b)", "character 12: expected , or )"},
        {"floor(a)",
         "character 1: unknown function: there are greatest, least, coalesce, max, min"},
        {"'abc", "character 1: quote that is not closed"},
        {"{a", "character 1: brace that is not closed"},
        {"a ^ 2", "character 3: ^ is a power in SQL: exclusive or is #"},
        {"a --1", "character 3: -- begins a comment in SQL: write - (-...)"},
        {"a ; b", "character 3: unknown symbol"},
        {"9223372036854775808", "character 1: number out of range"},
        {"1e999", "character 1: number out of range"},
        {"1a", "character 1: number that runs into a word"},
        {"a is 3", "character 6: expected NULL, TRUE or FALSE"},
        {"a and and", "character 7: expected a value; a column of this name needs double quotes"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct expression *expression;
        struct error err = {0};
        assert_int_equal(
            expression_parse(text_of(cases[i].text), columns, COLUMNS, &arena, &expression, &err),
            ERR_DATA);
        assert_null(expression);
        if (strcmp(err.message, cases[i].message) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", cases[i].text, err.message, cases[i].message);
    }
}

static int
parse_repeated(const char *before, const char *middle, const char *after, uint32_t times)
{
    struct buffer text;
    buffer_init(&text);
    for (uint32_t i = 0; i < times; i++)
        buffer_append_text(&text, before);
    buffer_append_text(&text, middle);
    for (uint32_t i = 0; i < times; i++)
        buffer_append_text(&text, after);
    const struct expression *expression;
    int rc = expression_parse(text_of(buffer_string(&text)), columns, COLUMNS, &arena, &expression,
                              NULL);
    buffer_free(&text);
    return rc;
}

static void
test_depth_is_bounded(void **state)
{
    (void)state;
    static const char *const pieces[][3] = {
        {"(", "a", ")"},   {"- ", "a", ""},         {"! ", "p", ""},   {"~", "a", ""},
        {"not ", "p", ""}, {"greatest(", "a", ")"}, {"", "a", " + 1"}, {"", "p", " is true"},
    };
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        assert_int_equal(parse_repeated(pieces[i][0], pieces[i][1], pieces[i][2], 40), 0);
        assert_int_equal(parse_repeated(pieces[i][0], pieces[i][1], pieces[i][2], 100000),
                         ERR_DATA);
    }
}

/* --- types */

static int
infer(const char *const *texts, const expression_types *wanted, size_t count,
      expression_types types[COLUMNS], struct error *err)
{
    struct expression_columns scope = {columns, types, COLUMNS};
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < count; i++) {
            int rc = expression_infer(parse(texts[i]), wanted[i], &scope, &changed, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

static void
fill_types(expression_types types[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        types[i] = EXPRESSION_TYPE_ANY;
}

static void
test_uses_narrow_the_types_of_columns(void **state)
{
    (void)state;
    static const char *const texts[] = {"greatest(b, x) > y", "a & 1 = 0 and p",
                                        "coalesce(s, t)",     "a + b",
                                        "not q is null",      "{naïve Name} is null"};
    static const expression_types wanted[] = {EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_BOOLEAN,
                                              EXPRESSION_TYPE_STRING,  EXPRESSION_TYPE_INTEGER,
                                              EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_BOOLEAN};
    static const expression_types expected[COLUMNS] = {
        EXPRESSION_TYPE_INTEGER, EXPRESSION_TYPE_NUMBER,  EXPRESSION_TYPE_NUMBER,
        EXPRESSION_TYPE_NUMBER,  EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_ANY,
        EXPRESSION_TYPE_STRING,  EXPRESSION_TYPE_STRING,  EXPRESSION_TYPE_ANY};
    expression_types types[COLUMNS];
    struct error err = {0};
    fill_types(types);
    assert_int_equal(infer(texts, wanted, COUNT_OF(texts), types, &err), 0);
    for (size_t i = 0; i < COLUMNS; i++)
        assert_int_equal(types[i], expected[i]);
}

static void
test_contradicting_types_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *texts[2];
        expression_types wanted[2];
        const char *message;
    } cases[] = {
        {{"a & 1", "a = 'x'"},
         {EXPRESSION_TYPE_INTEGER, EXPRESSION_TYPE_BOOLEAN},
         "character 3: an integer and a string do not compare"},
        {{"a = 'x'", "a & 1"},
         {EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_INTEGER},
         "character 1: column a must be an integer here, but it is a string"},
        {{"a + 1", "a"},
         {EXPRESSION_TYPE_NUMBER, EXPRESSION_TYPE_BOOLEAN},
         "character 1: column a must be a boolean here, but it is a number"},
        {{"a > 1", "1.5 & 1"},
         {EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_INTEGER},
         "character 1: must be an integer, not a float"},
        {{"a > 1", "a > 1"},
         {EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_STRING},
         "character 3: must be a string, not a boolean"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        expression_types types[COLUMNS];
        struct error err = {0};
        fill_types(types);
        assert_int_equal(infer(cases[i].texts, cases[i].wanted, 2, types, &err), ERR_DATA);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void
test_a_column_that_no_operator_takes_may_be_compared_with_null(void **state)
{
    (void)state;
    static const char *const tests[] = {"a is null"};
    static const char *const uses[] = {"a = 1"};
    static const expression_types wanted[] = {EXPRESSION_TYPE_BOOLEAN};
    expression_types types[COLUMNS];
    struct error err = {0};
    fill_types(types);
    types[INTEGER_A] = 0;
    assert_int_equal(infer(tests, wanted, 1, types, &err), 0);
    assert_int_equal(infer(uses, wanted, 1, types, &err), ERR_DATA);
    assert_string_equal(err.message,
                        "character 3: of a type without operators and an integer do not compare");
}

/* --- a random expression as a tree, printed in two ways and evaluated naively */

enum naive_type { NAIVE_INTEGER, NAIVE_FLOAT, NAIVE_BOOLEAN, NAIVE_STRING };

struct naive {
    const char *word; /* an operator or a function; NULL: a column or a constant */
    bool is_call;
    int level; /* of precedence; higher binds more */
    struct naive *operands[3];
    uint32_t count;
    uint32_t column;
    bool is_column;
    struct expression_value constant;
};

struct naive_operator {
    const char *word;
    int level;
    enum naive_type operand;
    enum naive_type result;
    uint32_t count;
    bool is_call;
};

enum { LEVEL_OR, LEVEL_AND, LEVEL_NOT, LEVEL_IS, LEVEL_COMPARE, LEVEL_BITS, LEVEL_SUM };
enum { LEVEL_PRODUCT = LEVEL_SUM + 1, LEVEL_PREFIX, LEVEL_PRIMARY };

static const struct naive_operator operators[] = {
    {"OR", LEVEL_OR, NAIVE_BOOLEAN, NAIVE_BOOLEAN, 2, false},
    {"AND", LEVEL_AND, NAIVE_BOOLEAN, NAIVE_BOOLEAN, 2, false},
    {"NOT", LEVEL_NOT, NAIVE_BOOLEAN, NAIVE_BOOLEAN, 1, false},
    {"=", LEVEL_COMPARE, NAIVE_INTEGER, NAIVE_BOOLEAN, 2, false},
    {"<", LEVEL_COMPARE, NAIVE_FLOAT, NAIVE_BOOLEAN, 2, false},
    {">=", LEVEL_COMPARE, NAIVE_STRING, NAIVE_BOOLEAN, 2, false},
    {"<>", LEVEL_COMPARE, NAIVE_BOOLEAN, NAIVE_BOOLEAN, 2, false},
    {"&", LEVEL_BITS, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"|", LEVEL_BITS, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"#", LEVEL_BITS, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {">>", LEVEL_BITS, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"+", LEVEL_SUM, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"-", LEVEL_SUM, NAIVE_FLOAT, NAIVE_FLOAT, 2, false},
    {"*", LEVEL_PRODUCT, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"/", LEVEL_PRODUCT, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"%", LEVEL_PRODUCT, NAIVE_INTEGER, NAIVE_INTEGER, 2, false},
    {"-", LEVEL_PREFIX, NAIVE_INTEGER, NAIVE_INTEGER, 1, false},
    {"greatest", LEVEL_PRIMARY, NAIVE_FLOAT, NAIVE_FLOAT, 3, true},
    {"least", LEVEL_PRIMARY, NAIVE_STRING, NAIVE_STRING, 2, true},
    {"coalesce", LEVEL_PRIMARY, NAIVE_BOOLEAN, NAIVE_BOOLEAN, 2, true},
};

static struct naive *
naive_leaf(enum naive_type type)
{
    struct naive *made = memset(arena_alloc(&arena, sizeof *made), 0, sizeof *made);
    made->level = LEVEL_PRIMARY;
    made->is_column = random_below(3) > 0;
    made->column = (uint32_t)type * 2 + (uint32_t)random_below(2);
    int64_t small = (int64_t)random_below(9);
    static const char *const words[] = {"", "a", "it's", "é"};
    made->constant = type == NAIVE_INTEGER   ? integer(small)
                     : type == NAIVE_FLOAT   ? real((double)small / 2)
                     : type == NAIVE_BOOLEAN ? boolean(small % 2 == 0)
                                             : string(words[small % 4]);
    return made;
}

static struct naive *
naive_create(enum naive_type type, uint32_t depth)
{
    const struct naive_operator *chosen = &operators[random_below(COUNT_OF(operators))];
    for (int tries = 0; chosen->result != type && tries < 100; tries++)
        chosen = &operators[random_below(COUNT_OF(operators))];
    if (depth == 0 || chosen->result != type)
        return naive_leaf(type);
    struct naive *made = memset(arena_alloc(&arena, sizeof *made), 0, sizeof *made);
    made->word = chosen->word;
    made->is_call = chosen->is_call;
    made->level = chosen->level;
    made->count = chosen->count;
    for (uint32_t i = 0; i < made->count; i++)
        made->operands[i] = naive_create(chosen->operand, depth - 1);
    return made;
}

static void
print_leaf(const struct naive *tree, struct buffer *out)
{
    if (tree->is_column) {
        buffer_append_text(out, columns[tree->column]);
        return;
    }
    struct text text = tree->constant.string;
    switch (tree->constant.kind) {
    case EXPRESSION_STRING:
        buffer_append_text(out, "'");
        for (size_t i = 0; i < text.bytes; i++)
            buffer_append_format(out, text.data[i] == '\'' ? "''" : "%c", text.data[i]);
        buffer_append_text(out, "'");
        break;
    case EXPRESSION_FLOAT:
        buffer_append_format(out, "%.1f", tree->constant.real);
        break;
    default:
        show(out, tree->constant);
    }
}

/* With `is_full` every operator has parentheses; else only where precedence asks for them. */
static void
print_tree(const struct naive *tree, bool is_full, struct buffer *out)
{
    if (tree->word == NULL) {
        print_leaf(tree, out);
        return;
    }
    if (tree->is_call)
        buffer_append_format(out, "%s(", tree->word);
    else if (tree->count == 1)
        buffer_append_format(out, "%s ", tree->word);
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct naive *operand = tree->operands[i];
        bool needs = operand->level < tree->level || (operand->level == tree->level && i > 0) ||
                     (operand->level == tree->level && tree->level == LEVEL_COMPARE);
        bool has = !tree->is_call && (needs || (is_full && operand->word != NULL));
        if (i > 0)
            buffer_append_format(out, tree->is_call ? ", " : " %s ", tree->word);
        buffer_append_text(out, has ? "(" : "");
        print_tree(operand, is_full, out);
        buffer_append_text(out, has ? ")" : "");
    }
    buffer_append_text(out, tree->is_call ? ")" : "");
}

static struct expression_value naive_evaluate(const struct naive *tree,
                                              const struct expression_value *row);

static int
naive_order(struct expression_value a, struct expression_value b)
{
    if (a.kind == EXPRESSION_STRING) {
        char *left = arena_strdup(&arena, a.string);
        return strcmp(left, arena_strdup(&arena, b.string));
    }
    if (a.kind == EXPRESSION_BOOLEAN)
        return a.boolean - b.boolean;
    long double left = a.kind == EXPRESSION_INTEGER ? (long double)a.integer : a.real;
    long double right = b.kind == EXPRESSION_INTEGER ? (long double)b.integer : b.real;
    return (left > right) - (left < right);
}

static struct expression_value
naive_integer(__int128 value)
{
    return value < INT64_MIN || value > INT64_MAX ? (struct expression_value){0}
                                                  : integer((int64_t)value);
}

static struct expression_value
naive_arithmetic(const char *word, int64_t a, int64_t b)
{
    __int128 wide = a;
    switch (word[0]) {
    case '+':
        return naive_integer(wide + b);
    case '*':
        return naive_integer(wide * b);
    case '/':
        return b == 0 ? (struct expression_value){0} : naive_integer(wide / b);
    case '%':
        return b == 0 ? (struct expression_value){0} : naive_integer(wide % b);
    case '&':
        return integer(a & b);
    case '|':
        return integer(a | b);
    case '#':
        return integer(a ^ b);
    default:
        if (b < 0 || b > 63)
            return (struct expression_value){0};
        return integer(a >> b);
    }
}

static struct expression_value
naive_logic(const struct naive *tree, const struct expression_value *row)
{
    uint32_t seen[3] = {0}; /* false, true, null */
    for (uint32_t i = 0; i < tree->count; i++) {
        struct expression_value operand = naive_evaluate(tree->operands[i], row);
        seen[operand.kind == EXPRESSION_NULL ? 2 : operand.boolean]++;
    }
    bool decides = tree->level == LEVEL_OR;
    if (seen[decides] > 0)
        return boolean(decides);
    return seen[2] > 0 ? (struct expression_value){0} : boolean(!decides);
}

static struct expression_value
naive_call(const struct naive *tree, const struct expression_value *row)
{
    struct expression_value best = {0};
    for (uint32_t i = 0; i < tree->count; i++) {
        struct expression_value found = naive_evaluate(tree->operands[i], row);
        if (found.kind == EXPRESSION_NULL)
            continue;
        int order = best.kind == EXPRESSION_NULL ? 0 : naive_order(found, best);
        if (best.kind == EXPRESSION_NULL || (tree->word[0] == 'g' && order > 0) ||
            (tree->word[0] == 'l' && order < 0))
            best = found;
    }
    return best;
}

static struct expression_value
naive_compare(const char *word, int order)
{
    bool is_equal = order == 0;
    if (strcmp(word, "=") == 0)
        return boolean(is_equal);
    if (strcmp(word, "<>") == 0)
        return boolean(!is_equal);
    return boolean(strcmp(word, "<") == 0 ? order < 0 : order >= 0);
}

static struct expression_value
naive_evaluate(const struct naive *tree, const struct expression_value *row)
{
    if (tree->word == NULL)
        return tree->is_column ? row[tree->column] : tree->constant;
    if (tree->is_call)
        return naive_call(tree, row);
    if (tree->level == LEVEL_OR || tree->level == LEVEL_AND)
        return naive_logic(tree, row);
    struct expression_value a = naive_evaluate(tree->operands[0], row);
    struct expression_value b =
        tree->count > 1 ? naive_evaluate(tree->operands[1], row) : boolean(false);
    if (a.kind == EXPRESSION_NULL || b.kind == EXPRESSION_NULL)
        return (struct expression_value){0};
    if (tree->level == LEVEL_NOT)
        return boolean(!a.boolean);
    if (tree->level == LEVEL_PREFIX)
        return naive_integer(-(__int128)a.integer);
    if (tree->level == LEVEL_COMPARE)
        return naive_compare(tree->word, naive_order(a, b));
    if (tree->level == LEVEL_SUM && tree->word[0] == '-')
        return real(a.real - b.real);
    return naive_arithmetic(tree->word, a.integer, b.integer);
}

static void
random_row(struct expression_value row[COLUMNS])
{
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, -1, 0, 1, 63, 64, 1 << 13};
    static const char *const words[] = {"", "a", "it's", "é", "ab"};
    memset(row, 0, COLUMNS * sizeof *row);
    for (size_t i = INTEGER_A; i <= STRING_T; i++) {
        uint64_t dice = random_below(COUNT_OF(edges) + 2);
        if (dice >= COUNT_OF(edges))
            continue; /* null */
        row[i] = i <= INTEGER_B   ? integer(edges[dice])
                 : i <= FLOAT_Y   ? real((double)dice - 1.5)
                 : i <= BOOLEAN_Q ? boolean(dice % 2 == 0)
                                  : string(words[dice % COUNT_OF(words)]);
    }
}

/* The inferred types never exclude the type of a column, when they are all unknown before. */
static void
check_types(const struct expression *expression, expression_types wanted)
{
    static const expression_types real_types[] = {EXPRESSION_TYPE_INTEGER, EXPRESSION_TYPE_NUMBER,
                                                  EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_STRING};
    expression_types types[COLUMNS];
    struct expression_columns scope = {columns, types, COLUMNS};
    struct error err = {0};
    bool changed = true;
    fill_types(types);
    while (changed) {
        changed = false;
        if (expression_infer(expression, wanted, &scope, &changed, &err) != 0)
            fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < NAIVE; i++)
        assert_true((types[i] & real_types[i / 2]) != 0);
}

static void
check_value(const char *text, const struct expression *expression, const struct naive *tree,
            const struct expression_value *row)
{
    struct buffer ours;
    struct buffer theirs;
    struct expression_errors errors = {0};
    buffer_init(&ours);
    buffer_init(&theirs);
    show(&ours, expression_evaluate(expression, row, &errors));
    show(&theirs, naive_evaluate(tree, row));
    if (strcmp(buffer_string(&ours), buffer_string(&theirs)) != 0)
        fail_msg("%s is %s, not %s", text, buffer_string(&ours), buffer_string(&theirs));
    buffer_free(&ours);
    buffer_free(&theirs);
}

static void
test_random_expressions_equal_a_naive_evaluation(void **state)
{
    (void)state;
    static const expression_types wanted[] = {EXPRESSION_TYPE_INTEGER, EXPRESSION_TYPE_NUMBER,
                                              EXPRESSION_TYPE_BOOLEAN, EXPRESSION_TYPE_STRING};
    random_seed();
    for (int round = 0; round < 3000; round++) {
        arena_reset(&arena);
        enum naive_type type = (enum naive_type)random_below(4);
        struct naive *tree = naive_create(type, 1 + (uint32_t)random_below(6));
        for (int is_full = 0; is_full < 2; is_full++) {
            struct buffer text;
            buffer_init(&text);
            print_tree(tree, is_full == 1, &text);
            const struct expression *expression = parse(buffer_string(&text));
            check_types(expression, wanted[type]);
            for (int i = 0; i < 10; i++) {
                struct expression_value row[COLUMNS];
                random_row(row);
                check_value(buffer_string(&text), expression, tree, row);
            }
            buffer_free(&text);
        }
    }
}

static bool
evaluates(struct text input)
{
    const struct expression *expression;
    struct error err = {0};
    struct expression_errors errors = {0};
    struct expression_value row[COLUMNS];
    fill_row(row);
    arena_reset(&arena);
    if (expression_parse(input, columns, COLUMNS, &arena, &expression, &err) != 0) {
        assert_memory_equal(err.message, "character ", 10);
        return false;
    }
    expression_evaluate(expression, row, &errors);
    expression_types types[COLUMNS];
    struct expression_columns scope = {columns, types, COLUMNS};
    bool changed;
    fill_types(types);
    expression_infer(expression, EXPRESSION_TYPE_ANY, &scope, &changed, &err);
    return true;
}

static void
test_damaged_expressions_are_refused_or_evaluated(void **state)
{
    (void)state;
    static const char *const goods[] = {
        "(a >> 13) & 1 == 1 && (a >> 2) & 1 == 0", "not greatest(a, 1.5) >= {x} or p is not true",
        "coalesce(s, 'it''s') <> \"t\" and ~a | 1 # 2 << 3 != null"};
    static const char *const pieces[] = {"(",    ")", " and ", "not ", "'", "\"", "{", "}",   "== ",
                                         "null", "a", "is ",   "9",    ".", "e",  ",", "\xff"};
    random_inputs(goods, COUNT_OF(goods), pieces, COUNT_OF(pieces), evaluates);
}

/* --- for the comparison with PostgreSQL */

/* Row n of the table: column i has value (m / 3^i) mod 3 of its three values, where m = 41 n mod
 * 3^8 spreads few rows over all combinations. */
static void
fill_table_row(uint32_t row, struct expression_value values[COLUMNS])
{
    static const int64_t integers[2][2] = {{13, -8}, {3, 0}};
    memset(values, 0, COLUMNS * sizeof *values);
    row = row * 41 % 6561;
    for (uint32_t i = 0; i <= STRING_T; i++) {
        uint32_t choice = row % 3;
        row /= 3;
        if (choice == 2)
            continue;
        uint32_t which = i % 2;
        values[i] = i <= INTEGER_B   ? integer(integers[which][choice])
                    : i <= FLOAT_Y   ? real(choice == 0 ? 2.5 : -4.0)
                    : i <= BOOLEAN_Q ? boolean(choice == 0)
                                     : string(choice == which ? "a" : "Zé");
    }
}

static int
evaluate_lines(uint32_t rows)
{
    char *line = NULL;
    size_t capacity = 0;
    struct buffer out;
    buffer_init(&out);
    arena_init(&arena);
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        const struct expression *expression = parse(line);
        for (uint32_t row = 0; row < rows; row++) {
            struct expression_value values[COLUMNS];
            struct expression_errors errors = {0};
            fill_table_row(row, values);
            show(&out, expression_evaluate(expression, values, &errors));
            buffer_append_text(&out, errors.count > 0 ? " error\t" : "\t");
        }
        puts(buffer_string(&out));
        buffer_clear(&out);
        arena_reset(&arena);
    }
    arena_free(&arena);
    buffer_free(&out);
    free(line);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--evaluate") == 0)
        return evaluate_lines((uint32_t)strtoul(argv[2], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions_have_the_values_of_sql),
        cmocka_unit_test(test_what_has_no_value_is_null_and_counted),
        cmocka_unit_test(test_bad_expressions_are_refused_with_their_character),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_uses_narrow_the_types_of_columns),
        cmocka_unit_test(test_contradicting_types_are_refused),
        cmocka_unit_test(test_a_column_that_no_operator_takes_may_be_compared_with_null),
        cmocka_unit_test(test_random_expressions_equal_a_naive_evaluation),
        cmocka_unit_test(test_damaged_expressions_are_refused_or_evaluated),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
