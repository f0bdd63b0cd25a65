#include "producer/refresh/refresh_turn.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"

enum {
    TURN_US = 300 * US_PER_MS,
    TURN_BYTES = 8 << 20,
    DENSE = 10, /* a list is read as a range when one id in so many is in it */
    DENSE_IDS_MIN = 64,
};

/* Less of a turn than this is not worth a statement. */
#define SHARE_MIN 0.05

/* How much of the turn is left, as a part of it. */
static double
share_left(const struct refresh_turn *turn)
{
    int64_t elapsed_us = clock_monotonic_us() - turn->started_us;
    double time = 1 - (double)elapsed_us / TURN_US;
    double bytes = 1 - (double)turn->answers->bytes / TURN_BYTES;
    return turn->is_fresh ? 1 : time < bytes ? time : bytes;
}

bool
refresh_turn_is_over(const struct refresh_turn *turn)
{
    return share_left(turn) < SHARE_MIN;
}

double
refresh_turn_share(const struct refresh_turn *turn)
{
    double share = share_left(turn);
    return share > SHARE_MIN ? share : SHARE_MIN;
}

void
refresh_turn_settle(struct refresh_turn *turn, uint32_t index, uint32_t answered_count)
{
    CHECK(answered_count <= turn->work[index].row_count);
    turn->is_settled[index] = true;
    turn->work[index].answered_count = answered_count;
}

/* Of these sources, everything waits for a later turn. */
void
refresh_turn_settle_set(struct refresh_turn *turn, const struct source_set *set)
{
    for (uint32_t i = 0; i < turn->count; i++)
        if (turn->sets[i] == set && !turn->is_settled[i])
            refresh_turn_settle(turn, i, 0);
}

static int
compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Sorts the ids, and leaves each once; returns how many there are. */
uint32_t
refresh_turn_unite_ids(int64_t *ids, uint32_t count)
{
    uint32_t united = 0;
    if (count > 0)
        qsort(ids, count, sizeof *ids, compare_ids);
    for (uint32_t i = 0; i < count; i++)
        if (united == 0 || ids[united - 1] < ids[i])
            ids[united++] = ids[i];
    return united;
}

bool
refresh_turn_has_slot(const struct refresh_turn *turn, int64_t id)
{
    const struct config *config = turn->config;
    return id >= 0 && id < config->topic.max_slots * config->topic.partitions;
}

/* Reads the first of the ids, which ascend strictly: those below chunk->end. */
int
refresh_turn_read_ids(struct refresh_turn *turn, struct source_set *set, const int64_t *ids,
                      uint32_t count, struct load_chunk *chunk, struct error *err)
{
    struct range_wanted wanted = {
        .begin = ids[0],
        .end = ids[count - 1] + 1,
        .ids = ids,
        .id_count = count,
        .share = refresh_turn_share(turn),
    };
    CHECK(count > 0 && set->ranges != NULL);
    if (count >= DENSE_IDS_MIN && (wanted.end - wanted.begin) / DENSE < count) {
        wanted.ids = NULL;
        wanted.id_count = 0;
        wanted.is_dense = true;
    }
    turn->is_fresh = false;
    return range_reader_read_wanted(set->ranges, turn->pg, &wanted, chunk, err);
}

/* How many of the ids are below `end`. */
uint32_t
refresh_turn_count_below(const int64_t *ids, uint32_t count, int64_t end)
{
    uint32_t low = 0;
    while (low < count) {
        uint32_t middle = low + (count - low) / 2;
        if (ids[middle] < end)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

void
refresh_turn_list_rows(struct row_list *list, const struct refresh_work *work, uint32_t count,
                       int64_t entity_id)
{
    if (list->count + count > list->capacity) {
        list->capacity = 2 * (list->count + count);
        struct answer_row *rows = arena_alloc(list->arena, list->capacity * sizeof *rows);
        if (list->count > 0)
            memcpy(rows, list->rows, list->count * sizeof *rows);
        list->rows = rows;
    }
    for (uint32_t i = 0; i < count; i++)
        list->rows[list->count++] = (struct answer_row){work->rows[i], entity_id};
}

bool
refresh_turn_is_member(const struct refresh_turn *turn, uint32_t index,
                       const struct source_set *set, bool is_parent)
{
    return !turn->is_settled[index] && turn->sets[index] == set &&
           (turn->work[index].request->kind == REQUEST_PARENT) == is_parent;
}
