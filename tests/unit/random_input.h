/* Random inputs: a seeded generator for all tests, and damage to a good input for those of parsers.
 *
 * BITDEX_SEED repeats a run, or one round of it; every run prints its own. BITDEX_SECONDS lets the
 * tests that go in rounds go on for so long. One thread.
 */
#ifndef TESTS_UNIT_RANDOM_INPUT_H
#define TESTS_UNIT_RANDOM_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

void random_seed(void);
/* `while (random_round(3))`: is there another round? It has a seed of its own. `least` rounds, and
 * more while there is time; with BITDEX_SEED only that one. */
bool random_round(uint32_t least);

uint64_t random_next(void);
uint64_t random_below(uint64_t limit);

/* One edit: a byte, or a piece of the grammar, over or between what is there; or a cut. */
void random_edit(struct buffer *input, const char *const *pieces, size_t piece_count);
/* One of `goods` with a few edits, or nothing but bytes. Allocated to the byte, so that a sanitizer
 * sees a read behind it; free() the data. */
struct text random_damaged(const char *const *goods, size_t good_count, const char *const *pieces,
                           size_t piece_count);

bool text_is_ascii(const char *terminated);

#endif
