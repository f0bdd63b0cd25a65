#include "consumer/partition/as_of_search.h"

#include "common/base/check.h"

void
as_of_search_begin(struct as_of_search *search, int64_t time_us, int64_t low, int64_t high)
{
    CHECK(time_us >= 0);
    CHECK(0 <= low && low <= high);
    *search = (struct as_of_search){
        .time_us = time_us,
        .low = low,
        .high = high,
        .stop = AS_OF_NONE,
        .stop_us = AS_OF_NONE,
        .later_us = AS_OF_NONE,
    };
}

bool
as_of_search_next(const struct as_of_search *search, int64_t *from, int64_t *to)
{
    int64_t left = search->high - search->low;
    CHECK(left >= 0);
    *from = search->low + (left > AS_OF_LITTLE ? left / 2 : 0);
    *to = search->high;
    return search->low < search->high;
}

void
as_of_search_take(struct as_of_search *search, int64_t offset, int64_t clock_us)
{
    int64_t from, to;
    CHECK(as_of_search_next(search, &from, &to));
    CHECK(offset == AS_OF_NONE || (from <= offset && offset < to));
    if (offset != AS_OF_NONE && clock_us <= search->time_us) {
        search->low = offset + 1;
        search->stop = search->low;
        search->stop_us = clock_us;
        return;
    }
    search->high = from;
    if (offset != AS_OF_NONE)
        search->later_us = clock_us;
}
