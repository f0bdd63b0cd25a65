#include "consumer/partition/replay.h"

#include "common/base/check.h"

/* The serving state pauses for so many messages, which take a moment. */
enum { CLOSE_MESSAGES = 4096 };

struct field_set
replay_find_lacking(const struct replay_view *view)
{
    struct field_set lacking = view->serving.complete;
    field_set_remove_all(&lacking, &view->rebuilt.complete);
    return lacking;
}

/* Has the rebuilt state read all that the topic has? */
static bool
replay_is_at_end(const struct replay_view *view)
{
    if (!view->is_idle || view->high < 0)
        return false;
    if (view->rebuilt.next_offset < 0)
        return view->low == view->high;
    return view->rebuilt.next_offset >= view->high;
}

/* The topic may end before the serving position: it was created again since. */
static bool
replay_is_as_far(const struct replay_view *view)
{
    int64_t rebuilt = view->rebuilt.next_offset;
    return (rebuilt >= 0 && rebuilt >= view->serving.next_offset) || replay_is_at_end(view);
}

/* A state that holds nothing proves nothing, and lacks what a state without proof may hold. */
static bool
replay_proves_as_much(const struct replay_view *view)
{
    const struct field_set lacking = replay_find_lacking(view);
    return view->rebuilt.next_offset >= 0 && field_set_is_empty(&lacking);
}

static bool
replay_is_close(const struct replay_view *view)
{
    int64_t rebuilt = view->rebuilt.next_offset;
    return rebuilt >= 0 && view->serving.next_offset - rebuilt <= CLOSE_MESSAGES;
}

enum replay_step
replay_decide(const struct replay_view *view)
{
    bool is_as_far = replay_is_as_far(view);
    CHECK(view->serving.next_offset >= -1);
    CHECK(view->rebuilt.next_offset >= -1);
    CHECK(!view->is_idle || !view->is_stuck);
    if (view->is_lost)
        return REPLAY_END;
    if (!is_as_far && !replay_is_close(view))
        return REPLAY_READ;
    if (!view->accepts_loss && !replay_proves_as_much(view))
        return REPLAY_WAIT;
    if (is_as_far)
        return REPLAY_SWAP;
    return view->is_stuck || view->is_idle ? REPLAY_READ : REPLAY_CLOSE;
}
