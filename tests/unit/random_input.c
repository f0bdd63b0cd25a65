#include "tests/unit/random_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "tests/unit/unit_test.h"

enum {
    INPUTS = 30000,
    DEFAULT_SEED = 1,
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    SLOWDOWN = 3, /* sanitizers look at the same code in fewer rounds */
#else
    SLOWDOWN = 1,
#endif
};

static uint64_t random_state;

static uint64_t
variable(const char *name, uint64_t otherwise)
{
    const char *given = getenv(name);
    return given != NULL ? strtoull(given, NULL, 10) : otherwise;
}

static void
seed_with(uint64_t seed)
{
    printf("BITDEX_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout); /* in case the test aborts the program */
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

void
random_seed(void)
{
    seed_with(variable("BITDEX_SEED", DEFAULT_SEED));
}

bool
random_round(uint32_t least)
{
    static uint64_t first;
    static uint32_t rounds;
    static int64_t end_us;
    bool is_repeated = getenv("BITDEX_SEED") != NULL && getenv("BITDEX_SECONDS") == NULL;
    if (rounds == 0) {
        first = variable("BITDEX_SEED", DEFAULT_SEED);
        end_us = clock_monotonic_us() + (int64_t)variable("BITDEX_SECONDS", 0) * US_PER_S;
    }
    uint32_t due = is_repeated ? 1 : (least + SLOWDOWN - 1) / SLOWDOWN;
    if (rounds >= due && clock_monotonic_us() >= end_us) {
        rounds = 0;
        return false;
    }
    seed_with(first + rounds++);
    return true;
}

/* xorshift64* */
uint64_t
random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t
random_below(uint64_t limit)
{
    return (random_next() >> 16) % limit;
}

void
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

static struct text
damaged(const char *const *goods, size_t good_count, const char *const *pieces, size_t piece_count)
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

void
random_inputs(const char *const *goods, size_t good_count, const char *const *pieces,
              size_t piece_count, bool (*is_accepted)(struct text input))
{
    int accepted = 0;
    random_seed();
    for (int i = 0; i < INPUTS; i++) {
        struct text input = damaged(goods, good_count, pieces, piece_count);
        accepted += is_accepted(input);
        free((void *)(uintptr_t)input.data);
    }
    assert_in_range(accepted, INPUTS / 20, INPUTS);
}

bool
text_is_ascii(const char *terminated)
{
    while (*terminated >= ' ' && *terminated <= '~')
        terminated++;
    return *terminated == '\0';
}
