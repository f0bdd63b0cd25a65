/* What a job asks the database about its sources when it begins and when it ends, beside their
 * rows. The functions use the caller's session, in a transaction or not. One thread.
 */
#ifndef PRODUCER_LOAD_LOAD_SURVEY_H
#define PRODUCER_LOAD_LOAD_SURVEY_H

#include "common/base/error.h"
#include "common/pg/pg.h"
#include "producer/load/load_plan.h"
#include "producer/triggers/covered.h"

/* The triggers in place cover all fields of the plan. ERR_FATAL names one that they do not cover:
 * changes of rows that are loaded would not follow. Pure. */
int load_survey_check_covered(const struct load_plan *plan, const struct covered_fields *covered,
                              struct error *err);

/* Reading the source must give rows: its table has some, no filter can leave them out, and each row
 * is one of an entity. */
int load_survey_expects_rows(struct pg *pg, const struct load_source *source, bool *expects,
                             struct error *err);

/* The greatest entity id in the tables of the plan's ranges; -1: none. */
int load_survey_last_id(struct pg *pg, const struct load_plan *plan, int64_t *last_id,
                        struct error *err);

#endif
