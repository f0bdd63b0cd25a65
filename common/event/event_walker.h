/* The walker: says whether bytes are one whole datum of a schema, before avro-c, which trusts
 * lengths, reads them.
 *
 * Checks allocate nothing and a walker is constant once created, so any number of threads may share
 * one.
 */
#ifndef COMMON_EVENT_EVENT_WALKER_H
#define COMMON_EVENT_EVENT_WALKER_H

#include <avro.h>
#include <stddef.h>

#include "common/base/error.h"

struct event_walker;

/* Compiles `schema`, which is not kept. ERR_FATAL when it is recursive, too large, or has a type
 * that events do not use (bytes, fixed, float, map). Owned by the caller. */
int event_walker_create(avro_schema_t schema, struct event_walker **walker, struct error *err);
void event_walker_destroy(struct event_walker *walker);

/* 0 when `bytes` are exactly one datum; otherwise ERR_DATA with the offset and the reason.
 * `items_max` bounds the array items that are not plain numbers, all arrays together: those cost
 * memory out of proportion to their bytes. */
int event_walker_check(const struct event_walker *walker, const void *bytes, size_t size,
                       size_t items_max, struct error *err);

#endif
