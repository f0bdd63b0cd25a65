/* Happy path: the digits without leading and trailing zeros, and the place of the point among them,
 * determine everything: the digits before the point are the integer part, any digit after it is a
 * fraction. No arithmetic but that of the integer part, which has at most 19 digits.
 *
 * Failure modes: an exponent may have any number of digits. It counts up to EXPONENT_MAX, which is
 * above the length of every text.
 */
#include "common/base/exact_number.h"

#include "common/base/check.h"

#define EXPONENT_MAX (INT64_C(1) << 40)

enum { INTEGER_DIGITS_MAX = 19 };

/* The number is 0.DIGITS * 10^point; the digits neither begin nor end with a zero. */
struct decimal {
    bool negative;
    int64_t point;
    uint64_t digits; /* their number; 0: the number is zero */
    uint64_t integer_part;
};

static bool
is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static int64_t
read_exponent(const char *at, const char *end)
{
    int64_t exponent = 0;
    if (at == end)
        return 0;
    CHECK(*at == 'e' || *at == 'E');
    at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    CHECK(at < end);
    for (; at < end; at++) {
        CHECK(is_digit(*at));
        if (exponent < EXPONENT_MAX)
            exponent = 10 * exponent + (*at - '0');
    }
    return negative ? -exponent : exponent;
}

/* Where the digits end and the exponent begins. */
static const char *
find_exponent(const char *at, const char *end)
{
    while (at < end && (is_digit(*at) || *at == '.'))
        at++;
    return at;
}

/* Finds the digits that count, and the place of the point without the exponent. */
static void
read_digits(const char *at, const char *end, struct decimal *decimal)
{
    bool after_point = false;
    int64_t seen = 0; /* digits since the first that is no zero */
    for (; at < end; at++) {
        if (*at == '.') {
            CHECK(!after_point);
            after_point = true;
            continue;
        }
        if (seen > 0 || *at != '0')
            seen++;
        if (*at != '0')
            decimal->digits = (uint64_t)seen;
        if (!after_point)
            decimal->point = seen;
        else if (seen == 0)
            decimal->point--;
    }
}

/* The digits before the point, with zeros where the digits have ended. */
static uint64_t
read_integer_part(const char *at, const char *end, int64_t point)
{
    uint64_t part = 0;
    bool has_begun = false;
    int64_t left = point;
    CHECK(point <= INTEGER_DIGITS_MAX);
    for (; at < end && left > 0; at++) {
        if (*at == '.' || (!has_begun && *at == '0'))
            continue;
        has_begun = true;
        part = 10 * part + (uint64_t)(*at - '0');
        left--;
    }
    for (; left > 0; left--)
        part *= 10;
    return part;
}

static void
set_out_of_range(bool negative, struct exact_number *number)
{
    number->range = negative ? EXACT_BELOW : EXACT_ABOVE;
    number->floor = 0;
}

/* The floor of a negative number with a fraction is below its integer part. */
static void
set_floor(const struct decimal *decimal, struct exact_number *number)
{
    uint64_t magnitude = decimal->integer_part;
    uint64_t limit = (uint64_t)INT64_MAX + decimal->negative;
    if (decimal->negative && !number->is_integer)
        magnitude++;
    if (magnitude > limit) {
        set_out_of_range(decimal->negative, number);
        return;
    }
    number->range = EXACT_IN_RANGE;
    number->floor = decimal->negative ? (int64_t)-magnitude : (int64_t)magnitude;
}

void
exact_number_read(struct text literal, struct exact_number *number)
{
    const char *end = literal.data + literal.bytes;
    struct decimal decimal = {.negative = literal.bytes > 0 && literal.data[0] == '-'};
    const char *digits = literal.data + decimal.negative;
    const char *exponent = find_exponent(digits, end);
    CHECK(exponent > digits && is_digit(*digits));
    read_digits(digits, exponent, &decimal);
    decimal.point += read_exponent(exponent, end);
    number->is_integer = decimal.digits == 0 || (int64_t)decimal.digits <= decimal.point;
    if (decimal.digits > 0 && decimal.point > INTEGER_DIGITS_MAX) {
        set_out_of_range(decimal.negative, number);
        return;
    }
    if (decimal.digits > 0)
        decimal.integer_part = read_integer_part(digits, exponent, decimal.point);
    set_floor(&decimal, number);
}
