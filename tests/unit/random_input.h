/* Random inputs: a seeded generator for all tests, and random damage to valid inputs for the tests
 * of parsers.
 *
 * The seed is always the same, so that a run of all tests says something of the code and not of
 * luck. BITDEX_SEED is another one. Tests in rounds run for BITDEX_SECONDS; each round has the next
 * seed and prints it, and BITDEX_SEED without BITDEX_SECONDS repeats that round alone. One thread.
 */
#ifndef TESTS_UNIT_RANDOM_INPUT_H
#define TESTS_UNIT_RANDOM_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/memory.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

void random_seed(void);
/* `while (random_round(3))`: whether there is another round, which gets its own seed. There are
 * `least` rounds, a third of them under a sanitizer, one when it is repeated, and more while time
 * is left. */
bool random_round(uint32_t least);

uint64_t random_next(void);
uint64_t random_below(uint64_t limit);

/* One random edit: a byte or a piece of the grammar is written or inserted, or the end is cut. */
void random_edit(struct buffer *input, const char *const *pieces, size_t piece_count);
/* Calls `is_accepted` with many inputs: one of `goods` with a few random edits, or random bytes.
 * The allocation ends with the last byte, so that a sanitizer finds a read after it. The test fails
 * when fewer than a twentieth of the inputs is accepted. */
void random_inputs(const char *const *goods, size_t good_count, const char *const *pieces,
                   size_t piece_count, bool (*is_accepted)(struct text input));

bool text_is_ascii(const char *terminated);

#endif
