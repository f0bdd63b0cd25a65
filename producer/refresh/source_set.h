/* The sources that are read together, and everything that reading them needs: the plan, which is
 * made when they are first read, and again when Postgres has refused a query or the definition of a
 * table has changed. One thread.
 */
#ifndef PRODUCER_REFRESH_SOURCE_SET_H
#define PRODUCER_REFRESH_SOURCE_SET_H

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/pg/pg.h"
#include "producer/load/load_plan.h"
#include "producer/load/parent_reader.h"
#include "producer/load/range_reader.h"
#include "producer/refresh/request_sources.h"

struct source_set {
    struct request_sources sources;
    struct arena arena;           /* of the plan */
    const struct load_plan *plan; /* NULL: not made */
    struct range_reader *ranges;  /* NULL: no entity has anything of them */
    bool is_scanned;              /* no index finds the rows of some source */
    /* By source, the ranges, then the passes, and by level, CONFIG_LINKS_MAX for each source;
     * zeroed at first. */
    struct parent_reader *parents;
    bool is_used;    /* in this turn */
    char *signature; /* of the tables, as of the plan; NULL: not read */
    int64_t due_us;  /* monotonic: after a refusal, not to be read before */
    int retry_ms;
    char problem[ERROR_MESSAGE_BYTES]; /* of the refusal; "": there was none */
};

/* Copies `*sources`. */
struct source_set *source_set_create(const struct config *config,
                                     const struct request_sources *sources);
/* NULL does nothing. */
void source_set_destroy(struct source_set *set);

/* Makes the plan unless there is one. `pg` is in a transaction outside of a savepoint, and stays
 * so, as in the next function. */
int source_set_prepare(struct source_set *set, const struct config *config,
                       const struct range_reader_options *options, struct pg *pg,
                       struct error *err);

/* `*parents` reads what depends on rows of a level of an entry of the set, whose plan is made. */
int source_set_find_parents(struct source_set *set, const struct range_reader_options *options,
                            struct pg *pg, uint32_t entry, uint32_t level,
                            const struct parent_reader **parents, struct error *err);

/* The next source_set_prepare() makes the plan again. */
void source_set_drop_plan(struct source_set *set);

/* Postgres has refused to read them: the plan is dropped, and they are due again after a pause. */
void source_set_refuse(struct source_set *set, const struct error *why);
/* They were read. */
void source_set_succeed(struct source_set *set);

#endif
