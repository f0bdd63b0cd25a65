#include "tests/unit/unit_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/exact_number.h"
#include "common/json/json_parse.h"
#include "common/ops/ops_value.h"
#include "tests/unit/random_input.h"

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
check(const char *literal, enum exact_range range, int64_t floor, bool is_integer)
{
    struct exact_number number;
    exact_number_read(text_of(literal), &number);
    if (number.range != range || number.floor != floor || number.is_integer != is_integer)
        fail_msg("%s: range %d, floor %lld, integer %d", literal, (int)number.range,
                 (long long)number.floor, number.is_integer);
}

static void
test_F90_known_numbers(void **state)
{
    (void)state;
    check("0", EXACT_IN_RANGE, 0, true);
    check("-0", EXACT_IN_RANGE, 0, true);
    check("-0.000e99", EXACT_IN_RANGE, 0, true);
    check("3.0", EXACT_IN_RANGE, 3, true);
    check("0.3E+1", EXACT_IN_RANGE, 3, true);
    check("1200e-2", EXACT_IN_RANGE, 12, true);
    check("1205e-2", EXACT_IN_RANGE, 12, false);
    check("-0.5", EXACT_IN_RANGE, -1, false);
    check("-2.5", EXACT_IN_RANGE, -3, false);
    check("1e-400", EXACT_IN_RANGE, 0, false);
    check("-1e-400", EXACT_IN_RANGE, -1, false);
    check("2.9999999999999999999", EXACT_IN_RANGE, 2, false);
    check("4503599627370497.5", EXACT_IN_RANGE, INT64_C(4503599627370497), false);
    check("9007199254740993.0", EXACT_IN_RANGE, INT64_C(9007199254740993), true);
    check("9223372036854775807", EXACT_IN_RANGE, INT64_MAX, true);
    check("9223372036854775807.5", EXACT_IN_RANGE, INT64_MAX, false);
    check("9223372036854775808", EXACT_ABOVE, 0, true);
    check("-9223372036854775808.0", EXACT_IN_RANGE, INT64_MIN, true);
    check("-9223372036854775808.5", EXACT_BELOW, 0, false);
    check("-9223372036854775809", EXACT_BELOW, 0, true);
    check("1e400", EXACT_ABOVE, 0, true);
    check("-1e400", EXACT_BELOW, 0, true);
    check("1e99999999999999999999999999", EXACT_ABOVE, 0, true);
    check("1e-99999999999999999999999999", EXACT_IN_RANGE, 0, false);
    check("0e99999999999999999999999999", EXACT_IN_RANGE, 0, true);
}

/* --- the naive decimal: all digits on paper, the point between two of them --- */

enum { PAPER = 400, POINT = 200 };

struct paper {
    bool negative;
    char digits[PAPER]; /* the one before digits[POINT] is worth 1 */
};

static void
paper_write(const char *literal, struct paper *paper)
{
    const char *exponent = strpbrk(literal, "eE");
    const char *end = exponent != NULL ? exponent : literal + strlen(literal);
    const char *dot = memchr(literal, '.', (size_t)(end - literal));
    int shift = exponent != NULL ? (int)strtol(exponent + 1, NULL, 10) : 0;
    memset(paper->digits, 0, sizeof paper->digits);
    paper->negative = literal[0] == '-';
    const char *begin = literal + paper->negative;
    int at = POINT - shift - (int)((dot != NULL ? dot : end) - begin);
    for (const char *digit = begin; digit < end; digit++) {
        if (digit == dot)
            continue;
        assert_true(at >= 0 && at < PAPER);
        paper->digits[at++] = (char)(*digit - '0');
    }
}

static bool
paper_has_fraction(const struct paper *paper)
{
    for (int i = POINT; i < PAPER; i++)
        if (paper->digits[i] != 0)
            return true;
    return false;
}

