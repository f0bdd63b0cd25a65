/* The order of a partition's positions (law L5), within one ownership. Pure.
 *
 *     beginning of the log <= oldest checkpoint <= newest checkpoint <= applied <= durable
 *     cursor table <= committed <= durable
 *
 * Each is the offset of the first message that it does not cover. No position goes back.
 *
 * The replica, the feed and the cursor table each have a struct position_order for the positions
 * that they move, and move them with position_order_move() only.
 */
#ifndef CONSUMER_PARTITION_POSITION_ORDER_H
#define CONSUMER_PARTITION_POSITION_ORDER_H

#include <stdint.h>

enum position_kind {
    POSITION_WAL_BEGIN,         /* frames below it may have been removed from the log */
    POSITION_OLDEST_CHECKPOINT, /* of those that are kept */
    POSITION_NEWEST_CHECKPOINT,
    POSITION_APPLIED,   /* the engine holds everything below */
    POSITION_DURABLE,   /* the log holds everything below, synced */
    POSITION_COMMITTED, /* acknowledged by the broker as the group's offset */
    POSITION_CURSOR_TABLE,
    POSITION_KINDS
};

enum {
    POSITION_NONE = -1,         /* followed; nothing is covered yet */
    POSITION_NOT_FOLLOWED = -2, /* not compared */
};

struct position_order {
    int64_t offsets[POSITION_KINDS]; /* or POSITION_NONE, POSITION_NOT_FOLLOWED */
};

/* Follows no position. */
void position_order_init(struct position_order *order);

/* Follows the position from now on. `offset`: where it is, or POSITION_NONE. */
void position_order_follow(struct position_order *order, enum position_kind kind, int64_t offset);

/* Moves a followed position forward, or leaves it where it is, and checks the order. */
void position_order_move(struct position_order *order, enum position_kind kind, int64_t offset);

/* Where a followed position is, or POSITION_NONE. */
int64_t position_order_offset(const struct position_order *order, enum position_kind kind);

#endif
