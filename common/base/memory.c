#include "common/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"

enum {
    ARENA_BLOCK_BYTES = 64 * 1024,
    ARENA_KEPT_BYTES = 8 * 1024 * 1024,
    ARENA_ALIGNMENT = 16,
    BUFFER_MIN_BYTES = 256,
};

struct arena_block {
    struct arena_block *next;
    size_t capacity_bytes;
    size_t used_bytes;
    _Alignas(ARENA_ALIGNMENT) uint8_t data[];
};

/* The limit is the environment's, so this is not a CHECK. */
static void *
memory_require(void *memory, size_t bytes)
{
    if (memory == NULL) {
        fprintf(
            stderr,
            "cannot allocate %zu bytes: out of memory (raise the limit of the process, or lower "
            "the limits in the configuration)\n",
            bytes);
        abort();
    }
    return memory;
}

void *
memory_alloc(size_t bytes)
{
    return memory_require(malloc(bytes > 0 ? bytes : 1), bytes);
}

void *
memory_zalloc(size_t bytes)
{
    return memory_require(calloc(1, bytes > 0 ? bytes : 1), bytes);
}

void *
memory_realloc(void *old, size_t bytes)
{
    return memory_require(realloc(old, bytes > 0 ? bytes : 1), bytes);
}

char *
memory_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    return memcpy(memory_alloc(bytes), text, bytes);
}

char *
memory_format(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int bytes = vasprintf(&text, format, args);
    va_end(args);
    return memory_require(bytes >= 0 ? text : NULL, strlen(format));
}

struct text
text_of(const char *terminated)
{
    CHECK(terminated != NULL);
    return (struct text){terminated, strlen(terminated)};
}

bool
text_equal(struct text a, struct text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

bool
text_is(struct text a, const char *terminated)
{
    return text_equal(a, text_of(terminated));
}

uint64_t
text_hash(struct text text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.bytes; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void
arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

static struct arena_block *
arena_add_block(struct arena *arena, size_t capacity_bytes)
{
    struct arena_block *block = memory_alloc(sizeof *block + capacity_bytes);
    *block = (struct arena_block){.next = arena->blocks, .capacity_bytes = capacity_bytes};
    arena->blocks = block;
    return block;
}

void *
arena_alloc(struct arena *arena, size_t bytes)
{
    CHECK(bytes < SIZE_MAX / 2);
    size_t rounded = (bytes + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->capacity_bytes - block->used_bytes < rounded)
        block = arena_add_block(arena, rounded > ARENA_BLOCK_BYTES ? rounded : ARENA_BLOCK_BYTES);
    void *memory = block->data + block->used_bytes;
    block->used_bytes += rounded;
    arena->used_bytes += rounded;
    CHECK(block->used_bytes <= block->capacity_bytes);
    CHECK((uintptr_t)memory % ARENA_ALIGNMENT == 0);
    return memory;
}

struct text
arena_text(struct arena *arena, struct text source)
{
    return (struct text){arena_strdup(arena, source), source.bytes};
}

char *
arena_strdup(struct arena *arena, struct text source)
{
    CHECK(source.data != NULL || source.bytes == 0);
    char *copy = arena_alloc(arena, source.bytes + 1);
    if (source.bytes > 0)
        memcpy(copy, source.data, source.bytes);
    copy[source.bytes] = '\0';
    return copy;
}

/* Frees all blocks but the largest one, which is returned, empty; NULL: the arena has no block. */
static struct arena_block *
arena_shrink(struct arena *arena)
{
    struct arena_block *largest = NULL;
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        CHECK(block->used_bytes <= block->capacity_bytes);
        arena->blocks = block->next;
        if (largest == NULL || block->capacity_bytes > largest->capacity_bytes) {
            free(largest);
            largest = block;
        } else {
            free(block);
        }
    }
    arena->used_bytes = 0;
    if (largest != NULL) {
        largest->next = NULL;
        largest->used_bytes = 0;
    }
    arena->blocks = largest;
    return largest;
}

/* One block for all of the next round: many that are freed and allocated again in each round cost
 * page faults. */
void
arena_reset(struct arena *arena)
{
    size_t used_bytes = arena->used_bytes;
    const struct arena_block *kept = arena_shrink(arena);
    if (kept == NULL || used_bytes <= kept->capacity_bytes || used_bytes > ARENA_KEPT_BYTES)
        return;
    arena_free(arena);
    arena_add_block(arena, used_bytes + used_bytes / 4);
}

void
arena_free(struct arena *arena)
{
    free(arena_shrink(arena));
    arena->blocks = NULL;
}

void
buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){0};
}

void
buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer);
}

uint8_t *
buffer_reserve(struct buffer *buffer, size_t more)
{
    CHECK(more < SIZE_MAX / 4);
    CHECK(buffer->bytes < SIZE_MAX / 4);
    CHECK(buffer->bytes <= buffer->capacity_bytes);
    CHECK((buffer->data == NULL) == (buffer->capacity_bytes == 0));
    size_t needed = buffer->bytes + more;
    if (needed > buffer->capacity_bytes || buffer->data == NULL) {
        size_t capacity = buffer->capacity_bytes > 0 ? buffer->capacity_bytes : BUFFER_MIN_BYTES;
        while (capacity < needed)
            capacity *= 2;
        buffer->data = memory_realloc(buffer->data, capacity);
        buffer->capacity_bytes = capacity;
    }
    CHECK(buffer->capacity_bytes - buffer->bytes >= more);
    return buffer->data + buffer->bytes;
}

void
buffer_append(struct buffer *buffer, const void *data, size_t bytes)
{
    if (bytes == 0)
        return;
    CHECK(data != NULL);
    memcpy(buffer_reserve(buffer, bytes), data, bytes);
    buffer->bytes += bytes;
}

void
buffer_append_text(struct buffer *buffer, const char *terminated)
{
    buffer_append(buffer, terminated, strlen(terminated));
}

void
buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    CHECK(bytes >= 0);
    char *to = (char *)buffer_reserve(buffer, (size_t)bytes + 1);
    CHECK(vsnprintf(to, (size_t)bytes + 1, format, again) == bytes);
    buffer->bytes += (size_t)bytes;
    va_end(again);
    va_end(args);
}

const char *
buffer_string(struct buffer *buffer)
{
    *buffer_reserve(buffer, 1) = '\0';
    return (const char *)buffer->data;
}

void *
buffer_move(struct buffer *buffer, struct arena *arena)
{
    void *copy = arena_alloc(arena, buffer->bytes + 1);
    if (buffer->bytes > 0)
        memcpy(copy, buffer->data, buffer->bytes);
    buffer_free(buffer);
    return copy;
}
