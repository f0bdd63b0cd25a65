/* Heap, arena and byte buffer: the three ways in which this project holds memory.
 *
 * Allocation never returns NULL. Memory is bounded by configuration (L10), so a process that runs
 * out of it has a limit that is too small: it reports the size of the request and aborts, and
 * recovery decides what was durable. None of the structures is thread-safe.
 */
#ifndef COMMON_BASE_MEMORY_H
#define COMMON_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Owned by the caller, released with free(). */
void *memory_alloc(size_t bytes);
void *memory_zalloc(size_t bytes);
void *memory_realloc(void *old, size_t bytes);
char *memory_strdup(const char *text);
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Bytes that another object owns; not terminated. `data` may be NULL only when `bytes` is 0. */
struct text {
    const char *data;
    size_t bytes;
};

#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})
#define TEXT_ARGS(t) (int)(t).bytes, (t).data /* for "%.*s" */

struct text text_of(const char *terminated);
bool text_equal(struct text a, struct text b);
bool text_is(struct text a, const char *terminated);
/* FNV-1a, 64 bits. */
uint64_t text_hash(struct text text);

/* An arena: everything allocated from it is released together. */
struct arena {
    struct arena_block *blocks;
    size_t used_bytes; /* handed out since the last reset */
};

void arena_init(struct arena *arena);
/* 16-byte aligned, not zeroed; lives until the arena is reset or freed. */
void *arena_alloc(struct arena *arena, size_t bytes);
struct text arena_text(struct arena *arena, struct text source);
/* A terminated copy. `source.data` may be NULL when `source.bytes` is 0. */
char *arena_strdup(struct arena *arena, struct text source);
/* Keeps memory for as much again, unless it is more than a few megabytes; then the largest part. */
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

/* A growing byte string. */
struct buffer {
    uint8_t *data;
    size_t bytes;
    size_t capacity_bytes;
};

void buffer_init(struct buffer *buffer);
void buffer_free(struct buffer *buffer);
/* Makes room for `more` further bytes and returns where they begin; `bytes` is not changed. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t bytes);
void buffer_append_text(struct buffer *buffer, const char *terminated);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes a 0 after the content without counting it, so that it reads as a C string. The string is
 * valid until the buffer changes. */
const char *buffer_string(struct buffer *buffer);
static inline void
buffer_clear(struct buffer *buffer)
{
    buffer->bytes = 0;
}
/* Moves the content into the arena, where it is aligned for every type, and frees the buffer. */
void *buffer_move(struct buffer *buffer, struct arena *arena);

#endif
