#include "producer/load/phase_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/expression/expression_evaluate.h"
#include "common/expression/expression_types.h"
#include "producer/load/csv_parse.h"

enum { NUMBER_BYTES_MAX = 64 };

static bool
parse_boolean(struct text text, struct expression_value *value)
{
    static const struct {
        const char *word;
        bool boolean;
    } words[] = {{"t", true}, {"f", false}, {"true", true}, {"false", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text.bytes != strlen(words[i].word) ||
            strncasecmp(text.data, words[i].word, text.bytes) != 0)
            continue;
        *value = (struct expression_value){EXPRESSION_BOOLEAN, .boolean = words[i].boolean};
        return true;
    }
    return false;
}

/* Digits, a point, an exponent: no hexadecimal numbers, no infinity. */
static bool
parse_float(struct text text, struct expression_value *value)
{
    char copy[NUMBER_BYTES_MAX];
    if (text.bytes == 0 || text.bytes >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    if (copy[strspn(copy, "0123456789+-.eE")] != '\0')
        return false;
    char *end;
    double real = strtod(copy, &end);
    *value = (struct expression_value){EXPRESSION_FLOAT, .real = real};
    return *end == '\0' && isfinite(real) != 0;
}

static bool
parse_integer(struct text text, struct expression_value *value)
{
    value->kind = EXPRESSION_INTEGER;
    return csv_parse_integer(text, &value->integer);
}

bool
phase_parse_value(struct text text, expression_types types, struct expression_value *value,
                  const char **reason)
{
    bool is_string = (types & EXPRESSION_TYPE_STRING) != 0;
    if (!is_string && (types & EXPRESSION_TYPE_INTEGER) != 0 && parse_integer(text, value))
        return true;
    if (!is_string && (types & EXPRESSION_TYPE_FLOAT) != 0 && parse_float(text, value))
        return true;
    if (!is_string && (types & EXPRESSION_TYPE_BOOLEAN) != 0 && parse_boolean(text, value))
        return true;
    if (is_string && utf8_valid(text.data, text.bytes)) {
        *value = (struct expression_value){EXPRESSION_STRING, .string = text};
        return true;
    }
    value->kind = EXPRESSION_NULL;
    *reason = is_string                              ? "is not UTF-8 without NUL"
              : types == EXPRESSION_TYPE_BOOLEAN     ? "is not t, f, true or false"
              : (types & EXPRESSION_TYPE_FLOAT) != 0 ? "is not a number"
                                                     : "is not an integer of 64 bits";
    return false;
}

static void
add_problem(struct phase_row *row, const char *target, const char *reason)
{
    CHECK(row->problem_count <= PHASE_PROBLEMS_MAX);
    if (row->problem_count < PHASE_PROBLEMS_MAX)
        row->problems[row->problem_count++] = (struct phase_problem){target, reason};
}

/* Whether a condition is true; one that has no value is not, and is reported. */
static bool
is_met(const struct expression *condition, const struct expression_value *columns,
       const char *target, struct phase_row *row)
{
    struct expression_errors errors = {0};
    if (condition == NULL)
        return true;
    bool is_true = expression_is_true(expression_evaluate(condition, columns, &errors));
    if (errors.count > 0)
        add_problem(row, target, errors.reason);
    return is_true;
}

/* An integer field takes a float without a fraction: 3.0 is 3. */
static struct expression_value
as_field(const struct phase_value *value, struct expression_value found, struct phase_row *row)
{
    const struct expression_value nothing = {.kind = EXPRESSION_NULL};
    const double limit = 9223372036854775808.0; /* 2^63 */
    if (found.kind == EXPRESSION_NULL || (value->types & (1u << found.kind)) != 0)
        return found;
    bool is_whole = found.kind == EXPRESSION_FLOAT &&
                    (value->types & EXPRESSION_TYPE_INTEGER) != 0 &&
                    found.real == floor(found.real) && found.real >= -limit && found.real < limit;
    if (is_whole)
        return (struct expression_value){EXPRESSION_INTEGER, .integer = (int64_t)found.real};
    add_problem(row, value->target, "the value is not of the field's type");
    return nothing;
}

bool
phase_value_applies(const struct phase_value *value, const struct expression_value *columns,
                    struct phase_row *row)
{
    CHECK(value->target != NULL);
    return is_met(value->filter, columns, value->target, row) &&
           is_met(value->asserts, columns, value->target, row);
}

static struct expression_value
evaluate_value(const struct phase_value *value, const struct expression_value *columns,
               struct phase_row *row)
{
    struct expression_errors errors = {0};
    struct expression_value found = {.kind = EXPRESSION_NULL};
    if (!phase_value_applies(value, columns, row))
        return found;
    if (value->is_column)
        return as_field(value, columns[value->column], row);
    found = expression_evaluate(value->value, columns, &errors);
    if (errors.count > 0)
        add_problem(row, value->target, errors.reason);
    return as_field(value, found, row);
}

void
phase_evaluate(const struct phase_program *program, const struct expression_value *columns,
               struct phase_row *row)
{
    CHECK(row->values != NULL || program->value_count == 0);
    row->problem_count = 0;
    row->is_kept = is_met(program->filter, columns, NULL, row);
    for (uint32_t i = 0; row->is_kept && i < program->value_count; i++)
        row->values[i] = evaluate_value(&program->values[i], columns, row);
}

void
phase_mark_columns(const struct phase_program *program, bool *is_read)
{
    CHECK(program->slot_column < program->phase->column_count);
    is_read[program->slot_column] = true;
    if (program->filter != NULL)
        expression_mark_columns(program->filter, is_read);
    for (uint32_t i = 0; i < program->value_count; i++) {
        const struct phase_value *value = &program->values[i];
        if (value->filter != NULL)
            expression_mark_columns(value->filter, is_read);
        if (value->asserts != NULL)
            expression_mark_columns(value->asserts, is_read);
        if (value->is_column)
            is_read[value->column] = true;
        else
            expression_mark_columns(value->value, is_read);
    }
}
