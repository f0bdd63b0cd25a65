#include "common/base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

/* Every number of at most 15 digits survives the way through a double; 17 digits determine one. */
enum { DIGITS_MIN = 15, DIGITS_MAX = 17 };

void
number_format(double value, char *out, size_t bytes)
{
    CHECK(isfinite(value));
    CHECK(bytes >= NUMBER_TEXT_BYTES);
    for (int digits = DIGITS_MIN; digits <= DIGITS_MAX; digits++) {
        snprintf(out, bytes, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            return;
    }
    CHECK(false);
}
