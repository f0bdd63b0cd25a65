/* The SELECT of a dump phase's copy_query, as a load reads it: ranges of its rows, with the columns
 * as the values of ops have them (F84). The SQL is pure; reading the columns uses the caller's
 * session. One thread.
 */
#ifndef PRODUCER_TRIGGERS_PHASE_SELECT_H
#define PRODUCER_TRIGGERS_PHASE_SELECT_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"
#include "producer/triggers/select.h"

struct phase_select {
    const struct config *config;
    uint32_t index; /* in the list `dump_phases` */
    const struct config_dump_phase *phase;
    struct text select;
    struct entry_value *columns; /* by column of the phase; `target` is its name */
};

/* ERR_USAGE: "FILE:LINE:COLUMN: dump_phases[N].SETTING: " and the formatted reason. */
int phase_select_refuse(const struct phase_select *select, const char *setting, struct error *err,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fills `*select` from dump phase `index`, which has a copy_query, into `arena`. Names are resolved
 * by the session's search_path. ERR_USAGE: Postgres refuses the query, its columns are not those of
 * the phase, or it cannot be read by ranges, so that each would read a whole table. */
int phase_select_read(struct pg *pg, struct arena *arena, const struct config *config,
                      uint32_t index, struct phase_select *select, struct error *err);

/* The SELECT of the rows of a range: the slot, and the columns of the list, as select.h says of
 * values. */
void phase_select_append_range(struct buffer *out, const struct phase_select *select,
                               const uint32_t *columns, uint32_t column_count,
                               const struct select_range *range);

/* The SELECT of the least slot at or above `begin`, null or no row without one. */
void phase_select_append_next_slot(struct buffer *out, const struct phase_select *select,
                                   int64_t begin);

#endif
