/* One turn of the refresh reader: the requests, what is left of its time and bytes, and what has
 * been answered. One thread. For this room only.
 */
#ifndef PRODUCER_REFRESH_REFRESH_TURN_H
#define PRODUCER_REFRESH_REFRESH_TURN_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/range_reader.h"
#include "producer/refresh/answers.h"
#include "producer/refresh/refresh_work.h"
#include "producer/refresh/source_set.h"

struct parent_page;

struct refresh_turn {
    const struct config *config;
    const struct range_reader_options *reading;
    const struct answers_limits *limits;
    struct parent_page *page;
    struct pg *pg;
    struct refresh_work *work;
    uint32_t count;
    struct source_set **sets; /* by work; NULL: it waits */
    bool *is_settled;         /* by work: answered, or left for a later turn */
    struct answers *answers;
    struct arena scratch; /* of what is read together */
    int64_t started_us;
    bool is_fresh; /* nothing was read yet */
};

/* Rows that an answer will name; zeroed but for the arena. */
struct row_list {
    struct arena *arena;
    struct answer_row *rows;
    uint32_t count;
    uint32_t capacity;
};

/* How much of a turn the next reading may take, more than 0. */
double refresh_turn_share(const struct refresh_turn *turn);
/* What is left is not worth a statement. */
bool refresh_turn_is_over(const struct refresh_turn *turn);

/* Request `index` is done in this turn, and so many of its rows are answered. */
void refresh_turn_settle(struct refresh_turn *turn, uint32_t index, uint32_t answered_count);
/* Of these sources, everything waits for a later turn. */
void refresh_turn_settle_set(struct refresh_turn *turn, const struct source_set *set);
/* It is not settled, of these sources, and for a parent or not. */
bool refresh_turn_is_member(const struct refresh_turn *turn, uint32_t index,
                            const struct source_set *set, bool is_parent);

bool refresh_turn_has_slot(const struct refresh_turn *turn, int64_t id);
/* Sorts the ids, and leaves each once; returns how many there are. */
uint32_t refresh_turn_unite_ids(int64_t *ids, uint32_t count);
/* How many of the sorted ids are below `end`. */
uint32_t refresh_turn_count_below(const int64_t *ids, uint32_t count, int64_t end);

/* Reads the first of the ids, which ascend strictly and have slots: those below chunk->end. Errors
 * as range_reader_read_wanted(). */
int refresh_turn_read_ids(struct refresh_turn *turn, struct source_set *set, const int64_t *ids,
                          uint32_t count, struct load_chunk *chunk, struct error *err);

/* Adds the first rows of a request. */
void refresh_turn_list_rows(struct row_list *list, const struct refresh_work *work, uint32_t count,
                            int64_t entity_id);

#endif
