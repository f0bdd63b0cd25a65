/* What a verify compares: which fields of a selection the rows of a range determine, by which
 * queries (sum_select.h), and why the others cannot be compared.
 *
 * Everything lives in the caller's arena and points to the configuration. Read only after it was
 * made; the session may be closed.
 */
#ifndef PRODUCER_LOAD_SUM_PLAN_H
#define PRODUCER_LOAD_SUM_PLAN_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/load_plan.h"
#include "producer/triggers/exempt.h"
#include "producer/triggers/sum_select.h"

/* A field of the index that the selection names. Fields that the index computes are not among them:
 * they follow from others. */
struct sum_plan_field {
    struct text field;  /* "": existence */
    bool is_comparable; /* by sums */
    const char *reason; /* why it is not; else NULL */
};

/* One query. */
struct sum_statement {
    struct sum_query query;
    /* Numbers in plan->fields of what it sums: first existence, if it does, then the targets. */
    const uint32_t *fields;
    uint32_t field_count;
    const struct entry *entry; /* whose names the query is resolved with */
};

struct sum_plan {
    const struct config *config;
    const struct sum_plan_field *fields; /* existence first, if it is selected */
    uint32_t field_count;
    uint32_t comparable_count;
    const struct sum_statement *statements; /* none: nothing can be compared */
    uint32_t statement_count;
    const struct entry *const *alive; /* the entries with `sets_alive` */
    uint32_t alive_count;
    struct exempt_fields exempt; /* of all entries, selected or not */
    /* The comparable fields as a load would read them, of all entities, for a check. */
    struct load_plan load;
};

/* `selection` has a table, fields, both or neither; its range and ids are not used. ERR_USAGE, in
 * words for the operator: an unknown table, a field that the index does not have or that no trigger
 * of the table sets, or what catalogue_read() refuses. Changes the session's search_path. */
int sum_plan_create(const struct config *config, struct pg *pg,
                    const struct load_selection *selection, struct arena *arena,
                    struct sum_plan **plan, struct error *err);

#endif
