/* The text that every part of the system can carry: UTF-8 (Unicode 15, table 3-7: shortest form,
 * no surrogates) without NUL, which neither PostgreSQL's jsonb nor avro-c's strings can hold. Pure;
 * any thread. */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `data` may be NULL when `bytes` is 0. */
bool utf8_valid(const void *data, size_t bytes);

/* The length of the sequence at the beginning of `text` (terminated), and its code point; 0: the
 * text is empty or ill-formed. */
size_t utf8_decode(const char *text, uint32_t *code_point);

#endif
