#include "tests/support/thread_limit.h"

#include <pthread.h>
#include <stdint.h>

#include "common/base/check.h"

static size_t usual_stack_bytes;

static void
set_stack_bytes(size_t bytes)
{
    pthread_attr_t attributes;
    CHECK(pthread_getattr_default_np(&attributes) == 0);
    if (usual_stack_bytes == 0)
        CHECK(pthread_attr_getstacksize(&attributes, &usual_stack_bytes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, bytes) == 0);
    CHECK(pthread_setattr_default_np(&attributes) == 0);
    pthread_attr_destroy(&attributes);
}

void
thread_limit_set(void)
{
    set_stack_bytes(SIZE_MAX / 2);
}

void
thread_limit_clear(void)
{
    set_stack_bytes(usual_stack_bytes);
}
