#include "tests/support/allocations.h"

#include <stdlib.h>

static _Thread_local uint64_t count;

uint64_t
allocations_count(void)
{
    return count;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* Those of glibc. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t items, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);

void *
malloc(size_t bytes)
{
    count++;
    return __libc_malloc(bytes);
}

void *
calloc(size_t items, size_t bytes)
{
    count++;
    return __libc_calloc(items, bytes);
}

void *
realloc(void *memory, size_t bytes)
{
    count++;
    return __libc_realloc(memory, bytes);
}

#endif
