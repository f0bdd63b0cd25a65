/* What a load reads: the entries of `triggers` that a selection names, completed from the
 * catalogue. They are range sources, which are read by ranges of entity ids, and passes, which are
 * read by the parents' keys because only the index knows their entities.
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
#include "producer/load/load_source.h"

/* A zeroed one selects everything. At most one of range and ids is given; they leave out passes
 * that neither `table` nor `fields` names. */
struct load_selection {
    const char *table;         /* as configured; NULL: all tables */
    const char *const *fields; /* none: all fields */
    uint32_t field_count;
    bool has_range;
    int64_t begin; /* 0 <= begin < end */
    int64_t end;   /* exclusive; CHUNK_NO_END */
    const int64_t *ids;
    uint32_t id_count;
    /* Not NULL: only these entries of `triggers` (indexes), exactly as their trigger functions
     * write them: dump phases replace nothing, and a table without the index by which its rows
     * would be found is scanned. The plan may then have no source. */
    const uint32_t *entries;
    uint32_t entry_count;
    bool without_alive; /* the values alone: existence is not stated */
};

struct load_plan {
    const struct config *config;
    struct load_source *ranges;
    uint32_t range_count;
    struct load_source *passes;
    uint32_t pass_count;
    const struct text *fields;   /* of the ranges, then of the passes; each once */
    uint32_t field_count;        /* of both */
    uint32_t range_field_count;  /* of the ranges: the fields that every chunk names */
    bool states_alive;           /* the ranges have all entries that set alive */
    const struct text *left_out; /* fields of the passes that a range or ids left out */
    uint32_t left_out_count;
    int64_t begin;      /* 0 <= begin < end */
    int64_t end;        /* CHUNK_NO_END: of all entities */
    const int64_t *ids; /* strictly ascending; only these entities of the range */
    uint32_t id_count;
};

/* ERR_USAGE, in words for the operator: an unknown table, a field that no trigger sets, a range or
 * ids for a fan-out that only the index resolves, or a table without the index by which it would
 * have to be read; the message names the CREATE INDEX. On success the plan has a source, unless
 * the selection names entries. Changes the session's search_path. */
int load_plan_create(const struct config *config, struct pg *pg,
                     const struct load_selection *selection, struct arena *arena,
                     struct load_plan **plan, struct error *err);

#endif