/* False: the floor is not an integer of 64 bits. */
static bool
paper_floor(const struct paper *paper, int64_t *floor)
{
    int64_t sum = 0;
    for (int i = 0; i < POINT; i++) {
        int digit = paper->negative ? -paper->digits[i] : paper->digits[i];
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    int below = paper->negative && paper_has_fraction(paper);
    *floor = 0;
    return !__builtin_sub_overflow(sum, below, floor);
}

/* --- random numbers --- */

/* Digits near what is special: the ends of 64 bits, 2^53, powers of ten. */
static void
append_digits(struct buffer *out)
{
    static const char *const special[] = {
        "9223372036854775807",
        "9223372036854775808",
        "9007199254740992",
        "9007199254740993",
        "4503599627370497",
        "18446744073709551616",
        "1",
        "10000000000",
    };
    if (random_below(2) == 0) {
        buffer_append_text(out, special[random_below(COUNT_OF(special))]);
        return;
    }
    buffer_append_format(out, "%llu",
                         (unsigned long long)random_below(random_below(2) ? 10 : 1000));
    for (uint64_t i = random_below(25); i > 0 && out->data[out->bytes - 1] != '0'; i--)
        buffer_append_format(out, "%c", (char)('1' + random_below(9)));
}

static const char *
random_literal(struct buffer *out)
{
    static const char *const fractions[] = {".0", ".5", ".9999999999999999999", ".000",
                                            ".0000000000000000000000000001"};
    buffer_clear(out);
    buffer_append_text(out, random_below(2) == 0 ? "-" : "");
    append_digits(out);
    if (random_below(2) == 0)
        buffer_append_text(out, fractions[random_below(COUNT_OF(fractions))]);
    if (random_below(3) == 0)
        buffer_append_format(out, "%c%s%d", random_below(2) ? 'e' : 'E',
                             random_below(2) ? "-" : "+", (int)random_below(30));
    return buffer_string(out);
}

/* A value of an op or of a query says of its order among the integers what the number says. */
static void
check_value(const char *literal, bool in_range, int64_t floor, bool is_integer)
{
    const struct json_value *json;
    struct value value;
    assert_int_equal(json_parse(text_of(literal), 0, &arena, &json, NULL), 0);
    bool is_value = ops_value_from_scalar(json, &value, NULL) == 0;
    if (in_range && is_integer) {
        assert_true(is_value && value.kind == VALUE_INTEGER);
        assert_true(value.integer == floor);
    } else if (is_value && in_range) {
        assert_int_equal(value.kind, VALUE_FLOAT);
        assert_true(value.real > (double)floor);
        assert_true(value.real < (double)floor + 1);
    } else if (is_value) {
        assert_int_equal(value.kind, VALUE_FLOAT);
        assert_true(value.real >= 0x1p63 || value.real < -0x1p63);
    }
}

static void
test_F90_random_numbers_are_what_they_are_on_paper(void **state)
{
    (void)state;
    struct buffer literal = {0};
    random_seed();
    for (int i = 0; i < 200000; i++) {
        static struct paper paper;
        struct exact_number number;
        int64_t floor = 0;
        paper_write(random_literal(&literal), &paper);
        bool in_range = paper_floor(&paper, &floor);
        bool is_integer = !paper_has_fraction(&paper);
        exact_number_read(text_of(buffer_string(&literal)), &number);
        enum exact_range out = paper.negative ? EXACT_BELOW : EXACT_ABOVE;
        if (number.is_integer != is_integer || number.range != (in_range ? EXACT_IN_RANGE : out) ||
            (in_range && number.floor != floor))
            fail_msg("%s: range %d, floor %lld, integer %d", buffer_string(&literal),
                     (int)number.range, (long long)number.floor, number.is_integer);
        check_value(buffer_string(&literal), in_range, floor, is_integer);
        arena_reset(&arena);
    }
    buffer_free(&literal);
}

static void
check_refused(const char *literal, const char *reason)
{
    const struct json_value *json;
    struct value value;
    struct error err;
    assert_int_equal(json_parse(text_of(literal), 0, &arena, &json, NULL), 0);
    assert_int_equal(ops_value_from_scalar(json, &value, &err), ERR_DATA);
    assert_string_equal(err.message, reason);
}

static void
test_F90_a_number_that_no_value_is_has_a_reason(void **state)
{
    (void)state;
    check_refused("1e400", "1e400 is beyond the range of floats");
    check_refused("-9223372036854775809", "-9223372036854775809 does not fit 64 bits");
    check_refused("2.9999999999999999999",
                  "2.9999999999999999999 is not an integer, and no float is near enough");
    check_refused("1e-400", "1e-400 is not an integer, and no float is near enough");
    check_refused("9223372036854775807.5",
                  "9223372036854775807.5 is not an integer, and no float is near enough");
    check_refused("1000000000000000000000000000000000000000000000001e400",
                  "100000000000000000000000000000000000000000000000... is beyond the range of"
                  " floats");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_F90_known_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_F90_random_numbers_are_what_they_are_on_paper, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_F90_a_number_that_no_value_is_has_a_reason, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
