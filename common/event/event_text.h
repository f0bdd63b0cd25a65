/* What a string of an event may hold: UTF-8 (Unicode 15, table 3-7: shortest form, no surrogates)
 * without NUL, which neither PostgreSQL's jsonb nor avro-c's strings can carry. Pure; any thread.
 */
#ifndef COMMON_EVENT_EVENT_TEXT_H
#define COMMON_EVENT_EVENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* `data` may be NULL when `bytes` is 0. */
bool event_text_valid(const void *data, size_t bytes);

#endif
