#include "common/json/json_yajl.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/memory.h"

static void *
yajl_memory_alloc(void *context, size_t bytes)
{
    (void)context;
    return memory_alloc(bytes);
}

static void *
yajl_memory_realloc(void *context, void *old, size_t bytes)
{
    (void)context;
    return memory_realloc(old, bytes);
}

static void
yajl_memory_free(void *context, void *memory)
{
    (void)context;
    free(memory);
}

yajl_handle
json_yajl_create(const yajl_callbacks *callbacks, void *context)
{
    yajl_alloc_funcs functions = {yajl_memory_alloc, yajl_memory_realloc, yajl_memory_free, NULL};
    yajl_handle yajl = yajl_alloc(callbacks, &functions, context);
    CHECK(yajl != NULL);
    CHECK(yajl_config(yajl, yajl_dont_validate_strings, 1) == 1);
    return yajl;
}
