/* Windows form a queue, oldest first. A window leaves it when nothing of it is owed any more, but
 * only from the front: `answered` never goes back.
 *
 * A row that is only counted is in the last window of the queue that has a rest. While there is a
 * rest, every new row joins one: the oldest are held. Windows of which everything is in a rest are
 * one: the rows between the s1 of the first and the s2 of the last. So there are only a few rests.
 * Windows without a rest are many when one target takes long; above a limit further rows are
 * counted to the last window, whose s1 is older than theirs.
 */
#include "producer/refresh/owed.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "producer/refresh/owed_targets.h"
#include "producer/source/outbox.h"
#include "producer/source/window.h"

enum {
    WINDOWS_MAX = 1024,          /* that are kept apart */
    TEXT_BYTES_PER_REQUEST = 64, /* on average; more texts count as more requests */
    NO_TICK = -1,
};

struct owed_window {
    struct owed_window *next;
    int64_t tick; /* of the window whose rows it takes; NO_TICK: of none */
    int64_t since_us;
    struct snapshot s1;
    uint64_t held; /* rows that are held */
    bool has_rest;
    bool is_counted; /* the rest is */
    struct snapshot s2;
    int64_t after_id;
    int64_t up_to_id;
    int64_t *rest; /* by partition: how many rows; owned; NULL without a rest */
    int64_t rest_rows;
    int64_t rest_last_id; /* the greatest of a row that was counted */
};

struct owed_row {
    struct owed_window *window;
    int32_t partition;
    uint32_t pending; /* targets that are not answered */
};

struct owed {
    int32_t partitions;
    uint64_t requests_max;
    struct owed_targets targets;
    uint64_t requests; /* held: pairs of a row and a target */
    uint64_t rows;     /* held */
    int64_t *held;     /* by partition: rows that are held */
    struct owed_window *first, *last;
    uint32_t window_count;
    uint32_t rest_count;  /* windows with a rest */
    int64_t resumed_tick; /* a part of this window was sent before the restart; NO_TICK: none */
};

struct owed *
owed_create(int32_t partitions, int64_t requests_max)
{
    struct owed *owed = memory_zalloc(sizeof *owed);
    CHECK(partitions > 0 && requests_max > 0);
    owed->partitions = partitions;
    owed->requests_max = (uint64_t)requests_max;
    owed->resumed_tick = NO_TICK;
    owed->held = memory_zalloc((size_t)partitions * sizeof *owed->held);
    return owed;
}

static void
window_free(struct owed_window *window)
{
    snapshot_free(&window->s1);
    snapshot_free(&window->s2);
    free(window->rest);
    free(window);
}

/* A row is freed by the last target that it waits for. */
static void
free_rows(struct owed_target *target)
{
    for (; target != NULL; target = target->after)
        for (uint32_t i = target->begin; i < target->end; i++)
            if (--target->rows[i]->pending == 0)
                free(target->rows[i]);
}

void
owed_destroy(struct owed *owed)
{
    if (owed == NULL)
        return;
    free_rows(owed->targets.queue.first);
    free_rows(owed->targets.paused.first);
    free_rows(owed->targets.sources.first);
    owed_targets_free(&owed->targets);
    for (struct owed_window *window = owed->first, *next; window != NULL; window = next) {
        next = window->next;
        window_free(window);
    }
    free(owed->held);
    free(owed);
}

/* --- windows --- */

static struct owed_window *
push_window(struct owed *owed, int64_t tick, const struct snapshot *s1, int64_t now_us)
{
    struct owed_window *window = memory_zalloc(sizeof *window);
    CHECK(owed->last == NULL || s1->xmax >= owed->last->s1.xmax);
    window->tick = tick;
    window->since_us = now_us;
    snapshot_copy(&window->s1, s1);
    if (owed->last != NULL)
        owed->last->next = window;
    else
        owed->first = window;
    owed->last = window;
    owed->window_count++;
    return window;
}

static void
begin_rest(struct owed *owed, struct owed_window *window, const struct snapshot *s2,
           int64_t after_id, int64_t up_to_id)
{
    CHECK(!window->has_rest && after_id < up_to_id);
    window->has_rest = true;
    window->is_counted = true;
    snapshot_copy(&window->s2, s2);
    window->after_id = after_id;
    window->up_to_id = up_to_id;
    window->rest_last_id = INT64_MIN;
    window->rest = memory_zalloc((size_t)owed->partitions * sizeof *window->rest);
    owed->rest_count++;
}

/* Windows that owe nothing any more leave the front. */
static void
drop_windows(struct owed *owed)
{
    while (owed->first != NULL && owed->first->held == 0 && !owed->first->has_rest) {
        struct owed_window *window = owed->first;
        owed->first = window->next;
        if (owed->first == NULL)
            owed->last = NULL;
        owed->window_count--;
        window_free(window);
    }
}

