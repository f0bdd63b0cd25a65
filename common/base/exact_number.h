/* What the text of a decimal number says exactly, whatever its length (F90). Pure; any thread.
 *
 * A comparison with integers needs no more of a number than this: for every integer i,
 *     number <  i  when floor < i
 *     number == i  when is_integer and floor == i
 */
#ifndef COMMON_BASE_EXACT_NUMBER_H
#define COMMON_BASE_EXACT_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

enum exact_range {
    EXACT_BELOW,    /* the floor is below the integers of 64 bits */
    EXACT_IN_RANGE, /* the floor is an integer of 64 bits */
    EXACT_ABOVE,    /* the floor is above the integers of 64 bits */
};

struct exact_number {
    enum exact_range range;
    int64_t floor;   /* in range: the greatest integer that is not above the number; else 0 */
    bool is_integer; /* the number has no fraction; also out of range */
};

/* Reads a number by the grammar of JSON: -12, 3.0, 1e2, 2.5E-3. The caller has checked the grammar:
 * other texts trip a CHECK. */
void exact_number_read(struct text literal, struct exact_number *number);

#endif
