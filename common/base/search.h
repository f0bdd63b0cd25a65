/* Binary search in a sorted sequence of any kind. Any thread. */
#ifndef COMMON_BASE_SEARCH_H
#define COMMON_BASE_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

/* The first of `count` elements that is not below the wanted one; `count` when all are below.
 * `is_below(context, at)` compares element `at` with the wanted one; the elements for which it is
 * true come first. Inline, so that the compiler inlines the comparison too. */
static inline uint32_t
search_first(uint32_t count, bool is_below(const void *context, uint32_t at), const void *context)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_below(context, middle))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
