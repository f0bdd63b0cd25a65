/* The tables under `triggers` and their signatures (source_signature.h), in the database and in
 * bitdex_sources.
 *
 * The functions use the caller's database session, on which no transaction is open. One thread.
 */
#ifndef PRODUCER_SOURCE_SOURCE_TABLES_H
#define PRODUCER_SOURCE_SOURCE_TABLES_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/source/cursor.h"

/* Does entry `index` of `triggers` read the table: is it its own, or on its path? */
bool source_tables_has(const struct config *config, uint32_t index, const char *table);

/* A table whose signature is not the saved one, or whose last change is not loaded yet. Its texts
 * are valid as long as the result. */
struct source_table {
    const char *table;  /* as configured */
    const char *now;    /* signature */
    const char *before; /* NULL: it was never seen */
    const char *filled; /* struct source_signatures */
    const char *reason; /* what has changed before and is not loaded yet; NULL: nothing */
    bool exists;
};

/* Queries them: one row for each table, for source_tables_row(). It waits for no lock of others for
 * long: `*locked` says that it has given up, and has no result. The caller clears `*result`. */
int source_tables_query(struct pg *pg, const struct config *config, struct pg_result **result,
                        bool *locked, struct error *err);
void source_tables_row(const struct pg_result *result, int row, struct source_table *table);

/* Saves the signature of a table, and what of it is not loaded (NULL: nothing). */
int source_tables_save(struct pg *pg, const struct cursor_owner *owner, const char *table,
                       const char *signature, const char *reason, struct error *err);
/* Saves only what is not loaded, of a table whose signature is saved. */
int source_tables_save_reason(struct pg *pg, const struct cursor_owner *owner, const char *table,
                              const char *reason, struct error *err);

#endif
