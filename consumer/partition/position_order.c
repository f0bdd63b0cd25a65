#include "consumer/partition/position_order.h"

#include <stddef.h>

#include "common/base/check.h"

/* Each from the smallest position to the greatest one. */
static const enum position_kind state_chain[] = {
    POSITION_WAL_BEGIN, POSITION_OLDEST_CHECKPOINT, POSITION_NEWEST_CHECKPOINT,
    POSITION_APPLIED,   POSITION_DURABLE,
};
static const enum position_kind group_chain[] = {
    POSITION_CURSOR_TABLE,
    POSITION_COMMITTED,
    POSITION_DURABLE,
};

static void
order_check_chain(const struct position_order *order, const enum position_kind *chain, size_t count)
{
    int64_t least = POSITION_NONE;
    for (size_t i = 0; i < count; i++) {
        int64_t offset = order->offsets[chain[i]];
        if (offset == POSITION_NOT_FOLLOWED)
            continue;
        CHECK(least <= offset);
        least = offset;
    }
}

static void
order_set(struct position_order *order, enum position_kind kind, int64_t offset)
{
    order->offsets[kind] = offset;
    order_check_chain(order, state_chain, sizeof state_chain / sizeof state_chain[0]);
    order_check_chain(order, group_chain, sizeof group_chain / sizeof group_chain[0]);
}

void
position_order_init(struct position_order *order)
{
    for (int kind = 0; kind < POSITION_KINDS; kind++)
        order->offsets[kind] = POSITION_NOT_FOLLOWED;
}

void
position_order_follow(struct position_order *order, enum position_kind kind, int64_t offset)
{
    CHECK(kind < POSITION_KINDS);
    CHECK(order->offsets[kind] == POSITION_NOT_FOLLOWED);
    CHECK(offset >= POSITION_NONE);
    order_set(order, kind, offset);
}

void
position_order_move(struct position_order *order, enum position_kind kind, int64_t offset)
{
    CHECK(offset >= 0);
    CHECK(offset >= position_order_offset(order, kind));
    order_set(order, kind, offset);
}

int64_t
position_order_offset(const struct position_order *order, enum position_kind kind)
{
    CHECK(kind < POSITION_KINDS);
    CHECK(order->offsets[kind] != POSITION_NOT_FOLLOWED);
    return order->offsets[kind];
}
