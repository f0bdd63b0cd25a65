/* The bytes that the bodies of all requests may have in memory together. Any thread. */
#ifndef COMMON_HTTP_BODY_BUDGET_H
#define COMMON_HTTP_BODY_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct body_budget {
    atomic_size_t limit_bytes;
    atomic_size_t held_bytes;
    atomic_size_t peak_bytes;
};

void body_budget_init(struct body_budget *budget, size_t limit_bytes);
/* What is held above a lower limit stays until it is released. */
void body_budget_set_limit(struct body_budget *budget, size_t limit_bytes);
/* False: the limit does not allow so much more, and nothing is held. 0 bytes are always allowed. */
bool body_budget_reserve(struct body_budget *budget, size_t bytes);
void body_budget_release(struct body_budget *budget, size_t bytes);
size_t body_budget_held_bytes(const struct body_budget *budget);
/* The greatest that was held. */
size_t body_budget_peak_bytes(const struct body_budget *budget);

#endif