/* All rows of its windows are in the rest, and none of them was taken. */
static bool
is_whole_rest(const struct owed_window *window)
{
    return window->has_rest && window->is_counted && window->after_id == OUTBOX_FIRST_ROW &&
           window->up_to_id == INT64_MAX;
}

void
owed_restore(struct owed *owed, const struct cursor_window *window, int64_t now_us)
{
    CHECK(owed->first == NULL);
    if (window_may_hold_rows(&window->answered, &window->s1)) {
        struct owed_window *before = push_window(owed, NO_TICK, &window->answered, now_us);
        begin_rest(owed, before, &window->s1, OUTBOX_FIRST_ROW, INT64_MAX);
        before->is_counted = false;
    }
    if (window->sub_id != 0)
        owed->resumed_tick = window->tick;
    if (window->sub_id != 0 && window_may_hold_rows(&window->s1, &window->s2)) {
        struct owed_window *sent = push_window(owed, NO_TICK, &window->s1, now_us);
        begin_rest(owed, sent, &window->s2, OUTBOX_FIRST_ROW, window->sub_id);
        sent->is_counted = false;
    }
}

/* --- rows --- */

static bool
is_full(const struct owed *owed)
{
    return owed->requests + owed->targets.text_bytes / TEXT_BYTES_PER_REQUEST >= owed->requests_max;
}

static void
count_row(const struct owed *owed, int64_t *counts, int32_t partition, int64_t change)
{
    int32_t first = partition >= 0 ? partition : 0;
    int32_t last = partition >= 0 ? partition : owed->partitions - 1;
    CHECK(last < owed->partitions);
    for (int32_t p = first; p <= last; p++)
        counts[p] += change;
}

static void
hold(struct owed *owed, struct owed_window *window, const struct owed_entry *entry)
{
    struct owed_row *row = memory_zalloc(sizeof *row);
    *row = (struct owed_row){.window = window, .partition = entry->partition};
    CHECK(entry->requests.count > 0);
    for (uint32_t i = 0; i < entry->requests.count; i++) {
        struct owed_target *target = owed_targets_get(&owed->targets, &entry->requests.items[i]);
        if (target->end > target->begin && target->rows[target->end - 1] == row)
            continue; /* the row asks for it twice */
        owed_target_append(target, row, entry->row_id);
        row->pending++;
        owed->requests++;
    }
    owed->rows++;
    window->held++;
    count_row(owed, owed->held, entry->partition, 1);
}

/* The window to whose rest the row belongs. A new rest begins with this row if earlier rows of the
 * window are held, or are in the rest that a restart has found. */
static struct owed_window *
rest_of(struct owed *owed, const struct owed_place *place, int64_t row_id)
{
    struct owed_window *last = owed->last;
    if (last != NULL && last->has_rest && last->tick == place->tick)
        return last;
    if (last != NULL && is_whole_rest(last)) {
        last->tick = place->tick;
        snapshot_copy(&last->s2, place->s2);
        return last;
    }
    bool has_earlier =
        place->tick == owed->resumed_tick || (last != NULL && last->tick == place->tick);
    last = push_window(owed, place->tick, place->s1, place->now_us);
    begin_rest(owed, last, place->s2, has_earlier ? row_id - 1 : OUTBOX_FIRST_ROW, INT64_MAX);
    return last;
}

static void
add_to_rest(struct owed *owed, const struct owed_place *place, const struct owed_entry *entry)
{
    struct owed_window *window = rest_of(owed, place, entry->row_id);
    CHECK(entry->row_id > window->after_id);
    window->rest_rows++;
    if (entry->row_id > window->rest_last_id)
        window->rest_last_id = entry->row_id;
    count_row(owed, window->rest, entry->partition, 1);
}

void
owed_add(struct owed *owed, const struct owed_place *place, const struct owed_entry *entry)
{
    struct owed_window *last = owed->last;
    CHECK(place->tick >= 0 && (last == NULL || place->tick >= last->tick));
    if (owed->rest_count > 0 || is_full(owed)) {
        add_to_rest(owed, place, entry);
        return;
    }
    if (last != NULL && last->tick != place->tick && owed->window_count >= WINDOWS_MAX)
        last->tick = place->tick;
    else if (last == NULL || last->tick != place->tick)
        last = push_window(owed, place->tick, place->s1, place->now_us);
    hold(owed, last, entry);
}

/* --- the rest --- */

static struct owed_window *
oldest_rest(const struct owed *owed)
{
    struct owed_window *window = owed->first;
    CHECK(owed->rest_count > 0);
    while (!window->has_rest)
        window = window->next;
    return window;
}

bool
owed_wants_rest(const struct owed *owed)
{
    return owed->rest_count > 0 && owed->requests <= owed->requests_max / 2 && !is_full(owed);
}

