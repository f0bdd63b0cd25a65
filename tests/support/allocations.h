/* Counts what is allocated with malloc() and its relatives, by libraries too. */
#ifndef TESTS_SUPPORT_ALLOCATIONS_H
#define TESTS_SUPPORT_ALLOCATIONS_H

#include <stdint.h>

/* Calls of this thread so far. A sanitizer has its own malloc(): then always 0. */
uint64_t allocations_count(void);

#endif
