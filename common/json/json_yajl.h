/* yajl as both JSON readers use it. The only user of the library besides them. */
#ifndef COMMON_JSON_JSON_YAJL_H
#define COMMON_JSON_JSON_YAJL_H

#include <yajl/yajl_parse.h>

/* A parser that never runs out of memory (memory.h) and leaves UTF-8 to its caller. Released with
 * yajl_free(). `callbacks` and `context` must outlive it. */
yajl_handle json_yajl_create(const yajl_callbacks *callbacks, void *context);

#endif
