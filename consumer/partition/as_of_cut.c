#include "consumer/partition/as_of_cut.h"

#include "common/base/check.h"

void
as_of_cut_begin(struct as_of_cut *cut, int64_t time_us)
{
    CHECK(time_us >= 0);
    *cut = (struct as_of_cut){.time_us = time_us, .offset = -1, .last_offset = -1};
}

/* Is nothing of a later window before it? The tick of a watermark that owes answers is not kept, so
 * that it does not show it. */
static bool
cut_is_after_watermark(const struct sequence *sequence)
{
    const struct sequence_watermark *watermark = &sequence->watermark;
    return watermark->newest_us > 0 && watermark->tick == sequence->tick;
}

bool
as_of_cut_take(struct as_of_cut *cut, int64_t offset, const struct sequence *sequence)
{
    int64_t clock_us = sequence->watermark.newest_us;
    CHECK(offset > cut->last_offset);
    CHECK(cut->offset <= cut->last_offset);
    if (clock_us > cut->time_us)
        return false;
    if (clock_us > cut->last_us && cut->last_us > 0) {
        cut->offset = cut->last_offset;
        cut->clock_us = cut->last_us;
    }
    cut->last_offset = offset;
    cut->last_us = clock_us;
    if (cut_is_after_watermark(sequence)) {
        cut->offset = offset;
        cut->clock_us = clock_us;
    }
    return true;
}
