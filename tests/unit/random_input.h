/* Random inputs for the tests of parsers: a seeded generator, and damage to a good input.
 *
 * BITDEX_SEED repeats a run; every run prints its own. One thread, one program.
 */
#ifndef TESTS_UNIT_RANDOM_INPUT_H
#define TESTS_UNIT_RANDOM_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"

static uint64_t random_state;

static inline void
random_seed(void)
{
    const char *given = getenv("BITDEX_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("BITDEX_SEED=%llu\n", (unsigned long long)seed);
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static inline uint64_t
random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % limit;
}

/* One edit: a byte, or a piece of the grammar, over or between what is there; or a cut. */
static inline void
random_edit(struct buffer *input, const char *const *pieces, size_t piece_count)
{
    size_t at = random_below(input->bytes + 1);
    size_t cut = random_below(3) == 0 ? random_below(8) : 0;
    char byte[2] = {(char)random_below(256), '\0'};
    const char *piece = random_below(4) == 0 ? byte : pieces[random_below(piece_count)];
    size_t piece_bytes = random_below(4) == 0 ? 0 : strlen(piece);
    if (cut > input->bytes - at)
        cut = input->bytes - at;
    buffer_reserve(input, piece_bytes);
    memmove(input->data + at + piece_bytes, input->data + at + cut, input->bytes - at - cut);
    memcpy(input->data + at, piece, piece_bytes);
    input->bytes = input->bytes - cut + piece_bytes;
}

/* One of `goods` with a few edits, or nothing but bytes. Allocated to the byte, so that a sanitizer
 * sees a read behind it; free() the data. */
static inline struct text
random_damaged(const char *const *goods, size_t good_count, const char *const *pieces,
               size_t piece_count)
{
    struct buffer input = {0};
    if (random_below(20) > 0)
        buffer_append_text(&input, goods[random_below(good_count)]);
    for (uint64_t edits = random_below(6); edits > 0; edits--)
        random_edit(&input, pieces, piece_count);
    char *exact = memory_alloc(input.bytes);
    if (input.bytes > 0)
        memcpy(exact, input.data, input.bytes);
    struct text text = {exact, input.bytes};
    buffer_free(&input);
    return text;
}

static inline int
text_is_ascii(const char *terminated)
{
    while (*terminated >= ' ' && *terminated <= '~')
        terminated++;
    return *terminated == '\0';
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
