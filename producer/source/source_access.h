/* Can the producer's role read all rows of the tables that a load reads? */
#ifndef PRODUCER_SOURCE_SOURCE_ACCESS_H
#define PRODUCER_SOURCE_SOURCE_ACCESS_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"

/* Checks for the role of `pg` that it may read every column of the tables under `triggers`, their
 * child tables, and those under `dump_phases`, and that row security hides no row of them. Tables
 * that an expression or a query_source reads as well are not known here. ERR_FATAL names the GRANT
 * or the ALTER ROLE that is missing. Only reads the catalogue. */
int source_access_check(struct pg *pg, const struct config *config, struct error *err);

#endif