struct owed_rest
owed_rest(const struct owed *owed)
{
    const struct owed_window *window = oldest_rest(owed);
    bool has_last = window->rest_last_id != INT64_MIN;
    return (struct owed_rest){&window->s1, &window->s2, window->after_id,
                              has_last ? window->rest_last_id : window->up_to_id};
}

/* A row was taken from the rest. If it cannot be one of those that were counted, somebody has
 * changed the outbox, and the number of the others is not known any more. */
static void
uncount_row(const struct owed *owed, struct owed_window *window, int32_t partition)
{
    bool has_row = window->is_counted && window->rest_rows > 0 &&
                   window->rest[partition >= 0 ? partition : 0] > 0;
    window->is_counted = has_row;
    if (!has_row)
        return;
    window->rest_rows--;
    count_row(owed, window->rest, partition, -1);
}

bool
owed_take(struct owed *owed, const struct owed_entry *entry)
{
    struct owed_window *window = oldest_rest(owed);
    CHECK(entry->row_id > window->after_id && entry->row_id <= window->up_to_id);
    if (is_full(owed))
        return false;
    hold(owed, window, entry);
    window->after_id = entry->row_id;
    uncount_row(owed, window, entry->partition);
    return true;
}

void
owed_pass_rest(struct owed *owed, int64_t last_id, bool is_last)
{
    struct owed_window *window = oldest_rest(owed);
    CHECK(last_id >= window->after_id || is_last);
    if (!is_last && last_id < window->up_to_id) {
        window->after_id = last_id;
        return;
    }
    window->has_rest = false;
    window->rest_rows = 0;
    free(window->rest);
    window->rest = NULL;
    owed->rest_count--;
    drop_windows(owed);
}

/* --- answers --- */

static struct owed_item
item_of(struct owed_target *target)
{
    return (struct owed_item){
        .target = target,
        .request = &target->request,
        .rows = target->ids + target->begin,
        .row_count = target->end - target->begin,
    };
}

uint32_t
owed_list(struct owed *owed, int64_t now_us, struct owed_item *items, uint32_t max)
{
    uint32_t count = 0;
    owed_targets_wake(&owed->targets, now_us);
    for (struct owed_target *target = owed->targets.queue.first; target != NULL && count < max;
         target = target->after)
        items[count++] = item_of(target);
    return count;
}

bool
owed_next_source(const struct owed *owed, struct owed_item *item)
{
    struct owed_target *target =
        item->target == NULL ? owed->targets.sources.first : item->target->after;
    if (target == NULL)
        return false;
    *item = item_of(target);
    return true;
}

bool
owed_find_source(const struct owed *owed, uint32_t entry, struct owed_item *item)
{
    *item = (struct owed_item){0};
    while (owed_next_source(owed, item))
        if (item->request->entry == entry)
            return true;
    return false;
}

uint32_t
owed_item_pending(const struct owed_item *item, uint32_t index)
{
    CHECK(index < item->row_count);
    return item->target->rows[item->target->begin + index]->pending;
}

/* One of the row's targets is answered. */
static void
answer_row(struct owed *owed, struct owed_row *row)
{
    CHECK(row->pending > 0 && owed->requests > 0);
    owed->requests--;
    if (--row->pending > 0)
        return;
    CHECK(row->window->held > 0 && owed->rows > 0);
    row->window->held--;
    owed->rows--;
    count_row(owed, owed->held, row->partition, -1);
    free(row);
}

void
owed_answer(struct owed *owed, struct owed_target *target, uint32_t count, int64_t now_us,
            int64_t due_us)
{
    CHECK(count <= target->end - target->begin);
    for (uint32_t i = 0; i < count; i++)
        answer_row(owed, target->rows[target->begin + i]);
    owed_targets_answer(&owed->targets, target, count, now_us, due_us);
    drop_windows(owed);
}

/* --- counts --- */

bool
owed_is_empty(const struct owed *owed)
{
    CHECK(owed->first != NULL || (owed->requests == 0 && owed->rest_count == 0));
    return owed->first == NULL;
}

int64_t
owed_count(const struct owed *owed, int32_t partition)
{
    int64_t count = owed->held[partition];
    CHECK(partition >= 0 && partition < owed->partitions);
    for (const struct owed_window *window = owed->first; window != NULL; window = window->next)
        if (window->has_rest)
            count += window->is_counted ? window->rest[partition] : 1;
    return count;
}

int64_t
owed_count_all(const struct owed *owed)
{
    int64_t count = (int64_t)owed->rows;
    for (const struct owed_window *window = owed->first; window != NULL; window = window->next)
        if (window->has_rest)
            count += window->is_counted ? window->rest_rows : 1;
    return count;
}

int64_t
owed_oldest_us(const struct owed *owed)
{
    return owed->first != NULL ? owed->first->since_us : 0;
}

const struct snapshot *
owed_answered(const struct owed *owed)
{
    return owed->first != NULL ? &owed->first->s1 : NULL;
}
