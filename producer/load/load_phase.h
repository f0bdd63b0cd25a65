/* A dump phase as the source of a load: its query, and its program with the types that the query
 * has. One thread.
 */
#ifndef PRODUCER_LOAD_LOAD_PHASE_H
#define PRODUCER_LOAD_LOAD_PHASE_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/config/config_phase.h"
#include "common/ops/op.h"
#include "common/pg/pg.h"
#include "producer/triggers/phase_select.h"

struct load_phase {
    struct phase_select select;
    struct phase_program program;
    const uint32_t *columns; /* that the program reads, in the order in which they are selected */
    uint32_t column_count;
};

/* Reads dump phase `index`, which has a copy_query, into `arena`. The session's search_path is that
 * of the triggers of its table. ERR_USAGE with file and line: Postgres refuses the query, or an
 * expression does not fit the types of its columns. */
int load_phase_read(struct pg *pg, struct arena *arena, const struct config *config, uint32_t index,
                    struct load_phase *phase, struct error *err);

/* A column as expressions have it. A list, and what no operator takes, is null. Pure. */
struct expression_value load_phase_operand(const struct value *value);

#endif
