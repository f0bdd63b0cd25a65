#include "common/http/body_budget.h"

#include "common/base/check.h"

void
body_budget_init(struct body_budget *budget, size_t limit_bytes)
{
    atomic_init(&budget->limit_bytes, limit_bytes);
    atomic_init(&budget->held_bytes, 0);
    atomic_init(&budget->peak_bytes, 0);
}

void
body_budget_set_limit(struct body_budget *budget, size_t limit_bytes)
{
    atomic_store(&budget->limit_bytes, limit_bytes);
}

bool
body_budget_reserve(struct body_budget *budget, size_t bytes)
{
    size_t limit = atomic_load(&budget->limit_bytes);
    size_t held = atomic_load(&budget->held_bytes);
    do {
        if (bytes > 0 && (held > limit || bytes > limit - held))
            return false;
    } while (!atomic_compare_exchange_weak(&budget->held_bytes, &held, held + bytes));
    size_t peak = atomic_load(&budget->peak_bytes);
    while (peak < held + bytes &&
           !atomic_compare_exchange_weak(&budget->peak_bytes, &peak, held + bytes))
        continue;
    return true;
}

void
body_budget_release(struct body_budget *budget, size_t bytes)
{
    size_t before = atomic_fetch_sub(&budget->held_bytes, bytes);
    CHECK(before >= bytes);
}

size_t
body_budget_held_bytes(const struct body_budget *budget)
{
    return atomic_load(&budget->held_bytes);
}

size_t
body_budget_peak_bytes(const struct body_budget *budget)
{
    return atomic_load(&budget->peak_bytes);
}
