/* What a load reads: the entries of `triggers` that a selection names, completed from the
 * catalogue, as range sources, which are read by ranges of entity ids, and passes, which are read
 * by the parents' keys because only the index knows their entities.
 *
 * Everything lives in the caller's arena and points to the configuration. Read only after it was
 * made; the session may be closed.
 */
#ifndef PRODUCER_LOAD_LOAD_PLAN_H
#define PRODUCER_LOAD_LOAD_PLAN_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/event/chunk.h"
#include "common/pg/pg.h"
#include "producer/triggers/entry.h"

/* A zeroed one selects everything. At most one of range and ids is given. */
struct load_selection {
    const char *table;         /* as configured; NULL: all tables */
    const char *const *fields; /* none: all fields */
    uint32_t field_count;
    bool has_range;
    int64_t begin; /* 0 <= begin < end */
    int64_t end;   /* exclusive; CHUNK_NO_END */
    const int64_t *ids;
    uint32_t id_count;
};

/* Values of one entry. */
struct load_source {
    const struct entry *entry;
    const uint32_t *values; /* indexes into entry->values, ascending; none: it only sets alive */
    uint32_t value_count;
    bool is_whole;         /* all values of the entry, of all entities: its dump is complete */
    const char *dump_name; /* "{Table}-{hash8}": of the table and the whole entry's definition */
    /* Of a pass: the fields that its fan-outs set, and those that their queries read. */
    const struct text *fields;
    uint32_t field_count;
    const struct text *reads;
    uint32_t read_count;
};

struct load_plan {
    const struct config *config;
    struct load_source *ranges;
    uint32_t range_count;
    struct load_source *passes;
    uint32_t pass_count;
    const struct text *fields; /* of the ranges and the passes, each once */
    uint32_t field_count;
    const struct text *range_fields; /* that every chunk names, each once */
    uint32_t range_field_count;
    bool states_alive;  /* every entry that sets alive is among the ranges */
    int64_t begin;      /* 0 <= begin < end */
    int64_t end;        /* CHUNK_NO_END: of all entities */
    const int64_t *ids; /* strictly ascending; only these entities of the range */
    uint32_t id_count;
};

/* ERR_USAGE, in words for the operator: an unknown table, a field that no trigger owns, a range or
 * ids beside a source that only the index resolves, or a source whose table lacks an index that it
 * needs; the message names the CREATE INDEX. Changes settings of the session, its search_path
 * among them. */
int load_plan_create(const struct config *config, struct pg *pg,
                     const struct load_selection *selection, struct arena *arena,
                     struct load_plan **plan, struct error *err);

#endif
